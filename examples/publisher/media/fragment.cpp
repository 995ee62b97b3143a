#include "publisher/media/fragment.hpp"

namespace streamr::publisher {
namespace {

constexpr std::uint32_t tfhd_base_offset = 0x1, tfhd_description = 0x2, tfhd_duration = 0x8, tfhd_size = 0x10,
                        tfhd_flags = 0x20;
constexpr std::uint32_t trun_offset = 0x1, trun_first_flags = 0x4, trun_duration = 0x100, trun_size = 0x200,
                        trun_flags = 0x400, trun_cts = 0x800;
// Thirty years of media; below it no sum or conversion of times can overflow.
constexpr std::uint64_t longest_stream_s = 1'000'000'000;
constexpr std::uint32_t sample_is_non_sync = 0x10000;

struct Layout {
  ByteSpan moof;
  ByteSpan mdat;
  std::size_t mdat_start;  // offset of the mdat payload from the start of the moof
};

struct Defaults {
  std::uint32_t duration, size, flags;
};

struct Traf {
  const TrackInit* track = nullptr;
  Defaults defaults{};
  std::uint64_t dts = 0;
  std::size_t next_offset = 0;  // where a run without its own offset begins
};

bool read_tfhd(const InitSection& init, ByteSpan payload, Traf& traf) {
  FieldReader reader(payload);
  const std::uint32_t flags = reader.u32() & 0xFFFFFF;
  traf.track = init.find(reader.u32());
  // Absolute file offsets mean nothing in a live stream.
  if (!reader.ok() || traf.track == nullptr || (flags & tfhd_base_offset) != 0) return false;
  traf.defaults = {traf.track->default_duration, traf.track->default_size, traf.track->default_flags};
  if (flags & tfhd_description) reader.skip(4);
  if (flags & tfhd_duration) traf.defaults.duration = reader.u32();
  if (flags & tfhd_size) traf.defaults.size = reader.u32();
  if (flags & tfhd_flags) traf.defaults.flags = reader.u32();
  return reader.ok();
}

bool read_tfdt(ByteSpan payload, Traf& traf) {
  FieldReader reader(payload);
  const std::uint8_t version = reader.u8();
  reader.skip(3);
  traf.dts = version == 1 ? reader.u64() : reader.u32();
  return reader.ok() && traf.dts / traf.track->timescale < longest_stream_s;
}

void judge(const TrackInit& track, Sample& sample) {
  if (track.kind != TrackKind::video) return;
  const SampleLook look = look_at_sample(sample.bytes, track.coding, track.nal_length_bytes);
  sample.whole = look.whole;
  sample.key = sample.key && look.whole && look.random_access;
}

bool read_trun(ByteSpan payload, const Layout& layout, Traf& traf, std::vector<Sample>& out, std::size_t& total) {
  FieldReader reader(payload);
  const std::uint32_t flags = reader.u32() & 0xFFFFFF;
  const std::uint32_t count = reader.u32();
  if (flags & trun_offset) {
    const auto offset = static_cast<std::int32_t>(reader.u32());
    if (offset < 0) return false;
    traf.next_offset = static_cast<std::size_t>(offset);
  }
  const std::uint32_t first_flags = flags & trun_first_flags ? reader.u32() : traf.defaults.flags;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (++total > max_samples_in_fragment) return false;
    Sample sample;
    sample.dts = traf.dts;
    sample.duration = flags & trun_duration ? reader.u32() : traf.defaults.duration;
    const std::size_t size = flags & trun_size ? reader.u32() : traf.defaults.size;
    std::uint32_t sample_flags = i == 0 ? first_flags : traf.defaults.flags;
    if (flags & trun_flags) sample_flags = reader.u32();
    if (flags & trun_cts) sample.cts = static_cast<std::int32_t>(reader.u32());
    if (!reader.ok() || traf.next_offset < layout.mdat_start) return false;
    const std::size_t at = traf.next_offset - layout.mdat_start;
    if (at > layout.mdat.size() || size > layout.mdat.size() - at) return false;
    const ByteSpan bytes = layout.mdat.subspan(at, size);
    sample.bytes.assign(bytes.begin(), bytes.end());
    sample.key = (sample_flags & sample_is_non_sync) == 0;
    judge(*traf.track, sample);
    traf.next_offset += size;
    traf.dts += sample.duration;
    out.push_back(std::move(sample));
  }
  return reader.ok();
}

bool read_traf(const InitSection& init, ByteSpan payload, const Layout& layout, TrackSamples& out,
               std::size_t& total) {
  const auto tfhd = find_box(payload, fourcc("tfhd"));
  const auto tfdt = find_box(payload, fourcc("tfdt"));
  Traf traf;
  if (!tfhd || !tfdt || !read_tfhd(init, tfhd->payload, traf) || !read_tfdt(tfdt->payload, traf)) return false;
  traf.next_offset = layout.mdat_start;
  out.track_id = traf.track->id;
  BoxWalker walker(payload);
  while (const auto box = walker.next()) {
    if (box->type == fourcc("trun") && !read_trun(box->payload, layout, traf, out.samples, total)) return false;
  }
  return walker.ok();
}

}  // namespace

std::optional<std::vector<TrackSamples>> read_fragment(const InitSection& init, ByteSpan moof, ByteSpan mdat,
                                                       std::size_t mdat_header_bytes) {
  BoxHead head;
  if (read_box_head(moof, head) != HeadState::whole || head.total_bytes != moof.size()) return std::nullopt;
  const Layout layout{moof, mdat, moof.size() + mdat_header_bytes};
  std::vector<TrackSamples> tracks;
  std::size_t total = 0;
  BoxWalker walker(moof.subspan(head.header_bytes));
  while (const auto box = walker.next()) {
    if (box->type != fourcc("traf")) continue;
    TrackSamples track;
    if (tracks.size() == max_tracks || !read_traf(init, box->payload, layout, track, total)) return std::nullopt;
    tracks.push_back(std::move(track));
  }
  if (!walker.ok()) return std::nullopt;
  return tracks;
}

}  // namespace streamr::publisher
