// Decides how a relay's receipts reach the coordinator: newest of each session, in chained batches, none lost or doubled.
// Never judges a receipt; it was verified before it came here.
// Called by core/presence.
#pragma once

#include <map>

#include "core/presence_context.hpp"

namespace streamr::core {

class ReceiptBatches {
 public:
  static constexpr std::size_t receipts_a_batch = 1900;  // 547 octets each in JSON, under 1 MiB with the rest
  static constexpr std::size_t sessions_kept = 65'536;   // about 25 MB while a coordinator is away

  explicit ReceiptBatches(PresenceContext& context)
      : context_(context), chain_(context.config.batch_chain), after_restart_(!context.config.batch_chain.is_zero()) {}

  void report(const proto::Receipt& newest, bool final, Now now);

  std::optional<HttpCall> poll(Now now);
  // False: the coordinator does not know the lease any more.
  bool on_answer(const Answer& answer, Now now);
  std::uint64_t deadline_us() const { return under_way_ ? never_us : due_us_; }
  void flush(Now now);
  bool flushed() const { return !under_way_ && (!flushing_ || due_us_ == never_us); }

 private:
  struct Entry {
    std::array<std::uint8_t, proto::Receipt::size> raw{};
    std::uint32_t seq = 0;
    std::uint64_t reported_us = 0;
    bool final = false;
  };
  using Entries = std::map<SessionId, Entry>;            // sorted by session_id, as a batch is
  struct Batch {
    SharedBytes body;
    Hash hash;
    Entries entries;
  };

  bool make_batch(Now now);                              // false: not this minute
  Entries take(Now now);
  void settle(std::uint64_t settled, std::uint64_t refused, Now now);
  void rechain(const Answer& answer, Now now);
  void give_back();
  void plan(Now now);

  PresenceContext& context_;
  Hash chain_;
  bool after_restart_;                                   // an earlier run may have used this minute
  std::uint64_t last_interval_ = 0;
  Entries fresh_;
  std::optional<Batch> batch_;                           // sent or to be sent, the same octets until they are answered
  bool under_way_ = false;
  bool flushing_ = false;                                // the node ends: one try each, no waiting for a minute of its own
  std::uint64_t due_us_ = never_us;
  std::size_t batch_receipts_ = receipts_a_batch;        // halved when the coordinator finds a body too large
  std::uint32_t replays_ = 0;
  Backoff backoff_;
};

}  // namespace streamr::core
