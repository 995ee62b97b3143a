// Decides how full a node is and who may still come in: measured load against limits that may change at any time, the
// pace of everything that goes out, and when the newest have to go. Never closes anything, never counts what others
// hold; the node tells it. Called by core/node.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/types.hpp"

namespace streamr::core {

// What an operator may change while the node runs.
struct NodeLimits {
  std::uint64_t upload_kbps = 0;   // of all outgoing media, HTTP with it; 0 = none
  std::uint64_t max_viewers = 0;   // connections with role viewer; 0 = none
  std::uint64_t memory_bytes = 0;  // store, queues, held requests, pending publications; 0 = as it is
};

class Admission {
 public:
  Admission(NodeLimits limits, std::uint32_t capacity_kbps) : limits_(limits), capacity_kbps_(capacity_kbps) {}

  void set_limits(const NodeLimits& limits, Now now);
  const NodeLimits& limits() const { return limits_; }

  // ---- what is measured
  void on_sent(std::uint64_t bytes, Now now);  // left for a peer or a client; takes tokens
  void on_cpu(std::uint32_t permille) { cpu_permille_ = permille; }  // of one core, of the busiest loop
  void on_memory(std::uint64_t bytes) { memory_bytes_ = bytes; }     // what cannot be let go any more
  void on_viewers(std::uint64_t viewers) { viewers_ = viewers; }
  void on_blocked(bool blocked, Now now);  // peers wait for the upload limit; false: all that was ready has left
  void on_time(Now now);

  // ---- pace: octets that may leave now (a message may overdraw), and when there will be some again
  std::uint64_t sendable_bytes(Now now);
  std::uint64_t sendable_at_us() const;  // never_us where no limit stands

  // ---- judgement
  // Per cent of the tightest limit; may exceed 100. Other nodes are told at most 100.
  std::uint32_t load_pct() const;
  std::uint64_t sent_kbps() const { return sent_kbps_; }
  struct Refusal {
    std::string limit;  // "viewers", "upload", "cpu", "memory": a word for counters
    std::string text;
  };
  // Why a newcomer may not come in; nothing where it may. Who was refused stays out until the load fell below 90 %.
  std::optional<Refusal> refusal(bool viewer) const;
  // True, at most once in a while: one of the newest sessions has to go.
  bool sheds(Now now);

 private:
  std::uint32_t upload_pct() const;
  void refill(Now now);

  NodeLimits limits_;
  std::uint32_t capacity_kbps_;  // what the node offers; told, not enforced
  std::uint32_t cpu_permille_ = 0;
  std::uint64_t memory_bytes_ = 0, viewers_ = 0;
  std::uint64_t window_bytes_ = 0, window_began_us_ = 0, sent_kbps_ = 0;
  std::int64_t tokens_ = 0;
  std::uint64_t refilled_us_ = 0;
  std::uint64_t blocked_since_us_ = 0;             // 0 = nobody waits
  bool starves_ = false;                           // they wait for long: more is wanted than the limit gives
  std::uint64_t over_since_us_ = 0, shed_us_ = 0;  // 0 = not over, never
  const char* closed_ = nullptr;                   // the limit that closed the door
};

}  // namespace streamr::core
