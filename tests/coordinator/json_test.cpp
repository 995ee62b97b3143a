#include "coordinator/rules/json_in.hpp"

#include <doctest/doctest.h>

#include <functional>

#include "coordinator/rules/errors.hpp"
#include "coordinator/rules/json_out.hpp"

using namespace coordinator;

namespace {

std::string refusal(const std::function<void()>& work) {
  try {
    work();
  } catch (const ApiError& error) {
    CHECK(error.status == 400);
    return error.code;
  }
  return "none";
}

std::string body_refusal(const std::string& text) {
  return refusal([&] { JsonBody body(text, 65536); });
}

}  // namespace

TEST_CASE("JSON outside the protocol's rules is malformed") {
  for (const char* text :
       {"", "{", "{\"a\":1}{", "{\"a\":1,\"a\":2}", "{\"a\":1.0}", "{\"a\":1e2}", "{\"a\":\"\xc3\x28\"}",
        "{\"a\":\"\\u0000\"}", "{a:1}", "{\"a\":01}", "{\"a\":NaN}", "{\"a\":1,}"}) {
    CAPTURE(text);
    CHECK(body_refusal(text) == "malformed_json");
  }
  CHECK(body_refusal("{\"a\":" + std::string(16, '[') + std::string(16, ']') + "}") == "malformed_json");
  CHECK(body_refusal("[]") == "wrong_type");
  CHECK(body_refusal("{\"a\":" + std::string(15, '[') + std::string(15, ']') + "}") == "none");
}

TEST_CASE("each member is required, of its type and in its range") {
  const JsonBody body(
      R"({"n":9007199254740991,"big":9007199254740993,"s":"text","k":"00ff","o":{},"a":[1,"x"],"d":"18446744073709551615"})",
      65536);
  const JsonValue root = body.root();
  CHECK(root.integer("n", 0, kMaxInteger) == kMaxInteger);
  CHECK(root.decimal("d") == UINT64_MAX);
  CHECK(root.hex("k", 2) == std::string("\x00\xff", 2));
  CHECK(root.array("a", 2)[1].as_text(5) == "x");
  CHECK(root.optional_integer("none", 0, 5, 3) == 3);
  CHECK(refusal([&] { root.text("none", 5); }) == "missing_member");
  CHECK(refusal([&] { root.text("n", 5); }) == "wrong_type");
  CHECK(refusal([&] { root.text("s", 3); }) == "out_of_range");
  CHECK(refusal([&] { root.integer("s", 0, 5); }) == "wrong_type");
  CHECK(refusal([&] { root.integer("big", 0, kMaxInteger); }) == "out_of_range");
  CHECK(refusal([&] { root.hex("k", 3); }) == "out_of_range");
  CHECK(refusal([&] { root.array("a", 1); }) == "out_of_range");
  CHECK(refusal([&] { root.object("a"); }) == "wrong_type");
  CHECK(refusal([&] { root.text("S", 5); }) == "missing_member");
}

TEST_CASE("what is printed is escaped and keeps its order") {
  JsonOut out;
  out.object().member("text", "a\"\\\n\x01").member("n", int64_t{-5}).array("list").number(1).text("b").end_array();
  out.object("empty").end_object().null("none").flag("yes", true).raw("money", "1000.0").end_object();
  CHECK(out.str() ==
        R"({"text":"a\"\\\n\u0001","n":-5,"list":[1,"b"],"empty":{},"none":null,"yes":true,"money":1000.0})");
}
