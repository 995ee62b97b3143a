// Decides: how tests make init sections and samples without an encoder.
// Never: more than what the readers look at.
// Called by: mp4_test, packager_test.
#pragma once

#include <utility>

#include "publisher/media/packager.hpp"

namespace streamr::publisher {

inline constexpr std::uint32_t video_id = 1, audio_id = 2;
inline constexpr std::uint32_t video_scale = 90'000, audio_scale = 48'000;

// A length-prefixed H.264 unit: an IDR (5) or an ordinary slice (1).
inline Bytes h264_sample(bool key, std::size_t size = 40) {
  Bytes bytes;
  BoxWriter out(bytes);
  out.u32(static_cast<std::uint32_t>(size));
  out.u8(key ? 0x65 : 0x41);
  bytes.resize(4 + size, 0x55);
  return bytes;
}

inline void add_trak(BoxWriter& out, std::uint32_t id, std::uint32_t scale, std::uint32_t handler) {
  const auto trak = out.begin(fourcc("trak"));
  const auto tkhd = out.begin_full(fourcc("tkhd"), 0, 7);
  out.u64(0);
  out.u32(id);
  out.end(tkhd);
  const auto mdia = out.begin(fourcc("mdia"));
  const auto mdhd = out.begin_full(fourcc("mdhd"), 0, 0);
  out.u64(0);
  out.u32(scale);
  out.u32(0);
  out.end(mdhd);
  const auto hdlr = out.begin_full(fourcc("hdlr"), 0, 0);
  out.u32(0);
  out.u32(handler);
  out.end(hdlr);
  const auto minf = out.begin(fourcc("minf"));
  const auto stbl = out.begin(fourcc("stbl"));
  const auto stsd = out.begin_full(fourcc("stsd"), 0, 0);
  out.u32(1);
  const bool video = handler == fourcc("vide");
  const auto entry = out.begin(video ? fourcc("avc1") : fourcc("mp4a"));
  if (video) {
    for (int i = 0; i < 78; ++i) out.u8(0);
    const auto avcc = out.begin(fourcc("avcC"));
    out.bytes(Bytes{1, 66, 0, 30, 0xFF, 0xE0, 0});
    out.end(avcc);
  }
  for (const auto box : {entry, stsd, stbl, minf, mdia, trak}) out.end(box);
}

// The payload of a moov with the tracks asked for.
inline Bytes moov_payload(bool video, bool audio) {
  Bytes bytes;
  BoxWriter out(bytes);
  if (video) add_trak(out, video_id, video_scale, fourcc("vide"));
  if (audio) add_trak(out, audio_id, audio_scale, fourcc("soun"));
  const auto mvex = out.begin(fourcc("mvex"));
  for (const std::uint32_t id : {video_id, audio_id}) {
    const auto trex = out.begin_full(fourcc("trex"), 0, 0);
    for (const std::uint32_t value : {id, 1u, 0u, 0u, 0u}) out.u32(value);
    out.end(trex);
  }
  out.end(mvex);
  return bytes;
}

inline std::shared_ptr<const InitSection> make_init(bool video, bool audio) {
  auto init = std::make_shared<InitSection>();
  init->tracks = read_moov(moov_payload(video, audio)).value();
  init->bytes = moov_payload(video, audio);
  return init;
}

// A camera and a microphone that speak to a packager frame by frame.
class FakeSource {
 public:
  explicit FakeSource(Packager& packager) : packager_(packager) {}

  std::uint32_t frame_ticks = 3000;  // 30 a second
  std::uint32_t gop_frames = 60;
  bool with_audio = true;
  std::uint64_t frame = 0;

  void begin() { packager_.on_init(make_init(true, with_audio)); }
  Sample next_frame() const {
    Sample sample;
    sample.dts = frame * frame_ticks + shift_ticks;
    sample.duration = frame_ticks;
    sample.key = frame % gop_frames == 0;
    sample.bytes = h264_sample(sample.key);
    return sample;
  }
  void give(Sample sample) {
    std::vector<TrackSamples> tracks(1);
    tracks[0].track_id = video_id;
    const std::uint64_t end_ticks = sample.dts + sample.duration;
    tracks[0].samples.push_back(std::move(sample));
    if (with_audio) {
      TrackSamples sound{audio_id, {}};
      while (audio_dts * video_scale < end_ticks * audio_scale) {
        sound.samples.push_back({audio_dts, 1024, 0, true, true, Bytes(20, 0x11)});
        audio_dts += 1024;
      }
      tracks.push_back(std::move(sound));
    }
    packager_.on_samples(std::move(tracks));
    ++frame;
  }
  void run(std::uint64_t frames) {
    for (std::uint64_t i = 0; i < frames; ++i) give(next_frame());
  }
  std::uint64_t shift_ticks = 0;
  std::uint64_t audio_dts = 0;

 private:
  Packager& packager_;
};

struct Published {
  std::vector<EpochBegin> epochs;
  std::vector<MediaPart> parts;
  std::vector<std::size_t> epoch_starts;  // index of the first part of each epoch
  std::vector<std::string> refusals;

  void take(Packager& packager) {
    while (auto event = packager.poll()) {
      if (auto* begin = std::get_if<EpochBegin>(&*event)) {
        epoch_starts.push_back(parts.size());
        epochs.push_back(std::move(*begin));
      } else if (auto* part = std::get_if<MediaPart>(&*event)) {
        parts.push_back(std::move(*part));
      } else {
        refusals.push_back(std::get<SourceRefused>(*event).sentence);
      }
    }
  }
};

}  // namespace streamr::publisher
