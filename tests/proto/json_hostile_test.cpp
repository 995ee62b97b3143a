// JSON that nobody sends by accident, each with its name.
#include <doctest/doctest.h>

#include "proto/json.hpp"

using namespace streamr;
using namespace streamr::proto;

namespace {

bool refused(std::string_view text, const JsonLimits& limits = {}) {
  const auto document = parse_json(text, limits);
  return !document && document.error().status == STREAMR_E_MALFORMED && !document.error().text.empty();
}
std::string repeated(std::string_view text, std::size_t times) {
  std::string out;
  while (times-- > 0) out += text;
  return out;
}

}  // namespace

TEST_CASE("JSON: two members of one name are refused, also in other spelling and at depth") {
  CHECK(refused(R"({"a":1,"a":1})"));
  CHECK(refused(R"({"a":1,"b":2,"c":3,"a":4})"));
  CHECK(refused(R"({"a":1,"\u0061":2})"));
  CHECK(refused(R"([{"x":{"":1,"":2}}])"));
  CHECK(refused("{\"/\":1,\"\\/\":2}"));
  CHECK(parse_json(R"({"a":1,"A":2,"aa":3,"b":{"a":4}})").ok());
}

TEST_CASE("JSON: fractions and exponents are refused") {
  for (const char* text : {"1.0", "0.5", "1e3", "1E3", "1e-3", "-1.5", "[1,2.0]", "{\"a\":1e0}", "1.", "1e"}) {
    CAPTURE(text);
    CHECK(refused(text));
  }
}

TEST_CASE("JSON: numbers that are none are refused") {
  for (const char* text :
       {"01", "-01", "00", "-", "+1", "--1", "0x10", "1_000", "NaN", "Infinity", "-Infinity", ".5", "1a"}) {
    CAPTURE(text);
    CHECK(refused(text));
  }
  CHECK(refused(repeated("9", 41)));
  CHECK(parse_json(repeated("9", 40)).ok());
}

TEST_CASE("JSON: anything after the value is refused") {
  for (const char* text : {"{} {}", "1 2", "[]]", "{}x", "null,", "\"a\"\"b\"", "{}//", "{}\v"}) {
    CAPTURE(text);
    CHECK(refused(text));
  }
  CHECK(refused(std::string_view("{}\0", 3)));
}

TEST_CASE("JSON: texts that end too early are refused at every octet") {
  const std::string whole = R"({"a":[1,true,{"b":"c\u00e9\ud83d\ude00"}],"d":null})";
  REQUIRE(parse_json(whole).ok());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK(refused(std::string_view(whole).substr(0, size)));
  }
}

TEST_CASE("JSON: broken structure is refused") {
  for (const char* text : {"",
                           " ",
                           "{",
                           "}",
                           "[",
                           "]",
                           "[1,]",
                           "[,1]",
                           "[1 2]",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":1,}",
                           "{,}",
                           "{a:1}",
                           "{'a':1}",
                           "{1:2}",
                           "{\"a\" 1}",
                           "{\"a\":1 \"b\":2}",
                           "[}",
                           "{]",
                           "tru",
                           "True",
                           "nul",
                           "nulll",
                           "undefined",
                           "/**/1",
                           "[1]//",
                           "\xEF\xBB\xBF{}",
                           "\f1",
                           "\xC2\xA0"
                           "1"}) {
    CAPTURE(text);
    CHECK(refused(text));
  }
}

TEST_CASE("JSON: strings with raw control characters, bad escapes or NUL are refused") {
  for (const char* text :
       {"\"\n\"", "\"\t\"", "\"\x01\"", "\"\\x41\"", "\"\\\"", "\"\\u12\"", "\"\\u12G4\"", "\"\\u 123\"", "\"\\U0041\"",
        "\"\\'\"", "\"\\u0000\"", "\"a\\u0000b\"", "{\"\\u0000\":1}", "\"\\", "\"\\u"}) {
    CAPTURE(text);
    CHECK(refused(text));
  }
  CHECK(refused(std::string_view("\"a\0b\"", 5)));
}

TEST_CASE("JSON: lone, doubled and reversed surrogates are refused, escaped or raw") {
  for (const char* text :
       {R"("\ud800")", R"("\udc00")", R"("\ud800x")", R"("\ud800\n")", R"("\ud800\ud800")", R"("\ude00\ud83d")",
        R"("\ud83d\u0041")", R"("\ud83d\u00")", "\"\xED\xA0\x80\"", "\"\xED\xBF\xBF\""}) {
    CAPTURE(text);
    CHECK(refused(text));
  }
}

TEST_CASE("JSON: octets that are no UTF-8 are refused") {
  for (const char* text :
       {"\"\xFF\"", "\"\xC0\x80\"", "\"\xC3\"", "\"\xE2\x82\"", "\"\xF4\x90\x80\x80\"", "{\"\x80\":1}", "\xFF"}) {
    CHECK(refused(text));
  }
}

TEST_CASE("JSON: 16 levels pass, the 17th is refused, of arrays, objects and both") {
  CHECK(parse_json(repeated("[", 16) + repeated("]", 16)).ok());
  CHECK(refused(repeated("[", 17) + repeated("]", 17)));
  CHECK(parse_json(repeated("{\"a\":", 16) + "1" + repeated("}", 16)).ok());
  CHECK(refused(repeated("{\"a\":", 17) + "1" + repeated("}", 17)));
  CHECK(parse_json(repeated("[{\"a\":", 8) + "1" + repeated("}]", 8)).ok());
  CHECK(refused(repeated("[{\"a\":", 8) + "[]" + repeated("}]", 8)));
}

TEST_CASE("JSON: a text that only opens does not reach the stack's end") {
  JsonLimits limits;
  limits.max_bytes = 10'000'000;
  limits.max_depth = UINT32_MAX;
  CHECK(refused(repeated("[", 1'000'000), limits));
  CHECK(refused(repeated("{\"a\":", 1'000'000), limits));
  CHECK(parse_json(repeated("[", 256) + repeated("]", 256), limits).ok());
}

TEST_CASE("JSON: a text of exactly the limit passes, one octet more is too long") {
  const std::string text = "\"" + std::string(65'534, 'a') + "\"";
  CHECK(parse_json(text).ok());
  const auto longer = parse_json(text + " ");
  REQUIRE_FALSE(longer.ok());
  CHECK(longer.error().status == STREAMR_E_LIMIT);
}

TEST_CASE("JSON: more values than allowed are refused") {
  JsonLimits limits;
  limits.max_nodes = 4;
  CHECK(parse_json("[1,2,3]", limits).ok());
  CHECK(refused("[1,2,3,4]", limits));
  CHECK(refused("[" + repeated("0,", 20'000) + "0]"));
}

TEST_CASE("JSON: many members are compared without taking long") {
  std::string text = "{";
  for (int i = 0; i < 5000; ++i) text += "\"m" + std::to_string(i) + "\":1,";
  CHECK(parse_json(text + "\"last\":1}").ok());
  CHECK(refused(text + "\"m0\":1}"));
}

TEST_CASE("the check for others applies its own limits and falls back to the usual ones") {
  CHECK(check_json("{\"a\":[1]}", 0, 0).ok());
  CHECK(check_json("{\"a\":[1]}", 9, 2).ok());
  CHECK(check_json("{\"a\":[1]}", 8, 2).error().status == STREAMR_E_LIMIT);
  CHECK(check_json("{\"a\":[1]}", 9, 1).error().status == STREAMR_E_MALFORMED);
  CHECK(check_json(repeated("[", 17) + repeated("]", 17), 0, 0).error().status == STREAMR_E_MALFORMED);
  CHECK(check_json("\"" + std::string(65'535, 'a') + "\"", 0, 0).error().status == STREAMR_E_LIMIT);
}
