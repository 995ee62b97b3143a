// Decides one storm: who is there, everything that goes wrong and when, and what must hold at every moment and in the end.
// Never leaves anything to chance that the seed does not say, and calms down a minute and a half before the end.
// Called by tests/sim/storm_main and tests/sim/storm_test.
#pragma once

#include "cast.hpp"

namespace streamr::sim {

struct StormPlan {
  std::uint64_t seed = 1;
  std::uint32_t relays = 500;
  std::uint32_t viewers = 100;
  std::uint32_t seconds = 600;
  std::uint32_t part_ms = 6'000;             // lean: what is played is the network, not the picture
  std::uint32_t parts_a_segment = 1;
  bool talk = false;
};

struct StormReport {
  std::uint32_t published = 0;
  std::uint64_t delivered = 0, missed = 0;   // chunks told to viewers; left out while it stormed
  std::uint64_t quiet_parts = 0;             // told in the quiet time, each soon enough
  std::uint64_t slowest_ms = 0;              // of those
  std::uint64_t faults = 0, rejected = 0, switches = 0;
  std::uint64_t forged = 0;                  // chunks signed twice by a stolen key
  std::uint64_t slices_checked = 0, receipts = 0, events = 0, digest = 0;
  std::int64_t most_heap_bytes = 0;          // of one relay
  std::uint64_t most_outstanding_bytes = 0;  // of one connection
  CoordinatorFigures coordinator;
};

class Storm final : private Watcher {
 public:
  explicit Storm(StormPlan plan);

  // Throws Broken, with the virtual time in the text, where a promise did not hold.
  StormReport run();
  std::string tail() const;                  // the newest faults and events, to read after a failure

 private:
  enum Script : std::uint64_t { publish_part, viewer_joins, viewer_leaves, look_around, all_calm,
                                crash, restart, restart_empty, side_changes, sides_meet, loss_begins, loss_ends,
                                far_away, near_again, corruption_begins, corruption_ends, clock_jumps, clock_right,
                                disk_full, disk_free, reader_slow, reader_quick, lies_begin, lies_end, forgery_begins, forgery_ends,
                                coordinator_down, coordinator_up, coordinator_confused, coordinator_clear, coordinator_forgets };
  struct Viewer {
    HostId host = 0;
    std::optional<core::WatchId> watch;
    std::optional<std::uint32_t> last;
    std::uint64_t joined_us = 0;
    std::uint64_t told = 0;
    std::vector<std::uint64_t> told_us;      // by number, 0 = never
  };

  void build();
  void join(std::uint32_t viewer);
  void leave(std::uint32_t viewer);
  void push_part();
  void look();                               // memory, queues
  void check_quiet();
  void check_end() const;
  [[noreturn]] void broken(const std::string& what) const;

  // ---- storm_faults.cpp
  void plan_faults();
  void span(std::uint32_t times, Script begins, Script ends, std::uint32_t least_s, std::uint32_t most_s,
            const std::function<std::uint64_t()>& whom);
  void apply(Script what, std::uint64_t whom);
  void part_some(std::uint64_t whom);
  void calm();
  HostId some_relay();
  HostId somebody();                         // a relay or a viewer
  Network::Lie altered_slices();
  Network::Lie second_signatures();
  void forge(WireId wire, ByteView chunk, std::uint8_t* header_and_leaves);

  void on_opened(WireId wire, const Wire& ends) override { monitor_.on_opened(wire, ends); }
  void on_sent(WireId wire, const Wire& ends, bool by_client, ByteView message) override;
  void on_closed(WireId wire, const Wire&) override { monitor_.on_closed(wire); }
  void on_event(HostId host, core::NodeEvent& event) override;
  void on_call(HostId host, const core::HttpCall& call) override { coordinator_.on_call(host, call); }
  void on_script(std::uint64_t what, std::uint64_t whom) override;

  struct Forged {
    ByteVector header_and_leaves, payload;
  };

  StormPlan plan_;
  Network network_;
  Coordinator coordinator_;
  Monitor monitor_;
  Channel channel_;
  std::vector<HostId> relays_;               // the origin first
  std::vector<std::uint32_t> access_us_;     // of every host, as it was before the storm
  std::vector<std::int64_t> clock_off_us_;
  std::vector<Viewer> viewers_;
  std::unordered_map<HostId, std::uint32_t> viewer_of_;
  std::vector<std::uint64_t> published_us_;
  std::map<std::uint64_t, Forged> forged_;   // by media time
  std::map<std::pair<WireId, std::uint32_t>, std::uint64_t> forged_refs_;   // connection and chunk_ref → media time
  std::vector<std::string> notes_;
  StormReport report_;
};

}  // namespace streamr::sim
