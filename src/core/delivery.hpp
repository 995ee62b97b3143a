// Decides what goes to one downstream subscription and when: join, order, late drop, queue cap, pacing, cut-through.
// Never judges credit or receipts itself: the caller passes the octets it may send now. Never touches a socket.
// Called by core/node, one object per accepted SUBSCRIBE.
#pragma once

#include <optional>
#include <variant>
#include <vector>

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
  std::uint32_t kbps = 0;                  // join burst is paced at 2 x this, or of what the store holds where that is more
};

// What to put on the wire next, in order. The caller numbers chunk_refs per connection.
struct DeliverCert { std::shared_ptr<const proto::Certificate> certificate; };
struct DeliverChunk { ChunkPtr chunk; std::uint32_t chunk_ref; };
// `repeat`: the subscriber was sent this slice before, or it is INIT of a join: no receipt is awaited for it.
// `live_since_us`: when it verified, of a slice of the live edge; 0 of what a join or a FETCH asked for.
struct DeliverSlice { ChunkPtr chunk; std::uint32_t chunk_ref; std::uint16_t index; bool repeat = false; std::uint64_t live_since_us = 0; };
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
  void on_stopped(std::uint64_t epoch);                                    // the track equivocated: queued chunks of it: DROP 4
  // FETCH: what is held of these slices, DROP chunk_ref 0 reason 3 where nothing is.
  void on_fetch(const proto::Fetch& fetch, const StreamStore& store, Now now);

  // Next item of at most `budget` frame payload octets, or nothing. `next_ref` is the lowest chunk_ref that is free; a
  // chunk takes the one of its own that all subscribers may share, where that is not below.
  // Order of value INIT, audio, independent video, the rest; within a chunk slices as they verified.
  std::optional<Delivered> poll(std::uint64_t budget, std::uint32_t& next_ref, Now now);
  std::size_t fetches_waiting() const;                                     // FETCHes not answered in full yet
  // Octets that poll would give if the budget were endless (slices verified, unsent).
  std::uint64_t queued_bytes() const;
  std::uint64_t oldest_queued_age_us(Now now) const;
  // Applies the deadline and the queue cap (512 KiB, 500 ms), counting `transport_bytes` that wait in the socket;
  // the newest segment is never dropped before its first slice.
  void apply_drop_rule(std::uint64_t transport_bytes, Now now);
  std::uint64_t deadline_us(Now now) const;                                // mono_us of the next pacing or drop step; UINT64_MAX = none
  const DeliveryConfig& config() const { return config_; }

  // Worth of what poll would give next, for choosing among the subscriptions of a connection; lowest first.
  enum class Value : std::uint8_t { init, audio, independent, rest, nothing };
  Value next_value() const;

  struct Counters { std::uint64_t chunks = 0, slices = 0, bytes = 0, dropped_late = 0, dropped_queue = 0; };
  const Counters& counters() const { return counters_; }

 private:
  // live: under every rule. history: what a join asked for, free of deadline and cap. init, fetch: free of them as well.
  enum class Kind : std::uint8_t { live, history, init, fetch };
  struct Item {
    ChunkPtr chunk;
    Kind kind = Kind::live;
    bool announced = false;
    std::uint32_t ref = 0;
    std::uint32_t cursor = 0;               // how many of the chunk's arrivals were looked at
    std::uint32_t sent_slices = 0;
    std::uint32_t sent_bytes = 0;
    std::uint32_t sent_before = 0;          // arrivals that this subscription was sent under an earlier ref
    std::uint16_t first = 0, last = 0;      // slices wanted: [first, last)
    std::uint64_t number = 0;               // of the chunk among those that came, to tell how far it is behind
    std::uint64_t queued_mono_us = 0;
    std::uint64_t progress_mono_us = 0;
  };
  struct Sent { std::uint64_t epoch, segment; std::uint16_t part, arrivals; };
  using Items = std::vector<Item>;          // few: a viewer has one or two, a join its history

  // delivery_join.cpp: what is queued
  void join(const StreamStore& store, Now now);
  void queue_history(const TrackStore& track, ChunkPos first, Now now);
  void queue_inits(const TrackStore& track, std::uint64_t segment, Now now);
  bool queued(const StoredChunk& chunk) const;
  Item make_item(const ChunkPtr& chunk, Kind kind, Now now) const;
  void insert_init(Item item);
  void insert_part(Item item);
  void drop_trimmed(const StreamStore& store);
  // delivery.cpp: what is sent
  bool is_bare(const Item& item) const;     // CHUNK alone, no slice behind it
  static bool ready(Item& item);
  bool may_announce(const Item& item, bool is_ready) const;
  bool make_room();
  std::optional<Delivered> announce(Items::iterator at, std::uint64_t budget, std::uint32_t& next_ref, Now now);
  std::optional<Delivered> next_slice(Items::iterator at, std::uint64_t budget, Now now);
  bool pace_allows(const Item& item, std::uint64_t bytes, Now now);
  Items::iterator erase(Items::iterator at);
  static std::uint64_t unsent_bytes(const Item& item);
  // delivery_drop.cpp: what is given up
  Items::iterator drop(Items::iterator at, proto::DropReason reason);
  bool late(const Item& item, Now now) const;
  bool stuck(const Item& item, Now now) const;
  bool in_newest_segment(const Item& item) const;
  bool over_cap(std::uint64_t transport_bytes, Now now) const;
  struct Skip { std::size_t from, to; };
  std::optional<Skip> skip_ahead() const;
  std::uint64_t latency_us() const;
  std::uint64_t patience_us(const Item& item) const;

  DeliveryConfig config_;
  Counters counters_;
  Items items_;                             // in the order in which they are sent
  std::vector<DeliverDrop> drops_;
  std::vector<Sent> sent_;                  // the newest chunks that were sent, to know a repeat
  std::vector<CertId> certificates_;        // sent before a CHUNK of this subscription
  proto::TrackKind track_kind_ = proto::TrackKind::muxed;
  std::uint64_t epoch_ = 0;                 // the one that is delivered now
  ChunkPos minimum_;                        // nothing before this place of epoch_
  ChunkPos newest_;
  std::uint64_t number_ = 0;
  std::size_t history_ = 0;                 // items of that kind: while there are any, live chunks queue up as history
  std::uint32_t unfinished_ = 0;            // announced, with slices still to come
  std::uint32_t without_slice_ = 0;         // of them: none sent yet
  bool end_sent_ = false;
  bool over_ = false;                       // DeliverEnd was given
  // Pace of a join: octets owed may exceed the balance by one frame, so that a slice of any size gets through.
  bool paced_ = false;
  bool pace_blocked_ = false;
  std::int64_t pace_balance_ = 0;
  std::uint64_t pace_bps_ = 0;
  std::uint64_t pace_mono_us_ = 0;
};

}  // namespace streamr::core
