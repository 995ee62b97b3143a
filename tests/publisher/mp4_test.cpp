#include <doctest/doctest.h>

#include <algorithm>

#include "media_fixtures.hpp"
#include "publisher/media/mp4_reader.hpp"

using namespace streamr::publisher;

namespace {

Bytes boxed(std::uint32_t type, ByteSpan payload) {
  Bytes bytes;
  BoxWriter out(bytes);
  const auto box = out.begin(type);
  out.bytes(payload);
  out.end(box);
  return bytes;
}

PartTrack video_track(std::uint64_t dts, std::size_t frames) {
  PartTrack track{video_id, TrackKind::video, {}};
  for (std::size_t i = 0; i < frames; ++i) {
    track.samples.push_back({dts + i * 3000, 3000, i % 2 ? -3000 : 6000, i == 0, true, h264_sample(i == 0, 30 + i)});
  }
  return track;
}

PartTrack audio_track(std::uint64_t dts, std::size_t frames) {
  PartTrack track{audio_id, TrackKind::audio, {}};
  for (std::size_t i = 0; i < frames; ++i) track.samples.push_back({dts + i * 1024, 1024, 0, true, true, Bytes(10 + i, 9)});
  return track;
}

Bytes small_file() {
  Bytes bytes = boxed(fourcc("ftyp"), Bytes{'i', 's', 'o', '6'});
  const Bytes moov = boxed(fourcc("moov"), moov_payload(true, true));
  const Bytes part = write_part(1, {video_track(9000, 4), audio_track(4800, 3)});
  bytes.insert(bytes.end(), moov.begin(), moov.end());
  bytes.insert(bytes.end(), part.begin(), part.end());
  return bytes;
}

// Reads to the end; gives back how many fragments were whole.
std::size_t fragments_in(ByteSpan bytes, std::size_t step) {
  Mp4Reader reader;
  std::size_t found = 0;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    if (!reader.feed(bytes.subspan(at, std::min(step, bytes.size() - at)))) return found;
    while (const auto item = reader.poll()) found += std::holds_alternative<std::vector<TrackSamples>>(*item);
  }
  return found;
}

}  // namespace

TEST_CASE("what the part writer writes the reader reads back, sample by sample") {
  const Bytes bytes = small_file();
  Mp4Reader reader;
  REQUIRE(reader.feed(bytes));
  const auto init = reader.poll();
  REQUIRE(init);
  const auto& section = *std::get<std::shared_ptr<const InitSection>>(*init);
  CHECK(section.bytes == Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(section.bytes.size())));
  REQUIRE(section.tracks.size() == 2);
  CHECK(section.lead()->id == video_id);
  CHECK(section.lead()->coding == VideoCoding::h264);

  const auto item = reader.poll();
  REQUIRE(item);
  const auto& tracks = std::get<std::vector<TrackSamples>>(*item);
  REQUIRE(tracks.size() == 2);
  const PartTrack video = video_track(9000, 4), audio = audio_track(4800, 3);
  for (std::size_t t = 0; t < 2; ++t) {
    const PartTrack& sent = t == 0 ? video : audio;
    REQUIRE(tracks[t].samples.size() == sent.samples.size());
    for (std::size_t i = 0; i < sent.samples.size(); ++i) {
      CHECK(tracks[t].samples[i].dts == sent.samples[i].dts);
      CHECK(tracks[t].samples[i].duration == sent.samples[i].duration);
      CHECK(tracks[t].samples[i].cts == sent.samples[i].cts);
      CHECK(tracks[t].samples[i].key == sent.samples[i].key);
      CHECK(tracks[t].samples[i].bytes == sent.samples[i].bytes);
    }
  }
}

TEST_CASE("the reader does not care how the bytes are cut") {
  const Bytes bytes = small_file();
  for (const std::size_t step : {1, 7, 100, 100'000}) CHECK(fragments_in(bytes, step) == 1);
}

TEST_CASE("decode times over 32 bits survive") {
  const Bytes part = write_part(7, {video_track(0x123456789AULL, 2)});
  Bytes bytes = boxed(fourcc("moov"), moov_payload(true, false));
  bytes.insert(bytes.end(), part.begin(), part.end());
  Mp4Reader reader;
  REQUIRE(reader.feed(bytes));
  reader.poll();
  CHECK(std::get<std::vector<TrackSamples>>(*reader.poll())[0].samples[0].dts == 0x123456789AULL);
}

TEST_CASE("a flag that calls an ordinary slice a key frame is not believed") {
  PartTrack liar{video_id, TrackKind::video, {{0, 3000, 0, true, true, h264_sample(false)}}};
  Bytes bytes = boxed(fourcc("moov"), moov_payload(true, false));
  const Bytes part = write_part(1, {liar});
  bytes.insert(bytes.end(), part.begin(), part.end());
  Mp4Reader reader;
  REQUIRE(reader.feed(bytes));
  reader.poll();
  const auto item = reader.poll();
  const Sample& sample = std::get<std::vector<TrackSamples>>(*item)[0].samples[0];
  CHECK_FALSE(sample.key);
  CHECK(sample.whole);
}

TEST_CASE("a sample whose unit lengths do not add up is called damaged") {
  Bytes broken = h264_sample(true);
  broken[3] = 200;
  CHECK_FALSE(look_at_sample(broken, VideoCoding::h264, 4).whole);
  CHECK_FALSE(look_at_sample(Bytes{0, 0}, VideoCoding::h264, 4).whole);
  CHECK_FALSE(look_at_sample(Bytes{}, VideoCoding::h264, 4).whole);
  CHECK(look_at_sample(h264_sample(true), VideoCoding::h264, 4).random_access);
}

TEST_CASE("entries of H.265 and recovery points of H.264 count as key frames") {
  const Bytes idr = {0, 0, 0, 2, 19 << 1, 1}, trail = {0, 0, 0, 2, 1 << 1, 1};
  CHECK(look_at_sample(idr, VideoCoding::h265, 4).random_access);
  CHECK_FALSE(look_at_sample(trail, VideoCoding::h265, 4).random_access);
  const Bytes recovery = {0, 0, 0, 3, 6, 6, 1, 0, 0, 0, 2, 0x41, 0};
  CHECK(look_at_sample(recovery, VideoCoding::h264, 4).random_access);
}

TEST_CASE("a box shorter than its header ends the reading with a reason") {
  Mp4Reader reader;
  CHECK_FALSE(reader.feed(Bytes{0, 0, 0, 4, 'm', 'o', 'o', 'v'}));
  CHECK_FALSE(reader.failure().empty());
}

TEST_CASE("a box that claims more than the limit is refused before its bytes come") {
  for (const auto& type : {"moov", "moof", "mdat", "free"}) {
    Bytes head = {0x7F, 0xFF, 0xFF, 0xFF};
    head.insert(head.end(), type, type + 4);
    Mp4Reader reader;
    CHECK_FALSE(reader.feed(head));
  }
  Mp4Reader wide;
  CHECK_FALSE(wide.feed(Bytes{0, 0, 0, 1, 'm', 'd', 'a', 't', 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}));
}

TEST_CASE("a fragment that contradicts itself costs only itself") {
  Bytes bytes = small_file();
  const std::size_t good = bytes.size();
  Bytes bad = write_part(2, {video_track(30'000, 3)});
  bad.resize(bad.size() - 10);  // the media is ten octets short of what the header says
  const std::size_t mdat_at = [&] {
    BoxHead head;
    read_box_head(bad, head);
    return static_cast<std::size_t>(head.total_bytes);
  }();
  BoxWriter(bad).patch_u32(mdat_at, static_cast<std::uint32_t>(bad.size() - mdat_at));
  bytes.insert(bytes.end(), bad.begin(), bad.end());
  const Bytes after = write_part(3, {video_track(60'000, 3)});
  bytes.insert(bytes.end(), after.begin(), after.end());
  Mp4Reader reader;
  REQUIRE(reader.feed(bytes));
  std::size_t whole = 0, refused = 0;
  while (const auto item = reader.poll()) {
    whole += std::holds_alternative<std::vector<TrackSamples>>(*item);
    refused += std::holds_alternative<BadFragment>(*item);
  }
  CHECK(good > 0);
  CHECK(whole == 2);
  CHECK(refused == 1);
}

TEST_CASE("media without an init section or without a fragment header is skipped") {
  const Bytes part = write_part(1, {video_track(0, 1)});
  Mp4Reader reader;
  REQUIRE(reader.feed(part));
  REQUIRE(reader.feed(boxed(fourcc("mdat"), Bytes{1, 2, 3})));
  CHECK(std::holds_alternative<BadFragment>(*reader.poll()));
  CHECK(std::holds_alternative<BadFragment>(*reader.poll()));
}

TEST_CASE("an init section without fragments, timescale or tracks is refused") {
  const Bytes whole = moov_payload(true, true);
  for (const Bytes& moov : {Bytes{}, Bytes(whole.begin(), whole.end() - 20)}) {
    Mp4Reader reader;
    CHECK_FALSE(reader.feed(boxed(fourcc("moov"), moov)));
  }
}

TEST_CASE("no single changed octet of a file makes the reader do more than refuse") {
  const Bytes bytes = small_file();
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const std::uint8_t value : Bytes{0x00, 0x01, 0x7F, 0xFF}) {
      Bytes changed = bytes;
      changed[at] = value;
      CHECK(fragments_in(changed, changed.size()) <= 1);
    }
  }
}
