#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "mini_network.hpp"

using namespace streamr;
using namespace streamr::test;

namespace {

constexpr std::uint64_t part_us = 500'000;

// origin → relay1 → relay2 → viewer, without a coordinator and without tickets.
struct Line : MiniNetwork {
  crypto::KeyPair root = key_of(1), session = key_of(2);
  core::PublicationId publication = 0;
  std::vector<ByteVector> published;
  std::uint64_t media_us = 0;
  std::uint64_t epoch = 1;
  std::uint32_t seed = 7;

  explicit Line(bool standby = false) {
    core::NodeConfig open;
    open.flags = STREAMR_NODE_OPEN_TICKETS | STREAMR_NODE_ANY_STREAM;
    open.role = STREAMR_ROLE_ORIGIN;
    add("origin", 10, open);
    open.role = STREAMR_ROLE_RELAY;
    open.flags = STREAMR_NODE_OPEN_TICKETS;
    add("relay1", 11, open);
    add("relay2", 12, open);
    core::NodeConfig viewer;
    viewer.role = STREAMR_ROLE_VIEWER;
    add("viewer", 13, viewer);
    core::NodeConfig publisher;
    publisher.role = STREAMR_ROLE_PUBLISHER;
    add("publisher", 14, publisher);
    REQUIRE(host("relay1").node->carry(root.public_key(), "ws://origin", std::nullopt, now));
    REQUIRE(host("relay2").node->carry(root.public_key(), "ws://relay1", std::nullopt, now));
    if (standby) REQUIRE(host("relay2").node->carry(root.public_key(), "ws://origin", std::nullopt, now));
    settle();
  }
  void open_publication() {
    proto::Certificate fields;
    fields.session_key = session.public_key();
    fields.epoch = epoch;
    fields.serial = epoch;
    fields.not_before_s = now.unix_us / 1'000'000 - 60;
    fields.not_after_s = fields.not_before_s + 3600;
    fields.track_mask = 1;
    fields.max_kbps = 20'000;
    core::PublishOptions options{proto::issue_certificate(fields, root),
                                 session,
                                 {{0, proto::TrackKind::muxed, proto::ContentType::cmaf, 8000}},
                                 "",
                                 "",
                                 "",
                                 "ws://origin",
                                 "",
                                 part_us,
                                 2,
                                 0};
    auto opened = host("publisher").node->publish(options, now);
    REQUIRE(opened);
    publication = *opened;
    settle();
    pass_ms(100);
  }
  void push(std::uint8_t flags, std::size_t bytes) {
    ByteVector payload(bytes);
    for (auto& octet : payload) octet = static_cast<std::uint8_t>((seed = seed * 1664525u + 1013904223u) >> 24);
    core::PublicationPart part{
        0,        flags,       SharedBytes::copy(payload),
        media_us, now.unix_us, (flags & proto::init) != 0 ? 0 : static_cast<std::uint32_t>(part_us)};
    REQUIRE(host("publisher").node->push(publication, part, now));
    if ((flags & proto::init) == 0) {
      published.push_back(std::move(payload));
      media_us += part_us;
    }
    settle();
  }
  void stream_parts(int parts, std::size_t bytes = 100'000) {
    for (int i = 0; i < parts; ++i) {
      const auto n = published.size() % 4;
      push(static_cast<std::uint8_t>((n == 0 ? proto::independent : 0) | (n == 3 ? proto::last_in_segment : 0)), bytes);
      pass_ms(500);
    }
  }
  void watch() {
    core::WatchOptions options;
    options.stream = to_hex(root.public_key().view());
    options.relay_url = "ws://relay2";
    options.start = proto::Start::newest_independent;
    REQUIRE(host("viewer").node->watch(options, now));
    settle();
  }
};

}  // namespace

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
