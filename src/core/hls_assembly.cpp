#include <algorithm>

#include "core/hls_timeline.hpp"

namespace streamr::core {
namespace {

// True when the signed chain leads from `last` to `next` over nothing but INIT chunks, so that no part stood between.
bool chain_leads(const TrackStore& track, const StoredChunk& last, const StoredChunk& next) {
  Hash wanted = next.header().prev_header_hash;
  for (std::size_t steps = 0; steps <= track.inits.size(); ++steps) {
    if (wanted == last.header_hash()) return true;
    const auto init = std::find_if(track.inits.begin(), track.inits.end(),
                                   [&](const auto& entry) { return entry.second->header_hash() == wanted; });
    if (init == track.inits.end()) return false;
    wanted = init->second->header().prev_header_hash;
  }
  return false;
}

// Collects the judgement over the places of one segment.
class Assembler {
 public:
  Assembler(std::uint64_t hole_us, std::uint64_t now_mono_us) : hole_us_(hole_us), now_us_(now_mono_us) {}

  // A place whose octets are not all here, counted from when its CHUNK or the next one arrived.
  void missing_since(std::uint64_t arrived_us) {
    const std::uint64_t until = arrived_us + hole_us_;
    if (now_us_ >= until)
      out_.gap = true;
    else
      out_.wait_until_us = out_.wait_until_us == 0 ? until : std::min(out_.wait_until_us, until);
  }
  SegmentAssembly& out() { return out_; }

 private:
  std::uint64_t hole_us_;
  std::uint64_t now_us_;
  SegmentAssembly out_;
};

}  // namespace

SegmentAssembly assemble_segment(const TrackStore& track, std::uint64_t segment, std::uint64_t hole_us, bool epoch_over,
                                 std::uint64_t now_mono_us) {
  Assembler work(hole_us, now_mono_us);
  SegmentAssembly& out = work.out();
  std::uint32_t expected = 0;
  auto at = track.parts.lower_bound({segment, 0});
  for (; at != track.parts.end() && at->first.segment == segment; ++at) {
    const StoredChunk& chunk = *at->second;
    if (at->first.part > expected) work.missing_since(chunk.arrived_mono_us());
    if (chunk.header().has(proto::end)) {
      out.ended = true;
      out.none_ever = at->first.part == 0;
      return out;
    }
    out.parts.push_back(at->second);
    if (chunk.header().has(proto::gap))
      out.gap = true;
    else if (!chunk.whole())
      work.missing_since(chunk.arrived_mono_us());
    expected = std::uint32_t{at->first.part} + 1;
    out.ended = chunk.header().has(proto::last_in_segment);
  }
  if (out.ended) return out;
  if (at != track.parts.end()) {
    out.ended = true;
    if (out.parts.empty() || !chain_leads(track, *out.parts.back(), *at->second))
      work.missing_since(at->second->arrived_mono_us());
  } else if (epoch_over) {
    out.ended = true;
    out.none_ever = out.parts.empty();
  }
  return out;
}

std::optional<std::vector<ChunkPtr>> whole_segment(const TrackStore& track, std::uint64_t segment, bool epoch_over) {
  SegmentAssembly out = assemble_segment(track, segment, 1, epoch_over, 0);
  if (!out.ended || out.gap || out.wait_until_us != 0 || out.parts.empty()) return std::nullopt;
  return std::move(out.parts);
}

proto::ContentType content_type_of(const TrackStore& track) {
  if (!track.parts.empty()) return track.parts.begin()->second->header().content_type;
  if (!track.inits.empty()) return track.inits.begin()->second->header().content_type;
  return track.info.content_type;
}

void DiscontinuityCount::see(const proto::ChunkHeader& header) {
  const auto [at, fresh] = epochs_.try_emplace(header.epoch);
  Seen& seen = at->second;
  if (fresh || header.segment < seen.first_segment) seen.first_segment = header.segment;
  if (header.has(proto::discontinuity)) seen.flagged.insert(header.segment);
  while (epochs_.size() > 3) epochs_.erase(epochs_.begin());
}

bool DiscontinuityCount::flagged(std::uint64_t epoch, std::uint64_t segment) const {
  const auto at = epochs_.find(epoch);
  return at != epochs_.end() && at->second.flagged.contains(segment);
}

std::uint32_t DiscontinuityCount::number(const EpochStore& epoch, std::uint64_t segment) const {
  const auto at = epochs_.find(epoch.epoch);
  if (at == epochs_.end()) return epoch.discontinuity;
  // At the origin the number belongs to the epoch's first segment.
  const std::uint64_t known = epoch.discontinuity_segment != 0 ? epoch.discontinuity_segment : at->second.first_segment;
  const std::set<std::uint64_t>& flagged = at->second.flagged;
  const auto between = [&](std::uint64_t after, std::uint64_t up_to) {
    return static_cast<std::uint32_t>(std::distance(flagged.upper_bound(after), flagged.upper_bound(up_to)));
  };
  if (segment >= known) return epoch.discontinuity + between(known, segment);
  return epoch.discontinuity - std::min(epoch.discontinuity, between(segment, known));
}

}  // namespace streamr::core
