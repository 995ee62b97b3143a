#include <doctest/doctest.h>

#include "publisher/rtmp/amf0.hpp"

using namespace streamr::publisher;
using Bytes = std::vector<std::uint8_t>;

TEST_CASE("a command comes back as it was written") {
  Bytes bytes;
  write_amf0(AmfValue::text("connect"), bytes);
  write_amf0(AmfValue::number(1), bytes);
  write_amf0(AmfValue::object({{"app", AmfValue::text("live")}, {"audio", AmfValue::boolean(true)}}), bytes);
  write_amf0(AmfValue(), bytes);
  const auto values = read_amf0(bytes);
  REQUIRE(values);
  REQUIRE(values->size() == 4);
  CHECK((*values)[0].as_text() == "connect");
  CHECK((*values)[1].as_number() == 1.0);
  REQUIRE((*values)[2].find("app") != nullptr);
  CHECK((*values)[2].find("app")->as_text() == "live");
  CHECK((*values)[2].find("audio")->as_boolean());
  CHECK((*values)[2].find("video") == nullptr);
  CHECK((*values)[3].kind() == AmfValue::Kind::null);
}

TEST_CASE("arrays and dates of other encoders are understood") {
  // ECMA array of one member whose count lies, then a strict array of two numbers, then a date
  const Bytes bytes = {8, 0, 0, 0, 99, 0, 1, 'a', 1, 1, 0, 0, 9,
                       10, 0, 0, 0, 2, 5, 6,
                       11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  const auto values = read_amf0(bytes);
  REQUIRE(values);
  REQUIRE(values->size() == 3);
  CHECK((*values)[0].find("a")->as_boolean());
  CHECK((*values)[1].members().size() == 2);
}

TEST_CASE("a value that is cut short anywhere is refused") {
  Bytes bytes;
  write_amf0(AmfValue::object({{"code", AmfValue::text("x")}, {"n", AmfValue::number(2)}}), bytes);
  REQUIRE(read_amf0(bytes));
  for (std::size_t length = 1; length < bytes.size(); ++length) {
    CHECK_FALSE(read_amf0(std::span(bytes).first(length)));
  }
}

TEST_CASE("a text that announces more than is there is refused") {
  CHECK_FALSE(read_amf0(Bytes{2, 0xFF, 0xFF, 'a'}));
  CHECK_FALSE(read_amf0(Bytes{12, 0xFF, 0xFF, 0xFF, 0xFF, 'a'}));
}

TEST_CASE("an array that announces four thousand million items is refused at once") {
  CHECK_FALSE(read_amf0(Bytes{10, 0xFF, 0xFF, 0xFF, 0xFF, 5}));
}

TEST_CASE("objects in objects end at the depth limit") {
  Bytes bytes;
  for (int i = 0; i < 10'000; ++i) bytes.insert(bytes.end(), {3, 0, 1, 'a'});
  CHECK_FALSE(read_amf0(bytes));
}

TEST_CASE("ten thousand small values end at the count limit") { CHECK_FALSE(read_amf0(Bytes(10'000, 5))); }

TEST_CASE("types that no publisher needs are refused") {
  for (const std::uint8_t marker : Bytes{4, 7, 9, 13, 14, 15, 16, 17, 255}) CHECK_FALSE(read_amf0(Bytes{marker, 0, 0}));
}
