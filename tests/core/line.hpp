// Decides a small line of nodes for tests: publisher, origin, two relays, viewer, without a coordinator and without
// tickets. Never moves time by itself. Called by tests/core/node*_test.cpp.
#pragma once

#include <doctest/doctest.h>

#include "mini_network.hpp"

namespace streamr::test {

// origin → relay1 → relay2 → viewer, without a coordinator and without tickets.
struct Line : MiniNetwork {
  crypto::KeyPair root = key_of(1), session = key_of(2);
  core::PublicationId publication = 0;
  std::vector<ByteVector> published;
  std::uint64_t media_us = 0;
  std::uint64_t epoch = 1;
  std::uint32_t seed = 7;
  std::uint64_t part_us = 500'000;

  using State = std::vector<std::pair<std::string, std::string>>;
  explicit Line(bool standby = false, State origin_state = {}) {
    core::NodeConfig open;
    open.flags = STREAMR_NODE_OPEN_TICKETS | STREAMR_NODE_ANY_STREAM;
    open.role = STREAMR_ROLE_ORIGIN;
    open.state = std::move(origin_state);
    add("origin", 10, open);
    open.state.clear();
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
                                 static_cast<std::uint32_t>(part_us),
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
      pass_ms(part_us / 1000);
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

}  // namespace streamr::test
