#include "base/text.hpp"

#include <doctest/doctest.h>

using namespace streamr;

TEST_CASE("decimal numbers reach the ends of 64 bits and not further") {
  CHECK(parse_u64("0") == 0u);
  CHECK(parse_u64("18446744073709551615") == UINT64_MAX);
  CHECK(parse_u64("007") == 7u);
  CHECK_FALSE(parse_u64("18446744073709551616"));
  CHECK_FALSE(parse_u64("99999999999999999999"));
  CHECK_FALSE(parse_u64("000000000000000000001"));
  CHECK(parse_i64("-9223372036854775808") == INT64_MIN);
  CHECK(parse_i64("9223372036854775807") == INT64_MAX);
  CHECK_FALSE(parse_i64("9223372036854775808"));
  CHECK_FALSE(parse_i64("-9223372036854775809"));
}

TEST_CASE("a decimal number has digits and nothing else") {
  for (const char* text : {"", "+1", " 1", "1 ", "1.0", "1e3", "0x1", "-1", "--1", "one", "1\n"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_u64(text));
  }
  for (const char* text : {"", "-", "+1", "- 1", "--1", "-+1"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_i64(text));
  }
}

TEST_CASE("characters of one to four octets are UTF-8") {
  CHECK(is_utf8(""));
  CHECK(is_utf8("plain"));
  CHECK(is_utf8("\xC2\x80\xDF\xBF"));
  CHECK(is_utf8("\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF"));
  CHECK(is_utf8("\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"));
}

TEST_CASE("overlong forms, surrogates, cut characters and what lies above U+10FFFF are no UTF-8") {
  for (const char* text : {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2\x41", "\xE0\x9F\xBF", "\xE1\x80",
                           "\xED\xA0\x80", "\xED\xBF\xBF", "\xF0\x8F\xBF\xBF", "\xF0\x90\x80", "\xF4\x90\x80\x80",
                           "\xF5\x80\x80\x80", "\xFE", "\xFF", "a\xE2\x82", "\xE2\x28\xA1"}) {
    CHECK_FALSE(is_utf8(text));
  }
}

TEST_CASE("a text is cut between characters") {
  CHECK(utf8_prefix("abc", 3) == "abc");
  CHECK(utf8_prefix("abc", 2) == "ab");
  CHECK(utf8_prefix("a\xE2\x82\xAC!", 4) == "a\xE2\x82\xAC");
  CHECK(utf8_prefix("a\xE2\x82\xAC!", 3) == "a");
  CHECK(utf8_prefix("a\xE2\x82\xAC!", 2) == "a");
  CHECK(utf8_prefix("\xE2\x82\xAC", 1).empty());
}

TEST_CASE("what is no UTF-8 is replaced and the rest stays") {
  CHECK(utf8_repaired("a\xFF"
                      "b") ==
        "a\xEF\xBF\xBD"
        "b");
  CHECK(utf8_repaired("\xE2\x82\xAC") == "\xE2\x82\xAC");
  CHECK(is_utf8(utf8_repaired("\xC0\x80\xED\xA0\x80\xF4")));
}
