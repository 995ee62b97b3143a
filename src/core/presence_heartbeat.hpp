// Decides when a registered node says that it lives, what it says, and what it learns: lease, assignments, revocations.
// Never registers: it tells when the lease is lost.
// Called by core/presence.
#pragma once

#include <unordered_set>

#include "core/presence_context.hpp"

namespace streamr::core {

class Heartbeat {
 public:
  explicit Heartbeat(PresenceContext& context) : context_(context) {}

  void start(Now now) { started_us_ = now.mono_us; }
  void begin(std::uint32_t interval_ms, Now now);         // registered: the first one goes at once
  void pause() { due_us_ = never_us; }                    // the lease is lost
  void soon(Now now);                                     // at most once a second

  bool due(Now now) const;                                   // poll would give a call
  std::optional<HttpCall> poll(Now now, const NodeReport& report);
  // False: the coordinator does not know the lease any more.
  bool on_answer(const Answer& answer, Now now);
  std::uint64_t deadline_us() const { return under_way_ ? never_us : due_us_; }

 private:
  std::string body(const NodeReport& report, Now now);
  void learn(const proto::JsonView& reply);
  void learn_assignments(const proto::JsonView& reply);
  void learn_revocations(const proto::JsonView& reply);
  void next(Now now);

  PresenceContext& context_;
  std::uint64_t started_us_ = 0;
  std::uint64_t interval_us_ = 10'000'000;
  std::uint64_t due_us_ = never_us;
  std::uint64_t sent_us_ = 0;                             // 0 = none yet
  bool under_way_ = false;
  bool soon_again_ = false;                               // asked for while one was under way
  std::optional<std::string> addresses_sent_;             // by the heartbeat under way
  bool clock_told_ = false;
  std::uint32_t replays_ = 0;
  std::uint64_t seq_ = 0;
  std::uint64_t assignments_version_ = 0;
  std::size_t stream_cursor_ = 0;                         // more than 24 streams are told in turn
  std::unordered_set<Hash> revocations_seen_;
  Backoff backoff_;
};

}  // namespace streamr::core
