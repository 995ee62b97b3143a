#include "core/store.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace streamr::core {

namespace {

constexpr std::size_t segments_never_cut = 3;  // what a player that joins at the edge may ask for
constexpr std::size_t epochs_kept = 2;
constexpr std::uint32_t ref_step = 16;
constexpr std::uint32_t largest_shared_ref = 1u << 31;  // beyond, each connection counts on by itself

}  // namespace

// ---- StoredChunk

SharedBytes StoredChunk::slice(std::uint16_t index) const {
  if (!has_slice(index)) return {};
  return payload_.slice(std::size_t{index} << header_.slice_log2, header_.slice_bytes(index));
}

std::uint16_t StoredChunk::first_missing() const {
  const auto hole = std::find(present_.begin(), present_.end(), false);
  return static_cast<std::uint16_t>(std::distance(present_.begin(), hole));
}

std::size_t StoredChunk::memory_bytes() const {
  return sizeof(StoredChunk) + leaves_.size() * sizeof(Hash) + header_and_leaves_.size() + payload_.size();
}

// ---- TrackStore

ChunkPtr TrackStore::find(ChunkPos pos) const {
  if (pos.part == init_part) {
    const auto init = inits.find(pos.segment);
    return init == inits.end() ? nullptr : init->second;
  }
  const auto part = parts.find(pos);
  return part == parts.end() ? nullptr : part->second;
}

ChunkPtr TrackStore::init_for(std::uint64_t segment) const {
  const auto later = inits.upper_bound(segment);
  return later == inits.begin() ? nullptr : std::prev(later)->second;
}

ChunkPtr TrackStore::newest() const {
  for (auto part = parts.rbegin(); part != parts.rend(); ++part)
    if (!part->second->header().has(proto::end)) return part->second;
  return nullptr;
}

ChunkPtr TrackStore::newest_independent() const {
  for (auto part = parts.rbegin(); part != parts.rend(); ++part)
    if (part->second->header().has(proto::independent) && part->second->header().payload_length != 0)
      return part->second;
  return nullptr;
}

std::uint64_t TrackStore::oldest_segment() const {
  return parts.empty() ? 0 : parts.begin()->first.segment;
}

std::uint32_t TrackStore::measured_kbps() const {
  if (parts.empty()) return 0;
  const std::uint64_t newest = parts.rbegin()->first.segment;
  std::uint64_t octets = 0, duration_us = 0;
  for (auto at = parts.lower_bound({newest - std::min<std::uint64_t>(newest, 1), 0}); at != parts.end(); ++at) {
    octets += at->second->header().payload_length;
    duration_us += at->second->header().duration_us;
  }
  if (duration_us == 0) return 0;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(octets * 8'000 / duration_us, UINT32_MAX));
}

bool TrackStore::segment_ended(std::uint64_t segment) const {
  const auto later = parts.upper_bound({segment, init_part});
  if (later != parts.end()) return true;
  if (later == parts.begin()) return false;
  const auto last = std::prev(later);
  if (last->first.segment != segment) return false;
  return last->second->header().has(proto::last_in_segment) || last->second->header().has(proto::end);
}

// ---- StreamStore, reading

const EpochStore* StreamStore::find_epoch(std::uint64_t epoch) const {
  const auto found = epochs_.find(epoch);
  return found == epochs_.end() ? nullptr : &found->second;
}

const TrackStore* StreamStore::find_track(std::uint64_t epoch, std::uint16_t track) const {
  const EpochStore* in = find_epoch(epoch);
  if (!in) return nullptr;
  const auto found = in->tracks.find(track);
  return found == in->tracks.end() ? nullptr : &found->second;
}

ChunkPtr StreamStore::find(std::uint64_t epoch, std::uint16_t track, ChunkPos pos) const {
  const TrackStore* in = find_track(epoch, track);
  return in ? in->find(pos) : nullptr;
}

// ---- StreamStore, writing

EpochStore& StreamStore::open_epoch(std::uint64_t epoch) {
  EpochStore& opened = epochs_[epoch];
  opened.epoch = epoch;
  // The caller holds the one it asked for, so that one stays even if two newer ones are here; trim takes it then.
  while (epochs_.size() > epochs_kept && epochs_.begin()->first != epoch) {
    EpochStore& oldest = epochs_.begin()->second;
    for (auto& [number, track] : oldest.tracks) {
      for (auto& [pos, chunk] : track.parts) forget(chunk);
      for (auto& [segment, chunk] : track.inits) forget(chunk);
    }
    epochs_.erase(epochs_.begin());
  }
  return opened;
}

void StreamStore::set_track(std::uint64_t epoch, const proto::TrackInfo& info) {
  open_epoch(epoch).tracks[info.track].info = info;
}

ChunkPtr StreamStore::put(const VerifiedChunk& chunk, Now now) {
  const proto::ChunkHeader& header = chunk.header();
  EpochStore& epoch = open_epoch(header.epoch);
  auto [place, is_new_track] = epoch.tracks.try_emplace(header.track);
  TrackStore& track = place->second;
  if (is_new_track) {
    track.info.track = header.track;
    track.info.content_type = header.content_type;
  }
  if (ChunkPtr there = track.find(header.pos())) return there;

  std::shared_ptr<StoredChunk> stored(new StoredChunk());
  stored->header_ = header;
  stored->leaves_ = chunk.leaves();
  stored->certificate_ = chunk.certificate();
  ByteVector octets(proto::ChunkHeader::size + stored->leaves_.size() * sizeof(Hash));
  std::memcpy(octets.data(), header.raw.data(), header.raw.size());
  std::uint8_t* to = octets.data() + header.raw.size();
  for (const Hash& leaf : stored->leaves_) to = std::copy(leaf.octets.begin(), leaf.octets.end(), to);
  stored->header_and_leaves_ = SharedBytes::take(std::move(octets));
  stored->header_hash_ = header.hash();
  stored->present_.assign(header.slice_count, false);
  stored->arrivals_.reserve(header.slice_count);
  stored->arrived_mono_us_ = now.mono_us;
  if (header.slice_count == 0) stored->whole_mono_us_ = now.mono_us;
  stored->in_store_ = true;
  if (next_shared_ref_ < largest_shared_ref) {
    stored->shared_ref_ = next_shared_ref_;
    next_shared_ref_ += ref_step;
  }
  memory_bytes_ += stored->memory_bytes();

  if (header.part == init_part) {
    track.inits.emplace(header.segment, stored);
  } else {
    track.parts.emplace(header.pos(), stored);
  }
  if (header.has(proto::end)) {
    track.ended = true;
    note_end(epoch, now);
  }
  return stored;
}

void StreamStore::note_end(EpochStore& epoch, Now now) {
  for (const auto& [number, track] : epoch.tracks)
    if (!track.ended && (!track.parts.empty() || !track.inits.empty())) return;
  epoch.ended_mono_us = std::max<std::uint64_t>(now.mono_us, 1);
}

void StreamStore::allocate_payload(StoredChunk& to) {
  if (auto room = buffers_ != nullptr ? buffers_->room(to.header_.payload_length) : std::nullopt) {
    to.payload_ = std::move(room->shared);
    to.fill_ = room->fill;
    return;
  }
  ByteVector octets(to.header_.payload_length);
  to.fill_ = octets.data();
  to.payload_ = SharedBytes::take(std::move(octets));
}

bool StreamStore::put_slice(const ChunkPtr& chunk, const VerifiedSlice& slice, Now now) {
  // Every stored chunk was made non-const by put; const is what readers get.
  StoredChunk& to = const_cast<StoredChunk&>(*chunk);
  if (slice.index() >= to.present_.size() || to.present_[slice.index()]) return false;
  if (to.payload_.empty()) {
    allocate_payload(to);
    if (to.in_store_) memory_bytes_ += to.payload_.size();
  }
  std::memcpy(to.fill_ + (std::size_t{slice.index()} << to.header_.slice_log2), slice.data().data(),
              slice.data().size());
  to.present_[slice.index()] = true;
  to.arrivals_.push_back({slice.index(), now.mono_us});
  to.verified_bytes_ += static_cast<std::uint32_t>(slice.data().size());
  if (++to.held_ == to.header_.slice_count) {
    to.whole_mono_us_ = std::max<std::uint64_t>(now.mono_us, 1);
    to.fill_ = nullptr;
  }
  return true;
}

// ---- StreamStore, forgetting

void StreamStore::forget(const ChunkPtr& chunk) {
  StoredChunk& gone = const_cast<StoredChunk&>(*chunk);
  if (!gone.in_store_) return;
  gone.in_store_ = false;
  memory_bytes_ -= gone.memory_bytes();
  ++removals_;
}

std::vector<StreamStore::SegmentKey> StreamStore::segments() const {
  std::vector<SegmentKey> out;
  for (const auto& [number, epoch] : epochs_)
    for (const auto& [track_number, track] : epoch.tracks)
      for (const auto& [pos, chunk] : track.parts)
        if (out.empty() || out.back() != SegmentKey{number, pos.segment}) out.emplace_back(number, pos.segment);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

bool StreamStore::aged(const SegmentKey& key, Now now) const {
  for (const auto& [number, track] : epochs_.at(key.first).tracks)
    for (auto part = track.parts.lower_bound({key.second, 0}); part != track.parts.end(); ++part) {
      if (part->first.segment != key.second) break;
      if (part->second->arrived_mono_us() + limits_.keep_us > now.mono_us) return false;
    }
  return true;
}

std::size_t StreamStore::remove_segment(const SegmentKey& key) {
  std::size_t removed = 0;
  EpochStore& epoch = epochs_.at(key.first);
  for (auto& [number, track] : epoch.tracks) {
    auto part = track.parts.lower_bound({key.second, 0});
    while (part != track.parts.end() && part->first.segment == key.second) {
      forget(part->second);
      part = track.parts.erase(part);
      ++removed;
    }
  }
  remove_needless(epoch);
  return removed;
}

// Only where one segment alone is beyond every limit, as an endless one would be.
std::size_t StreamStore::remove_oldest_part() {
  EpochStore* in = nullptr;
  TrackStore* of = nullptr;
  for (auto& [number, epoch] : epochs_)
    for (auto& [track_number, track] : epoch.tracks)
      if (track.parts.size() > 1 && (!of || (in == &epoch && track.parts.begin()->first < of->parts.begin()->first))) {
        in = &epoch;
        of = &track;
      }
  if (!of) return 0;
  forget(of->parts.begin()->second);
  of->parts.erase(of->parts.begin());
  remove_needless(*in);
  return 1;
}

// INITs that no kept segment needs; the newest stays even in an empty track, since the next part will need it.
void StreamStore::remove_needless(EpochStore& epoch) {
  for (auto& [number, track] : epoch.tracks) {
    if (track.inits.empty()) continue;
    auto needed = std::prev(track.inits.end());
    if (!track.parts.empty()) {
      const auto later = track.inits.upper_bound(track.oldest_segment());
      needed = later == track.inits.begin() ? later : std::prev(later);
    }
    for (auto init = track.inits.begin(); init != needed; init = track.inits.erase(init)) forget(init->second);
  }
}

bool StreamStore::can_shrink() const {
  return segments().size() > segments_never_cut;
}

void StreamStore::shrink() {
  const std::vector<SegmentKey> kept = segments();
  if (kept.size() > segments_never_cut) remove_segment(kept.front());
}

std::size_t StreamStore::trim(Now now) {
  std::size_t removed = 0;
  std::vector<SegmentKey> kept = segments();
  std::size_t first = 0;
  while (kept.size() - first > segments_never_cut) {
    const bool old = kept.size() - first > limits_.min_segments && aged(kept[first], now);
    if (!old && memory_bytes_ <= limits_.memory_bytes) break;
    removed += remove_segment(kept[first++]);
  }
  while (memory_bytes_ / 2 > limits_.memory_bytes) {
    const std::size_t gone = remove_oldest_part();
    if (gone == 0) break;
    removed += gone;
  }
  // An older epoch of which nothing but INITs is left.
  while (epochs_.size() > 1) {
    EpochStore& oldest = epochs_.begin()->second;
    const bool has_parts = std::any_of(oldest.tracks.begin(), oldest.tracks.end(),
                                       [](const auto& track) { return !track.second.parts.empty(); });
    if (has_parts && epochs_.size() <= epochs_kept) break;
    for (auto& [number, track] : oldest.tracks) {
      removed += track.parts.size();
      for (auto& [pos, chunk] : track.parts) forget(chunk);
      for (auto& [segment, chunk] : track.inits) forget(chunk);
    }
    epochs_.erase(epochs_.begin());
  }
  return removed;
}

}  // namespace streamr::core
