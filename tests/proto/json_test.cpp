// What the JSON facade reads and writes.
#include "proto/json.hpp"

#include <doctest/doctest.h>

using namespace streamr;
using namespace streamr::proto;

namespace {

JsonDocument parsed(std::string_view text, const JsonLimits& limits = {}) {
  auto document = parse_json(text, limits);
  REQUIRE_MESSAGE(document.ok(), (document ? "" : document.error().text));
  return std::move(*document);
}

}  // namespace

TEST_CASE("members are read by type") {
  const JsonDocument document =
      parsed(R"({"s":"text","n":42,"z":-7,"t":true,"f":false,"nil":null,"o":{"in":1},"a":[1,"two",[]],"k":"0a0b"})");
  const JsonView root = document.root();
  CHECK(root.is_object());
  CHECK(*root.get_string("s") == "text");
  CHECK(*root.get_u64("n") == 42);
  CHECK(*root.get_i64("z") == -7);
  CHECK(*root.get_bool("t"));
  CHECK_FALSE(*root.get_bool("f"));
  CHECK(root.find("nil")->is_null());
  CHECK(*root.get_object("o")->get_u64("in") == 1);
  CHECK(root.get_array("a")->size() == 3);
  CHECK(*root.get_hex("k", 2) == ByteVector{0x0A, 0x0B});
  CHECK(root.size() == 9);
}

TEST_CASE("a missing member, another type and another case are refused") {
  const JsonDocument document = parsed(R"({"name":"x","n":1,"b":true})");
  const JsonView root = document.root();
  CHECK_FALSE(root.has("Name"));
  CHECK_FALSE(root.has("nam"));
  CHECK_FALSE(root.has("name2"));
  CHECK(root.has("name"));
  for (const Error& error : {root.get_string("none").error(), root.get_u64("name").error(), root.get_i64("b").error(),
                             root.get_string("n").error(), root.get_bool("n").error(), root.get_object("n").error(),
                             root.get_array("name").error(), root.get_fixed<Key>("name").error(),
                             root.get_hex("n", 9).error(), root.get_decimal_u64("n").error()}) {
    CHECK(error.status == STREAMR_E_MALFORMED);
    CHECK(error.text.find("expected") != std::string::npos);
  }
  CHECK_FALSE(root.find("n")->has("x"));
  CHECK(root.find("n")->size() == 0);
}

TEST_CASE("integers are exact to the ends of 64 bits") {
  const JsonDocument document = parsed(
      R"({"max":18446744073709551615,"above53":9007199254740993,"min":-9223372036854775808,"top":9223372036854775807,
          "over":18446744073709551616,"under":-9223372036854775809,"zero":0,"minus_zero":-0,"more":9223372036854775808})");
  const JsonView root = document.root();
  CHECK(*root.get_u64("max") == UINT64_MAX);
  CHECK(*root.get_u64("above53") == 9007199254740993ull);
  CHECK(*root.get_i64("min") == INT64_MIN);
  CHECK(*root.get_i64("top") == INT64_MAX);
  CHECK(*root.get_u64("more") == 9223372036854775808ull);
  CHECK_FALSE(root.get_i64("more").ok());
  CHECK_FALSE(root.get_u64("over").ok());
  CHECK_FALSE(root.get_i64("over").ok());
  CHECK_FALSE(root.get_i64("under").ok());
  CHECK_FALSE(root.get_u64("min").ok());
  CHECK(*root.get_u64("zero") == 0);
  CHECK(*root.get_u64("minus_zero") == 0);
  CHECK(*root.get_i64("minus_zero") == 0);
}

TEST_CASE("each number keeps its place among objects and arrays") {
  const JsonDocument document = parsed(R"([1,{"a":2,"b":[3,[4]],"c":{"d":5}},"6",7])");
  std::vector<std::uint64_t> flat;
  const auto walk = [&](const auto& self, JsonView view) -> void {
    if (view.is_number()) flat.push_back(*view.as_u64("number"));
    for (const JsonView child : view) self(self, child);
  };
  walk(walk, document.root());
  CHECK(flat == std::vector<std::uint64_t>{1, 2, 3, 4, 5, 7});
}

TEST_CASE("a range that the caller names is kept") {
  const JsonDocument document = parsed(R"({"n":100,"z":-5})");
  CHECK(document.root().get_u64("n", 100).ok());
  CHECK_FALSE(document.root().get_u64("n", 99).ok());
  CHECK(document.root().get_i64("z", -5, 0).ok());
  CHECK_FALSE(document.root().get_i64("z", -4, 0).ok());
  CHECK_FALSE(document.root().get_i64("n", 0, 99).ok());
}

TEST_CASE("epochs and money are decimal strings") {
  const JsonDocument document = parsed(R"({"e":"18446744073709551615","m":"-12","bad":"1.5","empty":"","plus":"+1"})");
  CHECK(*document.root().get_decimal_u64("e") == UINT64_MAX);
  CHECK(*document.root().get_decimal_i64("m") == -12);
  CHECK_FALSE(document.root().get_decimal_u64("m").ok());
  CHECK_FALSE(document.root().get_decimal_u64("bad").ok());
  CHECK_FALSE(document.root().get_decimal_i64("empty").ok());
  CHECK_FALSE(document.root().get_decimal_i64("plus").ok());
}

TEST_CASE("keys are lower-case hex of the exact size") {
  const std::string key(64, 'b');
  const JsonDocument document =
      parsed("{\"k\":\"" + key + "\",\"upper\":\"" + std::string(64, 'B') + "\",\"short\":\"bb\"}");
  CHECK(to_hex(document.root().get_fixed<Key>("k")->view()) == key);
  CHECK_FALSE(document.root().get_fixed<Key>("upper").ok());
  CHECK_FALSE(document.root().get_fixed<Key>("short").ok());
  CHECK_FALSE(document.root().get_fixed<Signature>("k").ok());
  CHECK_FALSE(document.root().get_hex("k", 31).ok());
  CHECK_FALSE(document.root().get_hex("upper", 32).ok());
}

TEST_CASE("views stay valid when their document moves") {
  JsonDocument first = parsed(R"({"n":5})");
  const JsonView root = first.root();
  const JsonDocument second = std::move(first);
  CHECK(*root.get_u64("n") == 5);
}

TEST_CASE("any value may stand alone, with blanks around it") {
  for (const char* text : {"1", "-1", "0", "\"\"", "true", "false", "null", "[]", "{}", " \t\r\n[ ] ", "{ }",
                           "[ 1 , 2 ]", "{ \"a\" : 1 }"}) {
    CAPTURE(text);
    CHECK(parse_json(text).ok());
  }
}

TEST_CASE("escapes are read as the characters that they stand for") {
  const JsonDocument document = parsed(R"(["\"\\\/\b\f\n\r\t","\u0041\u00e9\u20AC","\ud83d\ude00","é€😀"])");
  std::vector<std::string> texts;
  for (const JsonView text : document.root()) texts.emplace_back(*text.as_string("text"));
  CHECK(texts == std::vector<std::string>{"\"\\/\b\f\n\r\t", "A\xC3\xA9\xE2\x82\xAC", "\xF0\x9F\x98\x80",
                                          "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"});
}

TEST_CASE("the writer gives compact JSON with exact integers") {
  JsonWriter json;
  json.begin_object()
      .member("text", "a\"b\\c\n\r\t\x01/\xC3\xA9")
      .member("view", std::string_view("v"))
      .member("yes", true)
      .member("big", UINT64_MAX)
      .member("low", INT64_MIN)
      .member("small", 7)
      .member_decimal("epoch", UINT64_MAX)
      .member_null("nil")
      .member_hex("key", ByteVector{1, 0xAB});
  json.begin_array("list").element(1).element("two").element_hex(ByteVector{3}).element_raw("{}");
  json.begin_object().member("in", false).end_object().begin_array().end_array().end_array();
  json.begin_object("empty").end_object().member_raw("raw", "[1]").end_object();
  CHECK(
      json.text() ==
      R"({"text":"a\"b\\c\n\r\t\u0001/é","view":"v","yes":true,"big":18446744073709551615,"low":-9223372036854775808,)"
      R"("small":7,"epoch":"18446744073709551615","nil":null,"key":"01ab","list":[1,"two","03",{},{"in":false},[]],)"
      R"("empty":{},"raw":[1]})");
  CHECK(parse_json(json.text()).ok());
}

TEST_CASE("texts that look like the ends of containers do not confuse the writer") {
  JsonWriter json;
  json.begin_array().element("{").element("[").element(":").element(",").end_array();
  CHECK(json.take() == R"(["{","[",":",","])");
}

TEST_CASE("what the writer gives is UTF-8 even where the text was none") {
  JsonWriter json;
  json.begin_object().member("bad", "a\xFFz").end_object();
  CHECK(json.text() == "{\"bad\":\"a\xEF\xBF\xBDz\"}");
  CHECK(parse_json(json.text()).ok());
}
