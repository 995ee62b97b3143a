// Decides what goes to one downstream subscription and when: join, order, late drop, queue cap, pacing, cut-through.
// Never judges credit or receipts itself: the caller passes the octets it may send now. Never touches a socket.
// Called by core/node, one object per accepted SUBSCRIBE.
#pragma once

#include <deque>
#include <optional>
#include <variant>

#include "core/store.hpp"

namespace streamr::core {

struct DeliveryConfig {
  std::uint64_t epoch = 0;                 // 0 = follow the newest
  std::uint16_t track = 0;
  proto::Start start = proto::Start::edge;
  ChunkPos from;                           // start exact
  std::uint32_t max_latency_ms = 0;        // 0 = 3 x part target, at least 2 s
  bool headers_only = false;
  std::uint32_t part_target_us = 500'000;
  std::uint32_t kbps = 0;                  // join burst is paced at 2 x this
};

// What to put on the wire next, in order. The caller numbers chunk_refs per connection.
struct DeliverCert { std::shared_ptr<const proto::Certificate> certificate; };
struct DeliverChunk { ChunkPtr chunk; std::uint32_t chunk_ref; };
struct DeliverSlice { ChunkPtr chunk; std::uint32_t chunk_ref; std::uint16_t index; };
struct DeliverDrop { std::uint32_t chunk_ref; proto::DropReason reason; ChunkPos pos; };   // chunk_ref 0 = never announced
struct DeliverEnd { proto::SubEndCode code; std::uint64_t last_segment; };
using Delivered = std::variant<DeliverCert, DeliverChunk, DeliverSlice, DeliverDrop, DeliverEnd>;

class Delivery {
 public:
  Delivery(DeliveryConfig config, const StreamStore& store, Now now);      // queues what the start rule asks for

  // A repeated SUBSCRIBE on the same sub: standby becomes source and the like; goes on at (segment, part) for start exact.
  void change(DeliveryConfig config, const StreamStore& store, Now now);
  void on_chunk(const ChunkPtr& chunk, const StreamStore& store, Now now); // CHUNK accepted into the store
  void on_slice(const ChunkPtr& chunk, std::uint16_t index, Now now);      // a slice of it verified
  void on_revoked(std::uint64_t serial_max);                               // queued chunks of these certificates: DROP 4
  // FETCH: what is held of these slices, DROP chunk_ref 0 reason 3 where nothing is.
  void on_fetch(const proto::Fetch& fetch, const StreamStore& store, Now now);

  // Next item of at most `budget` frame payload octets, or nothing. `next_ref` gives chunk_refs: called once per CHUNK.
  // Order of value INIT, audio, independent video, the rest; within a chunk slices as they verified.
  std::optional<Delivered> poll(std::uint64_t budget, std::uint32_t& next_ref, Now now);
  // Octets that poll would give if the budget were endless (slices verified, unsent).
  std::uint64_t queued_bytes() const;
  std::uint64_t oldest_queued_age_us(Now now) const;
  // Applies the deadline and the queue cap (512 KiB, 500 ms), counting `transport_bytes` that wait in the socket;
  // the newest segment is never dropped before its first slice.
  void apply_drop_rule(std::uint64_t transport_bytes, Now now);
  std::uint64_t deadline_us(Now now) const;                                // mono_us of the next pacing or drop step; UINT64_MAX = none
  const DeliveryConfig& config() const { return config_; }

  struct Counters { std::uint64_t chunks = 0, slices = 0, bytes = 0, dropped_late = 0, dropped_queue = 0; };
  const Counters& counters() const { return counters_; }

 private:
  DeliveryConfig config_;
  Counters counters_;
};

}  // namespace streamr::core
