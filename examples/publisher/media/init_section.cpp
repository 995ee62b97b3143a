#include "publisher/media/init_section.hpp"

#include <algorithm>

namespace streamr::publisher {
namespace {

constexpr std::size_t visual_entry_bytes = 78;  // fields of a VisualSampleEntry before its own boxes

// version 1 boxes hold 64-bit times before the field that we want
std::uint32_t field_after_times(ByteSpan payload) {
  FieldReader reader(payload);
  const std::uint8_t version = reader.u8();
  reader.skip(3);
  reader.skip(version == 1 ? 16 : 8);
  const std::uint32_t value = reader.u32();
  return reader.ok() ? value : 0;
}

void read_codec_record(ByteSpan entry, TrackInit& track) {
  if (entry.size() <= visual_entry_bytes) return;
  const ByteSpan boxes = entry.subspan(visual_entry_bytes);
  if (const auto avc = find_box(boxes, fourcc("avcC")); avc && avc->payload.size() > 4) {
    track.coding = VideoCoding::h264;
    track.nal_length_bytes = static_cast<std::uint8_t>((avc->payload[4] & 3u) + 1u);
  } else if (const auto hevc = find_box(boxes, fourcc("hvcC")); hevc && hevc->payload.size() > 21) {
    track.coding = VideoCoding::h265;
    track.nal_length_bytes = static_cast<std::uint8_t>((hevc->payload[21] & 3u) + 1u);
  }
}

void read_sample_entry(ByteSpan minf, TrackInit& track) {
  const auto stbl = find_box(minf, fourcc("stbl"));
  const auto stsd = stbl ? find_box(stbl->payload, fourcc("stsd")) : std::nullopt;
  if (!stsd || stsd->payload.size() < 8) return;
  BoxWalker entries(stsd->payload.subspan(8));
  const auto entry = entries.next();
  if (!entry) return;
  track.sample_entry = entry->type;
  if (track.kind == TrackKind::video) read_codec_record(entry->payload, track);
}

TrackKind read_kind(ByteSpan hdlr) {
  FieldReader reader(hdlr);
  reader.skip(8);
  const std::uint32_t handler = reader.u32();
  if (handler == fourcc("vide")) return TrackKind::video;
  return handler == fourcc("soun") ? TrackKind::audio : TrackKind::other;
}

std::optional<TrackInit> read_trak(ByteSpan trak) {
  const auto tkhd = find_box(trak, fourcc("tkhd"));
  const auto mdia = find_box(trak, fourcc("mdia"));
  if (!tkhd || !mdia) return std::nullopt;
  const auto mdhd = find_box(mdia->payload, fourcc("mdhd"));
  const auto hdlr = find_box(mdia->payload, fourcc("hdlr"));
  const auto minf = find_box(mdia->payload, fourcc("minf"));
  if (!mdhd || !hdlr || !minf) return std::nullopt;
  TrackInit track;
  track.id = field_after_times(tkhd->payload);
  track.timescale = field_after_times(mdhd->payload);
  track.kind = read_kind(hdlr->payload);
  if (track.id == 0 || track.timescale == 0) return std::nullopt;
  read_sample_entry(minf->payload, track);
  return track;
}

void read_trex(ByteSpan payload, std::vector<TrackInit>& tracks) {
  FieldReader reader(payload);
  reader.skip(4);
  const std::uint32_t id = reader.u32();
  reader.skip(4);
  const std::uint32_t duration = reader.u32(), size = reader.u32(), flags = reader.u32();
  if (!reader.ok()) return;
  for (TrackInit& track : tracks) {
    if (track.id != id) continue;
    track.default_duration = duration;
    track.default_size = size;
    track.default_flags = flags;
  }
}

}  // namespace

const TrackInit* InitSection::find(std::uint32_t id) const {
  const auto found = std::ranges::find(tracks, id, &TrackInit::id);
  return found == tracks.end() ? nullptr : &*found;
}

const TrackInit* InitSection::lead() const {
  for (const TrackKind kind : {TrackKind::video, TrackKind::audio}) {
    const auto found = std::ranges::find(tracks, kind, &TrackInit::kind);
    if (found != tracks.end()) return &*found;
  }
  return nullptr;
}

std::optional<std::vector<TrackInit>> read_moov(ByteSpan moov) {
  std::vector<TrackInit> tracks;
  BoxWalker walker(moov);
  std::optional<Box> mvex;
  while (const auto box = walker.next()) {
    if (box->type == fourcc("mvex")) mvex = box;
    if (box->type != fourcc("trak")) continue;
    const auto track = read_trak(box->payload);
    if (!track || tracks.size() == max_tracks) return std::nullopt;
    if (std::ranges::find(tracks, track->id, &TrackInit::id) != tracks.end()) return std::nullopt;
    tracks.push_back(*track);
  }
  if (!walker.ok() || tracks.empty() || !mvex) return std::nullopt;
  BoxWalker defaults(mvex->payload);
  while (const auto box = defaults.next()) {
    if (box->type == fourcc("trex")) read_trex(box->payload, tracks);
  }
  return tracks;
}

}  // namespace streamr::publisher
