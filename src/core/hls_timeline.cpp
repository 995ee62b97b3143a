#include "core/hls_timeline.hpp"

#include <algorithm>

namespace streamr::core {
namespace {

std::uint64_t media_end_us(const StoredChunk& chunk) {
  return chunk.header().media_time_us + chunk.header().duration_us;
}

// The first segment that begins with a part 0 of media, at or after `from`.
std::optional<std::uint64_t> first_begun_segment(const TrackStore& track, std::uint64_t from) {
  for (auto at = track.parts.lower_bound({from, 0}); at != track.parts.end(); ++at)
    if (at->first.part == 0 && !at->second->header().has(proto::end)) return at->first.segment;
  return std::nullopt;
}

const EpochStore* newer_epoch_with(const StreamStore& store, std::uint64_t epoch, std::uint16_t track) {
  for (auto at = store.epochs().upper_bound(epoch); at != store.epochs().end(); ++at) {
    const auto held = at->second.tracks.find(track);
    if (held != at->second.tracks.end() && first_begun_segment(held->second, 0)) return &at->second;
  }
  return nullptr;
}

// How long a segment with holes lasted: from the end of what was listed before to the start of what came after, shared
// evenly where several segments in a row are missing.
std::uint64_t hole_duration_us(const TrackStore& track, std::uint64_t number, const std::vector<ChunkPtr>& parts,
                               const ListedSegment* before, std::uint64_t longest_us) {
  std::uint64_t begin = 0, finish = 0, segments = 1;
  if (before != nullptr && !before->parts.empty())
    begin = media_end_us(*before->parts.back());
  else if (!parts.empty())
    begin = parts.front()->header().media_time_us;
  if (!parts.empty()) finish = media_end_us(*parts.back());
  const auto after = track.parts.lower_bound({number + 1, 0});
  if (after != track.parts.end() && begin != 0) {
    finish = after->second->header().media_time_us;
    segments = std::max<std::uint64_t>(1, after->first.segment - number);
  }
  const std::uint64_t span = finish > begin ? (finish - begin) / segments : 0;
  return span == 0 || span > longest_us ? longest_us : span;
}

}  // namespace

void HlsTimeline::begin_epoch(const EpochStore& epoch, std::uint64_t first_segment) {
  epoch_ = epoch.epoch;
  next_ = first_segment;
  open_.reset();
  target_duration_s_ = epoch.target_duration_s;
  part_target_us_ = epoch.part_target_us < s_to_us(target_duration_s_) ? epoch.part_target_us : 0;
  peak_bps_ = whole_bytes_ = whole_us_ = 0;
  end_came_ = false;
  ended_ = false;
  end_at_us_ = 0;
}

bool HlsTimeline::start(const StreamStore& store) {
  const EpochStore* epoch = newer_epoch_with(store, 0, track_);
  if (epoch == nullptr) return false;
  begin_epoch(*epoch, *first_begun_segment(epoch->tracks.at(track_), 0));
  epoch_begins_ = false;
  return true;
}

bool HlsTimeline::advance(const StreamStore& store, const DiscontinuityCount& count, Now now) {
  wait_until_us_ = 0;
  for (; !retired_.empty() && retired_.front().until_mono_us <= now.mono_us; ++forgotten_) retired_.pop_front();
  if (epoch_ != 0 && store.find_epoch(epoch_) == nullptr && newer_epoch_with(store, epoch_, track_) == nullptr)
    epoch_ = 0;
  bool changed = false;
  if (epoch_ != 0 || start(store))
    while (step(store, count, now)) changed = true;
  changed = retire_old(store, now) || changed;
  return (epoch_ != 0 && judge_end(store, now)) || changed;
}

// One move forward: parts listed, a segment closed, a hole jumped over, or the next epoch begun. False: nothing to do
// now.
bool HlsTimeline::step(const StreamStore& store, const DiscontinuityCount& count, Now now) {
  const EpochStore* epoch = store.find_epoch(epoch_);
  const TrackStore* track = store.find_track(epoch_, track_);
  const bool over = newer_epoch_with(store, epoch_, track_) != nullptr;
  if (epoch == nullptr || track == nullptr) return over && move_to_newer_epoch(store, count, now);
  end_came_ = track->ended;
  if (skip_long_hole(*track, now)) return true;
  const std::uint64_t hole_us = 3ull * epoch->part_target_us;
  SegmentAssembly assembly = assemble_segment(*track, next_, hole_us, over, now.mono_us);
  wait_until_us_ = assembly.wait_until_us;
  if (assembly.none_ever) return over && move_to_newer_epoch(store, count, now);
  if (assembly.parts.empty() && !assembly.ended) return false;
  if (content_type_of(*track) == proto::ContentType::cmaf) {
    const ChunkPtr init = track->init_for(next_);
    if (!init || !init->whole()) return !init && skip_to_init(*track);
  }
  const bool listed = list_parts(*track, *epoch, count, hole_us, now);
  if (!assembly.ended || assembly.wait_until_us != 0) return listed;
  open_next(*track, *epoch, count);
  close_open(*track, std::move(assembly));
  return true;
}

// A hole longer than the list: begin anew behind it.
bool HlsTimeline::skip_long_hole(const TrackStore& track, Now now) {
  const auto held = track.parts.lower_bound({next_, 0});
  if (held == track.parts.end() || held->first.segment - next_ <= min_segments_) return false;
  const auto begun = first_begun_segment(track, next_);
  if (!begun) return false;
  while (!listed_.empty()) retire_front(now);
  open_.reset();
  next_ = *begun;
  return true;
}

// Segments before the first init section can never be decoded.
bool HlsTimeline::skip_to_init(const TrackStore& track) {
  const auto later = track.inits.upper_bound(next_);
  if (!listed_.empty() || open_ || later == track.inits.end()) return false;
  next_ = later->first;
  return true;
}

void HlsTimeline::open_next(const TrackStore& track, const EpochStore& epoch, const DiscontinuityCount& count) {
  if (open_) return;
  ListedSegment& segment = open_.emplace();
  segment.epoch = epoch_;
  segment.number = next_;
  if (content_type_of(track) == proto::ContentType::cmaf) segment.init = track.init_for(next_);
  const bool flagged = count.flagged(epoch_, next_);
  if (listed_.empty()) {
    segment.discontinuity = count.number(epoch, next_);
    segment.tagged = segment.discontinuity > 0 && (flagged || epoch_begins_);
  } else {
    segment.tagged = flagged || listed_.back().epoch != epoch_;
    segment.discontinuity = listed_.back().discontinuity + (segment.tagged ? 1 : 0);
  }
  epoch_begins_ = false;
  if (const ChunkPtr first = track.find({next_, 0}))
    segment.capture_time_us = first->header().capture_time_us;
  else if (!listed_.empty())
    segment.capture_time_us = listed_.back().capture_time_us + listed_.back().duration_us;
}

// Lists the parts of the growing segment as far as each is whole, signed away or given up.
bool HlsTimeline::list_parts(const TrackStore& track, const EpochStore& epoch, const DiscontinuityCount& count,
                             std::uint64_t hole_us, Now now) {
  bool listed = false;
  for (;;) {
    const std::size_t index = open_ ? open_->marks.size() : 0;
    if (index >= init_part || (open_ && open_->parts_over)) return listed;
    const auto at = track.parts.lower_bound({next_, static_cast<std::uint16_t>(index)});
    if (at == track.parts.end() || at->first.segment != next_) return listed;
    const StoredChunk& chunk = *at->second;
    ListedPart mark;
    if (at->first.part == index) {
      if (chunk.header().has(proto::end)) return listed;
      mark.gap = chunk.header().has(proto::gap) || !chunk.whole();
      mark.independent = chunk.header().has(proto::independent);
      mark.duration_us = chunk.header().duration_us;
    } else {
      mark.gap = true;
      mark.duration_us = epoch.part_target_us;
    }
    const bool signed_away = at->first.part == index && chunk.header().has(proto::gap);
    if (mark.gap && !signed_away && now.mono_us < chunk.arrived_mono_us() + hole_us) return listed;
    open_next(track, epoch, count);
    if (mark.duration_us > part_target_us_ + part_target_us_ / 20) {
      // A segment in one piece: this source has no parts. Else one that broke its promise; the next segment has parts
      // again.
      if (index == 0 && chunk.header().has(proto::last_in_segment)) part_target_us_ = 0;
      open_->parts_over = true;
      return true;
    }
    open_->marks.push_back(mark);
    listed = true;
  }
}

void HlsTimeline::close_open(const TrackStore& track, SegmentAssembly assembly) {
  ListedSegment segment = std::move(*open_);
  open_.reset();
  segment.parts = std::move(assembly.parts);
  segment.gap = assembly.gap || std::any_of(segment.marks.begin(), segment.marks.end(),
                                            [](const ListedPart& mark) { return mark.gap; });
  for (const ChunkPtr& part : segment.parts) {
    segment.duration_us += part->header().duration_us;
    segment.bytes += part->header().payload_length;
  }
  if (segment.gap) {
    const ListedSegment* before = !listed_.empty() && listed_.back().epoch == epoch_ ? &listed_.back() : nullptr;
    segment.duration_us = hole_duration_us(track, next_, segment.parts, before, s_to_us(target_duration_s_));
  }
  if (!segment.gap) {
    whole_bytes_ += segment.bytes;
    whole_us_ += segment.duration_us;
  }
  // A segment much shorter than the target says nothing about the rate (RFC 8216bis: runs of 0.5 to 1.5 targets count).
  if (!segment.gap && segment.duration_us >= s_to_us(target_duration_s_) / 2)
    peak_bps_ = std::max(peak_bps_, segment.bytes * 8'000'000 / segment.duration_us);
  listed_.push_back(std::move(segment));
  ++next_;
}

bool HlsTimeline::move_to_newer_epoch(const StreamStore& store, const DiscontinuityCount& count, Now now) {
  const EpochStore* epoch = newer_epoch_with(store, epoch_, track_);
  const std::uint64_t first = *first_begun_segment(epoch->tracks.at(track_), 0);
  const bool goes_on = !ended_ && !listed_.empty() && first == listed_.back().number + 1 &&
                       epoch->target_duration_s == target_duration_s_ &&
                       count.number(*epoch, first) <= listed_.back().discontinuity + 1;
  if (!goes_on)
    while (!listed_.empty()) retire_front(now);
  begin_epoch(*epoch, first);
  epoch_begins_ = true;
  return true;
}

void HlsTimeline::retire_front(Now now) {
  const std::uint64_t until = now.mono_us + listed_.front().duration_us;
  retired_.push_back({std::move(listed_.front()), until});
  listed_.pop_front();
}

bool HlsTimeline::retire_old(const StreamStore& store, Now now) {
  bool changed = false;
  std::uint64_t span_us = 0;
  for (const ListedSegment& segment : listed_) span_us += segment.duration_us;
  while (!listed_.empty()) {
    const ListedSegment& front = listed_.front();
    const TrackStore* held = store.find_track(front.epoch, track_);
    const bool trimmed = held == nullptr || held->parts.empty() || held->oldest_segment() > front.number;
    const bool enough =
        listed_.size() > min_segments_ && span_us - front.duration_us >= 3 * s_to_us(target_duration_s_);
    if (!trimmed && !enough) break;
    span_us -= front.duration_us;
    retire_front(now);
    changed = true;
  }
  return changed;
}

bool HlsTimeline::judge_end(const StreamStore& store, Now now) {
  const EpochStore* newest = store.newest_epoch();
  if (ended_ || newest == nullptr || newest->epoch != epoch_ || !newest->ended()) {
    end_at_us_ = 0;
    return false;
  }
  end_at_us_ = newest->ended_mono_us + 3 * s_to_us(target_duration_s_);
  if (now.mono_us < end_at_us_) return false;
  ended_ = true;
  return true;
}

// Rounded up, so that a multivariant playlist does not change with every segment.
std::uint64_t HlsTimeline::average_bps() const {
  if (whole_us_ == 0) return 0;
  const std::uint64_t exact = whole_bytes_ * 8'000'000 / whole_us_;
  std::uint64_t step = 1;
  while (exact / step >= 64) step *= 2;
  return (exact + step - 1) / step * step;
}

std::uint64_t HlsTimeline::discontinuity_sequence() const {
  if (listed_.empty()) return 0;
  return listed_.front().discontinuity - (listed_.front().tagged ? 1u : 0u);
}

std::optional<ChunkPos> HlsTimeline::hint() const {
  if (epoch_ == 0 || ended_ || end_came_ || part_target_us_ == 0) return std::nullopt;
  const std::size_t part = open_ ? open_->marks.size() : 0;
  if (part >= init_part || (open_ && open_->parts_over)) return std::nullopt;
  return ChunkPos{next_, static_cast<std::uint16_t>(part)};
}

PlaceState HlsTimeline::judge(const PlaylistPlace& place) const {
  if (ended_) return PlaceState::listed;
  if (epoch_ == 0) return PlaceState::awaited;
  // The last whole segment is next_ - 1.
  if (place.msn > next_ && place.msn - next_ > 1) return PlaceState::too_far;
  if (!place.part) return place.msn < next_ ? PlaceState::listed : PlaceState::awaited;
  std::uint64_t msn = place.msn;
  std::uint64_t part = *place.part;
  if (msn < next_) {
    if (msn + 1 < next_ || listed_.empty() || part < listed_.back().marks.size()) return PlaceState::listed;
    msn = next_;
    part = 0;
  }
  const std::uint64_t there = msn == next_ && open_ ? open_->marks.size() : 0;
  const std::uint64_t target_us = part_target_us_ != 0 ? part_target_us_ : 500'000;
  const std::uint64_t ahead = (3'000'000 + target_us - 1) / target_us;
  if (part >= there && part - there >= ahead) return PlaceState::too_far;  // counted from the newest, there - 1
  return part < there ? PlaceState::listed : PlaceState::awaited;
}

std::uint64_t HlsTimeline::deadline_us() const {
  std::uint64_t at = never_us;
  if (wait_until_us_ != 0) at = std::min(at, wait_until_us_);
  if (end_at_us_ != 0 && !ended_) at = std::min(at, end_at_us_);
  if (!retired_.empty()) at = std::min(at, retired_.front().until_mono_us);
  return at;
}

std::uint64_t HlsTimeline::retired_bytes() const {
  std::uint64_t bytes = 0;
  for (const Retired& old : retired_)
    for (const ChunkPtr& part : old.segment.parts) bytes += part->in_store() ? 0 : part->memory_bytes();
  return bytes;
}

void HlsTimeline::forget_retired() {
  forgotten_ += retired_.size();
  retired_.clear();
}

const ListedSegment* HlsTimeline::find_segment(std::uint64_t epoch, std::uint64_t number) const {
  for (const ListedSegment& segment : listed_)
    if (segment.epoch == epoch && segment.number == number) return &segment;
  for (const Retired& old : retired_)
    if (old.segment.epoch == epoch && old.segment.number == number) return &old.segment;
  return nullptr;
}

ChunkPtr HlsTimeline::find(std::uint64_t epoch, ChunkPos pos) const {
  const auto init_of = [&](const ListedSegment& segment) {
    return segment.init && segment.init->header().epoch == epoch && segment.init->header().segment == pos.segment;
  };
  if (pos.part == init_part) {
    for (const ListedSegment& segment : listed_)
      if (init_of(segment)) return segment.init;
    for (const Retired& old : retired_)
      if (init_of(old.segment)) return old.segment.init;
    return nullptr;
  }
  const ListedSegment* segment = find_segment(epoch, pos.segment);
  if (segment == nullptr) return nullptr;
  for (const ChunkPtr& part : segment->parts)
    if (part->header().part == pos.part) return part;
  return nullptr;
}

}  // namespace streamr::core
