// Decides: a coordinator whose answers a test writes, and a node's presence that talks to it on a clock the test moves.
// Never: opens a socket or reads a clock.
// Called by: tests/core/presence_*_test.cpp.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/presence.hpp"
#include "proto/json.hpp"

namespace streamr::core::testing {

inline crypto::KeyPair key_pair(std::uint8_t fill) {
  std::array<std::uint8_t, 32> seed;
  seed.fill(fill);
  return crypto::KeyPair::from_seed(seed);
}

inline std::string hex_of(std::uint8_t fill, std::size_t octets) { return to_hex(ByteVector(octets, fill)); }

inline PresenceConfig config_of(const std::string& role) {
  PresenceConfig config;
  config.coordinator_url = "http://coordinator.test:8080";
  config.role = role;
  config.name = "a friend's machine";
  config.software = "test/1";
  config.advertise_url = "ws://192.0.2.7:9000/relay";
  config.capacity_kbps = 50'000;
  config.boot_id.fill(0xb0);
  config.seed = 7;
  return config;
}

struct Talk {
  explicit Talk(PresenceConfig config = config_of("relay")) : presence(std::move(config), identity) {}

  void start() { presence.start(now); }
  void pass_ms(std::uint64_t ms) {
    now.mono_us += ms * 1000;
    now.unix_us += ms * 1000;
    presence.on_time(now);
  }
  std::optional<HttpCall> call() { return presence.poll_call(now, report); }
  // The next call, which must be there and go to `path`.
  HttpCall expect(const std::string& path) {
    auto made = call();
    REQUIRE_MESSAGE(made.has_value(), "expected a call to " << path);
    REQUIRE_MESSAGE(made->url == "http://coordinator.test:8080" + path, made->url << " instead of " << path);
    return *made;
  }
  // Moves the clock to the next deadline, at most so far, and expects the call there.
  HttpCall wait_for(const std::string& path, std::uint64_t at_most_ms) {
    const std::uint64_t limit_us = now.mono_us + at_most_ms * 1000;
    for (;;) {
      if (auto made = call()) {
        REQUIRE_MESSAGE(made->url == "http://coordinator.test:8080" + path, made->url << " instead of " << path);
        return *made;
      }
      const std::uint64_t due_us = presence.deadline_us();
      REQUIRE_MESSAGE(due_us <= limit_us, "no call to " << path << " in " << at_most_ms << " ms");
      const std::uint64_t step_us = due_us > now.mono_us ? due_us - now.mono_us : 0;
      now.mono_us += step_us;
      now.unix_us += step_us;
    }
  }
  void answer(const HttpCall& made, int status, const std::string& body, std::optional<std::uint32_t> retry_after_s = std::nullopt) {
    presence.on_answer(made.call, status, retry_after_s, view_of(body), "", now);
  }
  void lose(const HttpCall& made) { presence.on_answer(made.call, 0, std::nullopt, {}, "connection refused", now); }

  template <class Event>
  std::vector<Event> events() {
    std::vector<Event> found;
    while (auto event = presence.poll_event())
      if (auto* wanted = std::get_if<Event>(&*event)) found.push_back(*wanted);
    return found;
  }

  std::string key_json(const crypto::KeyPair& key) const {
    return R"({"coordinator_key":")" + to_hex(key.public_key().view()) + R"(","version":1,"time_us":1})";
  }
  std::string challenge_json() const {
    return R"({"challenge_id":"c-1","nonce":")" + hex_of(0x11, 32) + R"(","coordinator_key":")" +
           to_hex(coordinator.public_key().view()) + R"(","expires_at_ms":1})";
  }
  static std::string registered_json(std::uint8_t lease) {
    return R"({"node_id":"n-1","lease":")" + hex_of(lease, 16) + R"(","heartbeat_ms":10000,"server_time_us":1,"policy":{}})";
  }
  static std::string heartbeat_json(std::uint8_t lease, const std::string& more = "") {
    return R"({"lease":")" + hex_of(lease, 16) + R"(","server_time_us":1,"assignments_version":3,"revocations":[],"min_version":1)" +
           more + "}";
  }

  // Through key, challenge and registration; the first heartbeat is due.
  void register_node(std::uint8_t lease = 0x01) {
    start();
    answer(expect("/.well-known/streamr.json"), 200, key_json(coordinator));
    answer(expect("/v1/nodes/challenge"), 200, challenge_json());
    answer(expect("/v1/nodes/register"), 200, registered_json(lease));
  }
  void register_and_beat() {
    register_node();
    answer(expect("/v1/nodes/heartbeat"), 200, heartbeat_json(0x02));
  }

  crypto::KeyPair identity = key_pair(1);
  crypto::KeyPair coordinator = key_pair(2);
  Now now{1'000'000, 1'800'000'000'000'000};
  NodeReport report;
  Presence presence;
};

inline std::string header(const HttpCall& call, const std::string& name) {
  for (const auto& [key, value] : call.headers)
    if (key == name) return value;
  return {};
}

inline std::vector<std::string> fields(const std::string& text) {
  std::vector<std::string> out(1);
  for (const char c : text)
    if (c == ';') out.emplace_back();
    else out.back() += c;
  return out;
}

inline std::string body_text(const HttpCall& call) {
  return {reinterpret_cast<const char*>(call.body.data()), call.body.size()};
}

inline proto::JsonDocument body_json(const HttpCall& call) {
  auto document = proto::parse_json(body_text(call), {.max_bytes = 1024 * 1024, .max_nodes = 100'000});
  REQUIRE(document.ok());
  return std::move(*document);
}

// What a coordinator checks: the signature of a node's request under one lease. Gives the counter where it holds.
inline std::optional<std::uint64_t> counter_if_signed(const HttpCall& call, const std::string& target, std::uint8_t lease) {
  const auto parts = fields(header(call, "Streamr-Sig"));
  if (parts.size() != 6 || parts[0] != "v1") return std::nullopt;
  const auto key = fixed_from_hex<Key>(parts[1]);
  const auto signature = fixed_from_hex<Signature>(parts[5]);
  if (!key || !signature) return std::nullopt;
  ByteVector bytes;
  const auto add = [&bytes](ByteView octets) { bytes.insert(bytes.end(), octets.begin(), octets.end()); };
  const auto add_u64 = [&add](std::uint64_t value) { std::uint8_t octets[8]; store_u64(octets, value); add(octets); };
  const std::uint8_t nul = 0;
  add(view_of(call.method));
  add({&nul, 1});
  add(view_of(target));
  add({&nul, 1});
  add_u64(std::stoull(parts[2]));
  add_u64(std::stoull(parts[3]));
  std::array<std::uint8_t, 16> boot_id{};
  if (!from_hex(parts[4], boot_id)) return std::nullopt;
  add(boot_id);
  add(ByteVector(16, lease));
  add(crypto::sha256(call.body).view());
  if (!crypto::verify(*key, crypto::prefix::request, bytes, *signature)) return std::nullopt;
  return std::stoull(parts[3]);
}

}  // namespace streamr::core::testing
