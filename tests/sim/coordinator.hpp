// Decides what a coordinator of the simulated network answers: registrations, heartbeats with assignments, sessions, receipts.
// Never checks signatures of requests and never pays: only what nodes need to find each other is here.
// Called by tests/sim/world for each HttpCall.
#pragma once

#include <map>
#include <string>
#include <unordered_map>

#include "network.hpp"
#include "proto/json.hpp"

namespace streamr::sim {

struct CoordinatorFigures {
  std::uint64_t registrations = 0, heartbeats = 0, sessions = 0, batches = 0, receipts_settled = 0, viewer_receipts = 0, evidence = 0;
  std::uint64_t equivocations = 0;          // proofs among the evidence, both signatures checked
};

class Coordinator {
 public:
  Coordinator(Network& network, crypto::KeyPair key) : network_(network), key_(std::move(key)) {}

  // How far from the origin a relay stands: 0 the origin, 1 to 3 relays.
  void place(HostId host, std::uint32_t level);
  void on_call(HostId host, const core::HttpCall& call);
  void set_down(bool down) { down_ = down; }
  // Gives out whatever relay as a parent, those of the same or a farther place too: loops are the nodes' to refuse.
  void set_confused(bool confused) { confused_ = confused; }
  const Key& key() const { return key_.public_key(); }
  const CoordinatorFigures& figures() const { return figures_; }

  std::uint32_t ticket_minutes = 5;
  std::uint32_t heartbeat_ms = 10'000;
  std::uint32_t window_start_bytes = 32 * 1024, window_max_bytes = 256 * 1024;   // tight: a window that is full is met often

 private:
  struct Upstream { HostId host = 0; std::string ticket; };
  struct Node {
    std::uint32_t level = 0;
    std::uint64_t heard_us = 0;              // 0 = never
    std::uint64_t newest = 0;                // segment of the last heartbeat
    std::uint64_t version = 1;
    std::vector<Upstream> upstreams;
    std::uint64_t ticketed_us = 0;           // when the tickets of `upstreams` were made
    std::string last_batch;
  };
  struct Reply { int status = 200; std::string body; std::optional<std::uint32_t> retry_after_s; };

  Reply reply_to(HostId host, const core::HttpCall& call);
  Reply challenge();
  Reply registration(HostId host, bool relay);
  Reply heartbeat(HostId host, const proto::JsonView& request);
  Reply announce(const proto::JsonView& request);
  Reply session(const proto::JsonView& request);
  Reply batch(HostId host, const core::HttpCall& call);
  Reply evidence(const proto::JsonView& request);
  bool lives(const Node& node) const;
  HostId subtree(HostId host) const;        // the relay next to the origin through which a host is meant to get its stream
  // Takes one at random out of `from`: of another subtree than `beside` where there is one.
  HostId draw(std::vector<HostId>& from, std::optional<HostId> beside);
  void choose_upstreams(HostId host, Node& node);
  std::string ticket(HostId relay, const Key& viewer, const std::string& session_id);
  void write_relay(proto::JsonWriter& json, HostId host, const std::string& ticket);
  std::string fresh_id();

  Network& network_;
  crypto::KeyPair key_;
  std::map<HostId, Node> nodes_;
  std::optional<StreamId> stream_;
  bool down_ = false, confused_ = false;
  CoordinatorFigures figures_;
};

}  // namespace streamr::sim
