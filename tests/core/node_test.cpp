#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "line.hpp"

using namespace streamr;
using namespace streamr::test;

TEST_CASE("a stream goes from its publisher through an origin and two relays to a viewer, octet for octet") {
  Line line;
  line.open_publication();
  line.push(proto::init, 700);
  line.watch();
  line.pass_ms(3000);
  line.stream_parts(12);
  line.pass_ms(1000);
  const auto heard = line.heard("viewer");
  REQUIRE(heard.size() >= 8);
  const auto start = line.published.size() - heard.size();
  for (std::size_t i = 0; i < heard.size(); ++i) CHECK(heard[i] == line.published[start + i]);
  CHECK(line.count("publisher", STREAMR_EVENT_READY) == 1);
}

TEST_CASE("a viewer that joins in mid-stream starts at the newest independent part and misses nothing after it") {
  Line line;
  line.open_publication();
  line.push(proto::init, 700);
  line.stream_parts(9);
  line.watch();
  line.pass_ms(2000);
  line.stream_parts(7);
  line.pass_ms(1000);
  const auto heard = line.heard("viewer");
  REQUIRE(heard.size() >= 7);
  const auto start = line.published.size() - heard.size();
  CHECK(start % 4 == 0);
  for (std::size_t i = 0; i < heard.size(); ++i) CHECK(heard[i] == line.published[start + i]);
}

TEST_CASE("one flipped bit between two relays is never forwarded and costs the viewer nothing") {
  Line line(/*standby=*/true);
  line.open_publication();
  line.push(proto::init, 700);
  line.watch();
  line.pass_ms(3000);
  line.stream_parts(4);
  bool flipped = false;
  line.on_wire = [&](const std::string& from, const std::string& to, ByteVector& message) {
    if (flipped || from != "relay1" || to != "relay2" || message.size() < 12'000) return;
    message[message.size() / 2] ^= 0x10;
    flipped = true;
  };
  line.stream_parts(8);
  line.pass_ms(1500);
  REQUIRE(flipped);
  const auto heard = line.heard("viewer");
  REQUIRE(heard.size() >= 10);
  const auto start = line.published.size() - heard.size();
  for (std::size_t i = 0; i < heard.size(); ++i) CHECK(heard[i] == line.published[start + i]);
  CHECK(line.count("relay2", STREAMR_EVENT_REJECTED) >= 1);
  CHECK(line.count("viewer", STREAMR_EVENT_REJECTED) == 0);
}

TEST_CASE("when a relay's parent dies the stream goes on from the standby without losing a part") {
  Line line(/*standby=*/true);
  line.open_publication();
  line.push(proto::init, 700);
  line.watch();
  line.pass_ms(3000);
  line.stream_parts(6);
  line.kill("relay1");
  line.stream_parts(6);
  line.pass_ms(2000);
  const auto heard = line.heard("viewer");
  const auto start = line.published.size() - heard.size();
  REQUIRE(heard.size() >= 10);
  for (std::size_t i = 0; i < heard.size(); ++i) CHECK(heard[i] == line.published[start + i]);
}

TEST_CASE("a new epoch goes on through the same subscriptions") {
  Line line;
  line.open_publication();
  line.push(proto::init, 700);
  line.watch();
  line.pass_ms(3000);
  line.stream_parts(8);
  line.epoch = 2;
  line.media_us = 0;
  line.open_publication();
  line.push(proto::init, 800);
  line.stream_parts(8);
  line.pass_ms(1000);
  const auto heard = line.heard("viewer");
  REQUIRE(heard.size() >= 14);
  const auto start = line.published.size() - heard.size();
  for (std::size_t i = 0; i < heard.size(); ++i) CHECK(heard[i] == line.published[start + i]);
}

TEST_CASE("two relays that name each other as upstream find no way in: a loop is refused") {
  Line line;
  line.open_publication();
  line.push(proto::init, 700);
  line.stream_parts(2);
  REQUIRE(line.host("relay1").node->carry(line.root.public_key(), "ws://relay2", std::nullopt, line.now));
  line.settle();
  line.pass_ms(1000);
  line.stream_parts(4);
  std::size_t loops = 0;
  for (const auto& event : line.host("relay1").events) loops += event.text.find("path") != std::string::npos ? 1 : 0;
  CHECK(loops >= 1);
}
