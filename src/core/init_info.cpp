#include "core/init_info.hpp"

#include <algorithm>
#include <optional>

namespace streamr::core {
namespace {

constexpr std::size_t max_tracks = 16;
constexpr int max_boxes = 256;  // in one container; real sections hold under 20
constexpr std::size_t visual_entry_bytes = 78;
constexpr std::size_t audio_entry_bytes = 28;

struct Box {
  std::string type;
  ByteView contents;
};

// Takes the next box of a container; nothing at its end or where the length does not fit.
std::optional<Box> take_box(ByteView& bytes) {
  if (bytes.size() < 8) return std::nullopt;
  std::uint64_t size = load_u32(bytes.data());
  std::size_t head = 8;
  if (size == 1) {
    if (bytes.size() < 16) return std::nullopt;
    size = load_u64(bytes.data() + 8);
    head = 16;
  } else if (size == 0) {
    size = bytes.size();
  }
  if (size < head || size > bytes.size()) return std::nullopt;
  Box box{std::string(bytes.begin() + 4, bytes.begin() + 8),
          bytes.subspan(head, static_cast<std::size_t>(size) - head)};
  bytes = bytes.subspan(static_cast<std::size_t>(size));
  return box;
}

std::vector<Box> boxes_of(ByteView container) {
  std::vector<Box> out;
  for (int i = 0; i < max_boxes; ++i) {
    auto box = take_box(container);
    if (!box) break;
    out.push_back(std::move(*box));
  }
  return out;
}

std::optional<ByteView> find_box(ByteView container, std::string_view type) {
  for (int i = 0; i < max_boxes; ++i) {
    const auto box = take_box(container);
    if (!box) return std::nullopt;
    if (box->type == type) return box->contents;
  }
  return std::nullopt;
}

std::optional<ByteView> find_path(ByteView container, std::initializer_list<std::string_view> path) {
  std::optional<ByteView> at = container;
  for (const std::string_view type : path) {
    at = find_box(*at, type);
    if (!at) return std::nullopt;
  }
  return at;
}

// The printable name of a sample entry; a control character would break the playlist that shows it.
std::string entry_name(const std::string& type) {
  const bool printable = std::all_of(type.begin(), type.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  });
  return printable ? type : std::string{};
}

std::string video_codec(const Box& entry, ByteView children) {
  std::string codec;
  if (entry.type == "avc1" || entry.type == "avc3") {
    if (const auto c = find_box(children, "avcC")) codec = avc_codec(entry.type, *c);
  } else if (entry.type == "hvc1" || entry.type == "hev1") {
    if (const auto c = find_box(children, "hvcC")) codec = hevc_codec(entry.type, *c);
  } else if (entry.type == "av01") {
    if (const auto c = find_box(children, "av1C")) codec = av1_codec(*c);
  } else if (entry.type == "vp09") {
    if (const auto c = find_box(children, "vpcC")) codec = vp9_codec(*c);
  }
  return codec.empty() ? entry_name(entry.type) : codec;
}

void read_video_entry(const Box& entry, InitTrack& track) {
  track.kind = InitTrackKind::video;
  if (entry.contents.size() < visual_entry_bytes) return;
  track.width = load_u16(entry.contents.data() + 24);
  track.height = load_u16(entry.contents.data() + 26);
  const ByteView children = entry.contents.subspan(visual_entry_bytes);
  track.codec = video_codec(entry, children);
  if (const auto avc = find_box(children, "avcC")) track.milli_fps = avc_milli_fps(*avc);
}

void read_audio_entry(const Box& entry, InitTrack& track) {
  track.kind = InitTrackKind::audio;
  track.codec = entry_name(entry.type);
  if (entry.contents.size() < audio_entry_bytes) return;
  track.channels = load_u16(entry.contents.data() + 16);
  if (entry.type != "mp4a") return;
  // QuickTime's versions 1 and 2 of the entry are longer.
  const unsigned version = load_u16(entry.contents.data() + 8);
  const std::size_t head = audio_entry_bytes + (version == 1 ? 16 : version == 2 ? 36 : 0);
  if (entry.contents.size() < head) return;
  const auto esds = find_box(entry.contents.subspan(head), "esds");
  const std::string codec = esds ? mpeg4_audio_codec(*esds) : std::string{};
  track.codec = codec.empty() ? "mp4a.40.2" : codec;
}

std::optional<InitTrack> read_track(ByteView trak) {
  const auto handler = find_path(trak, {"mdia", "hdlr"});
  const auto descriptions = find_path(trak, {"mdia", "minf", "stbl", "stsd"});
  if (!handler || handler->size() < 12 || !descriptions || descriptions->size() < 8) return std::nullopt;
  const std::string kind(handler->begin() + 8, handler->begin() + 12);
  ByteView entries = descriptions->subspan(8);
  const auto entry = take_box(entries);
  if (!entry) return std::nullopt;
  InitTrack track;
  if (kind == "vide")
    read_video_entry(*entry, track);
  else if (kind == "soun")
    read_audio_entry(*entry, track);
  else
    track.codec = entry_name(entry->type);
  return track;
}

}  // namespace

std::string InitInfo::codecs() const {
  std::string out;
  std::vector<std::string_view> listed;
  for (const InitTrack& track : tracks) {
    if (track.codec.empty() || std::find(listed.begin(), listed.end(), track.codec) != listed.end()) continue;
    listed.push_back(track.codec);
    if (!out.empty()) out += ',';
    out += track.codec;
  }
  return out;
}

const InitTrack* InitInfo::first(InitTrackKind kind) const {
  for (const InitTrack& track : tracks)
    if (track.kind == kind) return &track;
  return nullptr;
}

Result<InitInfo> parse_init_info(ByteView init_section) {
  const auto moov = find_box(init_section, "moov");
  if (!moov) return fail(STREAMR_E_MALFORMED, "expected an MP4 init section with a moov box, none was found");
  InitInfo info;
  for (const Box& box : boxes_of(*moov)) {
    if (box.type != "trak" || info.tracks.size() == max_tracks) continue;
    if (auto track = read_track(box.contents)) info.tracks.push_back(std::move(*track));
  }
  if (info.tracks.empty())
    return fail(STREAMR_E_MALFORMED, "expected a track in the moov box of the init section, none could be read");
  return info;
}

}  // namespace streamr::core
