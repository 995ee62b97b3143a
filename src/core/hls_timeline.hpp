// Decides which segments of one track a playlist lists, in which order, with which gaps, discontinuities and numbers.
// Never renders text and never answers requests; it only reads the store.
// Called by core/hls, one object per track.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "core/store.hpp"

namespace streamr::core {

// The parts of one segment as far as they are known.
struct SegmentAssembly {
  std::vector<ChunkPtr> parts;                     // held, in order, END excluded
  bool ended = false;                              // its last part is known
  bool gap = false;                                // a part was signed away (GAP) or given up
  bool none_ever = false;                          // END stands at its part 0: there is nothing to list
  std::uint64_t wait_until_us = 0;                 // mono; a part is awaited until then; 0 = none is
};
// `hole_us`: how long a part may stay away after its CHUNK, or without one the next CHUNK, arrived.
SegmentAssembly assemble_segment(const TrackStore& track, std::uint64_t segment, std::uint64_t hole_us, bool epoch_over,
                                 std::uint64_t now_mono_us);
// All parts of a segment whose every octet is held; nothing while one is missing or signed away.
std::optional<std::vector<ChunkPtr>> whole_segment(const TrackStore& track, std::uint64_t segment, bool epoch_over);
proto::ContentType content_type_of(const TrackStore& track);

// Discontinuity numbers of a stream: known for one segment of an epoch, counted from there.
class DiscontinuityCount {
 public:
  void see(const proto::ChunkHeader& header);
  std::uint32_t number(const EpochStore& epoch, std::uint64_t segment) const;
  bool flagged(std::uint64_t epoch, std::uint64_t segment) const;

 private:
  struct Seen { std::uint64_t first_segment = 0; std::set<std::uint64_t> flagged; };
  std::map<std::uint64_t, Seen> epochs_;           // the three newest
};

// A part as it was listed: what stands here never changes again.
struct ListedPart {
  std::uint64_t duration_us = 0;
  bool independent = false;
  bool gap = false;
};

struct ListedSegment {
  std::uint64_t epoch = 0;
  std::uint64_t number = 0;
  std::uint32_t discontinuity = 0;                 // its discontinuity number
  bool tagged = false;                             // EXT-X-DISCONTINUITY stands before it
  bool gap = false;
  std::uint64_t duration_us = 0;
  std::uint64_t capture_time_us = 0;
  std::uint64_t bytes = 0;
  ChunkPtr init;                                   // null for MPEG-TS
  std::vector<ChunkPtr> parts;
  std::vector<ListedPart> marks;                   // parts 0, 1, 2 … as they were listed
  bool parts_over = false;                         // one was longer than PART-TARGET allows: the rest is not listed
};

// Where a client waits: until part `part` of segment `msn` is listed, or without a part until the whole segment is.
struct PlaylistPlace {
  std::uint64_t msn = 0;
  std::optional<std::uint64_t> part;

  auto operator<=>(const PlaylistPlace&) const = default;
};
enum class PlaceState : std::uint8_t { listed, awaited, too_far };

class HlsTimeline {
 public:
  HlsTimeline(std::uint16_t track, std::uint32_t min_segments) : track_(track), min_segments_(min_segments) {}

  // Lists what has become listable; true when the list changed.
  bool advance(const StreamStore& store, const DiscontinuityCount& count, Now now);
  const std::deque<ListedSegment>& listed() const { return listed_; }
  const ListedSegment* open() const { return open_ && !open_->marks.empty() ? &*open_ : nullptr; }   // grows still
  std::uint64_t discontinuity_sequence() const;    // as EXT-X-DISCONTINUITY-SEQUENCE wants it
  std::uint32_t target_duration_s() const { return target_duration_s_; }
  std::uint64_t part_target_us() const { return part_target_us_; }   // 0: this track is listed without parts
  bool ended() const { return ended_; }            // ENDLIST
  bool begun() const { return epoch_ != 0; }
  std::uint64_t epoch() const { return epoch_; }
  // The part that comes next, if one is promised: not after END.
  std::optional<ChunkPos> hint() const;
  PlaceState judge(const PlaylistPlace& place) const;
  std::uint64_t peak_bps() const { return peak_bps_; }
  std::uint64_t average_bps() const;               // over the epoch, in steps of at most 1/32; 0: not known
  std::uint64_t forgotten() const { return forgotten_; }  // rises with each segment that is not fetchable any more
  std::uint64_t deadline_us() const;               // mono; UINT64_MAX = none
  std::uint64_t retired_bytes() const;             // of what is fetchable still, but left list and store
  void forget_retired();                           // there is no room for it

  // A part, or the INIT at exactly this segment, of what is listed or left the list less than its own duration ago.
  ChunkPtr find(std::uint64_t epoch, ChunkPos pos) const;
  const ListedSegment* find_segment(std::uint64_t epoch, std::uint64_t number) const;

 private:
  struct Retired { ListedSegment segment; std::uint64_t until_mono_us; };

  bool start(const StreamStore& store);
  void begin_epoch(const EpochStore& epoch, std::uint64_t first_segment);
  bool step(const StreamStore& store, const DiscontinuityCount& count, Now now);
  bool skip_long_hole(const TrackStore& track, Now now);
  bool skip_to_init(const TrackStore& track);
  void open_next(const TrackStore& track, const EpochStore& epoch, const DiscontinuityCount& count);
  bool list_parts(const TrackStore& track, const EpochStore& epoch, const DiscontinuityCount& count,
                  std::uint64_t hole_us, Now now);
  void close_open(const TrackStore& track, SegmentAssembly assembly);
  bool move_to_newer_epoch(const StreamStore& store, const DiscontinuityCount& count, Now now);
  bool retire_old(const StreamStore& store, Now now);
  void retire_front(Now now);
  bool judge_end(const StreamStore& store, Now now);

  std::uint16_t track_;
  std::uint32_t min_segments_;
  std::deque<ListedSegment> listed_;
  std::optional<ListedSegment> open_;              // number next_, as far as its parts are listed
  std::deque<Retired> retired_;
  std::uint64_t epoch_ = 0;                        // 0: not begun
  std::uint64_t next_ = 0;                         // segment that comes next in epoch_
  bool epoch_begins_ = false;                      // the next one is the first listed of its epoch after another one
  bool end_came_ = false;                          // END of this track stands in epoch_
  std::uint32_t target_duration_s_ = 2;
  std::uint64_t part_target_us_ = 0;
  std::uint64_t peak_bps_ = 0;
  std::uint64_t whole_bytes_ = 0, whole_us_ = 0;   // of the segments without holes in epoch_
  std::uint64_t forgotten_ = 0;
  std::uint64_t wait_until_us_ = 0;                // a hole is awaited
  std::uint64_t end_at_us_ = 0;                    // ENDLIST is due
  bool ended_ = false;
};

}  // namespace streamr::core
