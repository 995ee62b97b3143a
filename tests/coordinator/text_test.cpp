#include "coordinator/rules/text.hpp"

#include <doctest/doctest.h>

using namespace coordinator;

TEST_CASE("hex is lower case and of the length that was asked for") {
  CHECK(to_hex(std::string("\x00\xff\x10", 3)) == "00ff10");
  CHECK(from_hex("00ff10", 3).value() == std::string("\x00\xff\x10", 3));
  CHECK_FALSE(from_hex("00FF10", 3));
  CHECK_FALSE(from_hex("00ff1", 3));
  CHECK_FALSE(from_hex("00ff10", 2));
  CHECK_FALSE(from_hex_any("0g"));
}

TEST_CASE("a u64 is plain decimal digits") {
  CHECK(parse_u64("18446744073709551615").value() == UINT64_MAX);
  for (const char* text :
       {"18446744073709551616", "-1", "+1", "01", "", " 1", "1 ", "1.0", "0x1", "99999999999999999999999"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_u64(text));
  }
}

TEST_CASE("money is exact to the micro-unit, in and out") {
  CHECK(parse_money("1000.0").value() == 1'000'000'000);
  CHECK(parse_money("0.000001").value() == 1);
  CHECK(parse_money("7").value() == 7'000'000);
  CHECK(parse_money("9223372036854.775807").value() == INT64_MAX);
  for (const char* text :
       {"9223372036854.775808", "-1.0", "+1", "1.", ".5", "1e3", "1.0000000", "", "1,0", "01.0", "1.0 "}) {
    CAPTURE(text);
    CHECK_FALSE(parse_money(text));
  }
  CHECK(format_money(1'000'000'000) == "1000.0");
  CHECK(format_money(1) == "0.000001");
  CHECK(format_money(33'333'334) == "33.333334");
  CHECK(format_money(0) == "0.0");
}

TEST_CASE("times are ISO 8601, UTC, without a zone mark") {
  CHECK(format_time(0) == "1970-01-01T00:00:00.000");
  CHECK(format_time(951'782'400'123) == "2000-02-29T00:00:00.123");
  CHECK(format_time(1'772'168'460'553) == "2026-02-27T05:01:00.553");
}

TEST_CASE("an alias is short, plain and no other kind of name") {
  for (const char* good : {"a", "0", "my-stream", "a23456789012345678901234567890123456789012345678901234567890123"})
    CHECK(alias_allowed(good));
  for (const char* wrong :
       {"", "-a", "A", "a_b", "live", "a b", "é", "a234567890123456789012345678901234567890123456789012345678901234"}) {
    CAPTURE(wrong);
    CHECK_FALSE(alias_allowed(wrong));
  }
  CHECK_FALSE(alias_allowed(std::string(64, 'a')));
}

TEST_CASE("percent escapes are undone or refused") {
  CHECK(percent_decode("a%20B%2f").value() == "a B/");
  CHECK_FALSE(percent_decode("%"));
  CHECK_FALSE(percent_decode("%2"));
  CHECK_FALSE(percent_decode("%zz"));
}
