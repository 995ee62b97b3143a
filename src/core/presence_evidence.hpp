// Decides how what peers did reaches the coordinator: a viewer's newest receipts, and evidence of bad slices and the like.
// Never signs a receipt and never judges evidence.
// Called by core/presence.
#pragma once

#include <map>

#include "core/presence_context.hpp"

namespace streamr::core {

// POST /v1/receipts: the newest receipt of each session this viewer has, at most once a minute each.
class ViewerReceipts {
 public:
  explicit ViewerReceipts(PresenceContext& context) : context_(context) {}

  void post(const proto::Receipt& receipt, Now now);
  std::optional<HttpCall> poll(Now now);
  void on_answer(const Answer& answer, Now now);
  std::uint64_t deadline_us() const;
  void flush(Now now);                           // what may go now goes now, the rest is let go
  bool flushed() const;

 private:
  struct Entry {
    std::array<std::uint8_t, proto::Receipt::size> raw{};
    std::uint32_t seq = 0;
    bool fresh = false;
    bool final = false;
    bool posted = false;
    std::uint64_t earliest_us = 0;
    Backoff backoff;
  };
  PresenceContext& context_;
  // A session may be open with two relays: each has receipts of its own.
  using Place = std::pair<SessionId, Key>;
  std::map<Place, Entry> sessions_;
  std::optional<Place> under_way_;
  std::uint32_t under_way_seq_ = 0;
  bool flushing_ = false;
};

// POST /v1/evidence: signed, at most 60 an hour. A viewer has no lease and keeps its evidence to itself.
class EvidenceQueue {
 public:
  explicit EvidenceQueue(PresenceContext& context) : context_(context) {}

  void report(Evidence evidence, Now now);
  std::optional<HttpCall> poll(Now now);
  // False: the coordinator does not know the lease any more.
  bool on_answer(const Answer& answer, Now now);
  std::uint64_t deadline_us() const { return under_way_ || bodies_.empty() ? never_us : due_us_; }

 private:
  PresenceContext& context_;
  std::deque<SharedBytes> bodies_;
  std::deque<std::uint64_t> sent_us_;                      // of the last hour
  std::uint64_t due_us_ = 0;
  bool under_way_ = false;
  std::uint32_t replays_ = 0;
  Backoff backoff_;
};

}  // namespace streamr::core
