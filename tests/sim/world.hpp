// Decides one run: who is there, what is published, who watches, what goes wrong and when, and what must hold at the end.
// Never leaves anything to chance that the seed does not say.
// Called by tests/sim/sim_main and tests/sim/network_test.
#pragma once

#include "cast.hpp"

namespace streamr::sim {

struct WorldPlan {
  std::uint64_t seed = 1;
  std::uint32_t relays = 200;
  std::uint32_t viewers = 2'000;
  std::uint32_t seconds = 600;
  std::uint32_t part_ms = 6'000;             // one chunk each, a whole segment
  bool faults = true;
  bool talk = false;                         // print what happens
  bool churn = true;                         // viewers leave and come back
};

struct WorldReport {
  std::uint32_t published = 0;
  std::uint64_t delivered = 0;               // chunks told to viewers
  std::uint64_t missed = 0;                  // published between a viewer's first and last chunk and not told
  std::uint32_t viewers_served = 0;
  std::uint32_t viewers_behind = 0;          // at the end, by more than ten chunks
  std::uint64_t rejected = 0, switches = 0, tampered = 0, crashes = 0, partings = 0;
  std::uint64_t slices_checked = 0, headers_checked = 0, receipts = 0, events = 0, digest = 0;
  std::size_t longest_path = 0;
  std::uint64_t widest_use_bytes = 0;
  CoordinatorFigures coordinator;
};

class World final : private Watcher {
 public:
  explicit World(WorldPlan plan);

  // Throws Broken, with the virtual time in the text, where a promise did not hold.
  WorldReport run();

 private:
  enum Script : std::uint64_t { publish_part, viewer_joins, viewer_leaves, relay_crashes, relay_restarts, hosts_part, hosts_meet,
                                coordinator_down, coordinator_up, wire_tampered, loss_begins, loss_ends };
  struct Viewer {
    HostId host = 0;
    std::optional<core::WatchId> watch;
    std::optional<std::uint32_t> last;
    std::uint64_t joined_us = 0;
    std::uint64_t told = 0, missed = 0;
  };

  void build();
  void plan_faults();
  void push_part();
  void join(std::uint32_t viewer);
  void tamper();
  HostId some_relay();
  void check_end(const WorldReport& report) const;
  [[noreturn]] void broken(const std::string& what) const;

  void on_opened(WireId wire, const Wire& ends) override { monitor_.on_opened(wire, ends); }
  void on_sent(WireId wire, const Wire& ends, bool by_client, ByteView message) override;
  void on_closed(WireId wire, const Wire&) override { monitor_.on_closed(wire); }
  void on_event(HostId host, core::NodeEvent& event) override;
  void on_call(HostId host, const core::HttpCall& call) override { coordinator_.on_call(host, call); }
  void on_script(std::uint64_t what, std::uint64_t whom) override;

  WorldPlan plan_;
  Network network_;
  Coordinator coordinator_;
  Monitor monitor_;
  Channel channel_;
  HostId origin_ = 0;
  std::vector<HostId> relays_;
  std::vector<Viewer> viewers_;
  std::unordered_map<HostId, std::uint32_t> viewer_of_;
  WorldReport report_;
};

}  // namespace streamr::sim
