// Decides what verified media a node keeps of one stream: chunks by epoch, track, segment and part, under a memory limit.
// Never verifies: only the Verifier can make a VerifiedChunk or VerifiedSlice. Never sends.
// Called by core/node (writing), core/delivery, core/hls and subscriptions (reading).
#pragma once

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/buffer_source.hpp"
#include "base/bytes.hpp"
#include "base/types.hpp"
#include "proto/frames.hpp"
#include "proto/objects.hpp"

namespace streamr::core {

class Verifier;
class Publication;

// A header that was checked against its certificate, with leaves that give its root.
class VerifiedChunk {
 public:
  const proto::ChunkHeader& header() const { return header_; }
  const std::vector<Hash>& leaves() const { return leaves_; }
  const std::shared_ptr<const proto::Certificate>& certificate() const { return certificate_; }

 private:
  friend class Verifier;
  friend class Publication;
  VerifiedChunk() = default;
  proto::ChunkHeader header_;
  std::vector<Hash> leaves_;
  std::shared_ptr<const proto::Certificate> certificate_;
};

// A slice whose hash is the leaf of its chunk.
class VerifiedSlice {
 public:
  std::uint16_t index() const { return index_; }
  ByteView data() const { return data_; }

 private:
  friend class Verifier;
  friend class Publication;
  VerifiedSlice() = default;
  std::uint16_t index_ = 0;
  ByteView data_;
};

// One chunk as far as its slices have come. Slices are views into one payload buffer: verified octets only are ever read.
class StoredChunk {
 public:
  const proto::ChunkHeader& header() const { return header_; }
  const std::vector<Hash>& leaves() const { return leaves_; }
  const std::shared_ptr<const proto::Certificate>& certificate() const { return certificate_; }
  const SharedBytes& header_and_leaves() const { return header_and_leaves_; }   // 224 + 32n octets, as CHUNK and .chunk carry them
  const Hash& header_hash() const { return header_hash_; }
  std::uint64_t arrived_mono_us() const { return arrived_mono_us_; }            // when CHUNK was accepted
  std::uint64_t whole_mono_us() const { return whole_mono_us_; }                // when the last slice verified; 0 = not yet
  std::uint16_t slices_held() const { return held_; }
  bool whole() const { return held_ == header_.slice_count; }
  bool has_slice(std::uint16_t index) const { return index < present_.size() && present_[index]; }
  SharedBytes slice(std::uint16_t index) const;                                 // empty where not held
  SharedBytes payload() const { return whole() ? payload_ : SharedBytes{}; }    // contiguous, once whole
  std::uint16_t first_missing() const;                                          // slice_count when whole
  std::size_t memory_bytes() const;                                             // header, leaves and payload as allocated
  bool in_store() const { return in_store_; }                                   // false once trimmed

  // Slices in the order in which they verified, so that every subscriber keeps one number as its place.
  struct Arrival { std::uint16_t index; std::uint64_t mono_us; };
  const std::vector<Arrival>& arrivals() const { return arrivals_; }
  std::uint32_t verified_bytes() const { return verified_bytes_; }
  // The chunk_ref under which whoever can sends it, so that the octets around its slices are the same for all. Gaps
  // between neighbours hold what a connection sends out of turn; 0 = none, once a stream has used them up.
  std::uint32_t shared_ref() const { return shared_ref_; }

 private:
  friend class StreamStore;
  StoredChunk() = default;
  proto::ChunkHeader header_;
  std::vector<Hash> leaves_;
  std::shared_ptr<const proto::Certificate> certificate_;
  SharedBytes header_and_leaves_;
  Hash header_hash_;
  SharedBytes payload_;                     // payload_length octets, allocated with the first slice
  std::uint8_t* fill_ = nullptr;            // the same octets while slices still come
  std::vector<bool> present_;
  std::uint16_t held_ = 0;
  std::uint64_t arrived_mono_us_ = 0;
  std::uint64_t whole_mono_us_ = 0;
  std::vector<Arrival> arrivals_;
  std::uint32_t verified_bytes_ = 0;
  std::uint32_t shared_ref_ = 0;
  bool in_store_ = false;                   // false once trimmed: who still holds it may read and fill it
};
using ChunkPtr = std::shared_ptr<const StoredChunk>;

// One track of one epoch. INIT chunks stand apart from parts; the INIT of segment s is the last with segment ≤ s.
struct TrackStore {
  proto::TrackInfo info;
  std::map<ChunkPos, ChunkPtr> parts;       // without INIT; END included
  std::map<std::uint64_t, ChunkPtr> inits;  // by segment
  bool ended = false;                       // END came

  ChunkPtr find(ChunkPos pos) const;        // part 0xFFFF finds the INIT that stands at exactly this segment
  ChunkPtr init_for(std::uint64_t segment) const;
  ChunkPtr newest() const;                  // newest part by position (END excluded), null when empty
  ChunkPtr newest_independent() const;
  std::uint64_t oldest_segment() const;     // 0 when empty
  std::uint32_t measured_kbps() const;      // of the newest two segments; 0 when empty
  // A segment is whole when a part with LAST_IN_SEGMENT or END stands in it, or a part of a later segment does.
  bool segment_ended(std::uint64_t segment) const;
};

struct EpochStore {
  std::uint64_t epoch = 0;
  std::uint32_t part_target_us = 500'000;
  std::uint8_t target_duration_s = 2;
  // Discontinuity number of `discontinuity_segment` (SUB_OK: of the live segment); first epoch of a stream 0.
  std::uint32_t discontinuity = 0;
  std::uint64_t discontinuity_segment = 0;
  std::map<std::uint16_t, TrackStore> tracks;
  std::uint64_t ended_mono_us = 0;          // when END came on every track; 0 = it runs

  bool ended() const { return ended_mono_us != 0; }
};

struct StoreLimits {
  std::uint64_t memory_bytes = 256ull * 1024 * 1024;   // at twice this even the newest segments are cut
  std::uint32_t min_segments = 12;          // kept whatever age; memory may cut deeper, never below the newest 3
  std::uint64_t keep_us = 60'000'000;       // media older than this (by arrival) goes, beyond min_segments
};

// All that is kept of one stream, newest epoch last. At most the two newest epochs.
class StreamStore {
 public:
  // Payloads live in room from `buffers`, on the heap where it has none.
  StreamStore(const StreamId& id, StoreLimits limits, BufferSource* buffers = nullptr)
      : id_(id), limits_(limits), buffers_(buffers) {}

  const StreamId& id() const { return id_; }
  const std::map<std::uint64_t, EpochStore>& epochs() const { return epochs_; }
  const EpochStore* newest_epoch() const { return epochs_.empty() ? nullptr : &epochs_.rbegin()->second; }
  const EpochStore* find_epoch(std::uint64_t epoch) const;
  const TrackStore* find_track(std::uint64_t epoch, std::uint16_t track) const;
  ChunkPtr find(std::uint64_t epoch, std::uint16_t track, ChunkPos pos) const;
  std::uint64_t memory_bytes() const { return memory_bytes_; }
  std::uint64_t removals() const { return removals_; }   // rises with each chunk that goes

  // Opens an epoch (or changes what is known of it); a newer one keeps the one before.
  EpochStore& open_epoch(std::uint64_t epoch);
  void set_track(std::uint64_t epoch, const proto::TrackInfo& info);
  // Gives the chunk as stored: the one already there if the same header came before. Opens its epoch and track where new.
  std::shared_ptr<const StoredChunk> put(const VerifiedChunk& chunk, Now now);
  // False: that slice was there already.
  bool put_slice(const ChunkPtr& chunk, const VerifiedSlice& slice, Now now);
  // Applies age and memory limits; the number of chunks that went.
  std::size_t trim(Now now);
  // For who shares one memory among several stores: gives up the oldest segment, never one of the newest three.
  bool can_shrink() const;
  void shrink();

 private:
  void allocate_payload(StoredChunk& to);
  using SegmentKey = std::pair<std::uint64_t, std::uint64_t>;     // epoch, segment
  std::vector<SegmentKey> segments() const;
  bool aged(const SegmentKey& key, Now now) const;
  std::size_t remove_segment(const SegmentKey& key);
  std::size_t remove_oldest_part();
  void remove_needless(EpochStore& epoch);
  void forget(const ChunkPtr& chunk);
  void note_end(EpochStore& epoch, Now now);

  StreamId id_;
  StoreLimits limits_;
  BufferSource* buffers_ = nullptr;
  std::map<std::uint64_t, EpochStore> epochs_;
  std::uint64_t memory_bytes_ = 0;
  std::uint64_t removals_ = 0;
  std::uint32_t next_shared_ref_ = 1;
};

}  // namespace streamr::core
