#include "publisher/media/part_writer.hpp"

#include <algorithm>

namespace streamr::publisher {
namespace {

constexpr std::uint32_t default_base_is_moof = 0x020000;
constexpr std::uint32_t flags_sync = 0x02000000;      // depends on no other sample
constexpr std::uint32_t flags_non_sync = 0x01010000;  // depends on others, is no sync sample

std::uint32_t flags_of(const PartTrack& track, const Sample& sample) {
  return track.kind != TrackKind::video || sample.key ? flags_sync : flags_non_sync;
}

// What all samples share stands once in tfhd instead of once per sample in trun.
struct Shared {
  bool duration = true, flags = true, cts_zero = true;
};

Shared shared_by(const PartTrack& track) {
  Shared shared;
  const Sample& first = track.samples.front();
  for (const Sample& sample : track.samples) {
    shared.duration &= sample.duration == first.duration;
    shared.flags &= flags_of(track, sample) == flags_of(track, first);
    shared.cts_zero &= sample.cts == 0;
  }
  return shared;
}

// Writes one traf and gives back where the data offset of its run has to be filled in.
std::size_t write_traf(BoxWriter& out, const PartTrack& track) {
  const Shared shared = shared_by(track);
  const Sample& first = track.samples.front();
  const std::size_t traf = out.begin(fourcc("traf"));

  const std::uint32_t head_flags =
      default_base_is_moof | (shared.duration ? 0x08u : 0u) | (shared.flags ? 0x20u : 0u);
  const std::size_t tfhd = out.begin_full(fourcc("tfhd"), 0, head_flags);
  out.u32(track.track_id);
  if (shared.duration) out.u32(first.duration);
  if (shared.flags) out.u32(flags_of(track, first));
  out.end(tfhd);

  const std::size_t tfdt = out.begin_full(fourcc("tfdt"), 1, 0);
  out.u64(first.dts);
  out.end(tfdt);

  const std::uint32_t run_flags = 0x201u | (shared.duration ? 0u : 0x100u) | (shared.flags ? 0u : 0x400u) |
                                   (shared.cts_zero ? 0u : 0x800u);
  const std::size_t trun = out.begin_full(fourcc("trun"), 1, run_flags);
  out.u32(static_cast<std::uint32_t>(track.samples.size()));
  const std::size_t offset_at = out.size();
  out.u32(0);
  for (const Sample& sample : track.samples) {
    if (!shared.duration) out.u32(sample.duration);
    out.u32(static_cast<std::uint32_t>(sample.bytes.size()));
    if (!shared.flags) out.u32(flags_of(track, sample));
    if (!shared.cts_zero) out.u32(static_cast<std::uint32_t>(sample.cts));
  }
  out.end(trun);
  out.end(traf);
  return offset_at;
}

}  // namespace

Bytes write_part(std::uint32_t sequence, const std::vector<PartTrack>& tracks) {
  std::size_t media_bytes = 0, samples = 0;
  for (const PartTrack& track : tracks) {
    samples += track.samples.size();
    for (const Sample& sample : track.samples) media_bytes += sample.bytes.size();
  }
  Bytes bytes;
  bytes.reserve(media_bytes + 16 * samples + 128 * tracks.size() + 64);
  BoxWriter out(bytes);
  const std::size_t moof = out.begin(fourcc("moof"));
  const std::size_t mfhd = out.begin_full(fourcc("mfhd"), 0, 0);
  out.u32(sequence);
  out.end(mfhd);
  std::vector<std::size_t> offsets;
  for (const PartTrack& track : tracks) {
    if (!track.samples.empty()) offsets.push_back(write_traf(out, track));
  }
  out.end(moof);

  const std::size_t mdat = out.begin(fourcc("mdat"));
  auto offset = offsets.begin();
  for (const PartTrack& track : tracks) {
    if (track.samples.empty()) continue;
    out.patch_u32(*offset++, static_cast<std::uint32_t>(out.size() - moof));
    for (const Sample& sample : track.samples) out.bytes(sample.bytes);
  }
  out.end(mdat);
  return bytes;
}

}  // namespace streamr::publisher
