// Decides who plays in the simulated network and with what means: an origin, relays behind it, a publisher, viewers.
// Never decides what happens to them.
// Called by tests/sim/world and tests/sim/storm.
#pragma once

#include "coordinator.hpp"
#include "monitor.hpp"

namespace streamr::sim {

constexpr std::uint64_t second_us = 1'000'000;

crypto::KeyPair key_number(std::uint64_t number);

struct RelaysPlan {
  std::uint32_t relays = 200;
  std::uint64_t memory_bytes = 4 << 20;
};
// The origin first, then the relays: a twentieth next to it, a quarter behind them, the rest behind those.
std::vector<HostId> add_relays(Network& network, Coordinator& coordinator, const RelaysPlan& plan);

struct ChannelPlan {
  std::uint32_t part_ms = 6'000;
  std::uint32_t parts_a_segment = 1;
  std::uint32_t payload_least = 2 * 1024, payload_most = 20 * 1024;
};
// One channel: its keys, its publisher's host, and what it says next.
class Channel {
 public:
  Channel(Network& network, Monitor& monitor, ChannelPlan plan);
  void open();                               // adds the publisher
  void push_part();                          // an init section before the first
  HostId publisher() const { return publisher_; }
  const proto::Certificate& certificate() const { return certificate_; }
  const crypto::KeyPair& session() const { return session_; }

 private:
  void push(std::uint8_t flags, std::size_t bytes, std::uint32_t duration_us);

  Network& network_;
  Monitor& monitor_;
  ChannelPlan plan_;
  crypto::KeyPair session_;
  proto::Certificate certificate_;
  HostId publisher_ = 0;
  core::PublicationId publication_ = 0;
  std::uint64_t media_us_ = 0;
  std::uint32_t parts_ = 0;
};

HostId add_viewer(Network& network, std::uint32_t number, std::uint64_t memory_bytes = 1 << 20);

}  // namespace streamr::sim
