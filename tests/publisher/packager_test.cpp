#include <doctest/doctest.h>

#include <algorithm>

#include "media_fixtures.hpp"
#include "publisher/media/mp4_reader.hpp"

using namespace streamr::publisher;

namespace {

// Everything that protocol §5 asks of parts and segments of one epoch.
void check_rules(const Published& out) {
  REQUIRE(out.epochs.size() == 1);
  const EpochPlan& plan = out.epochs[0].plan;
  std::uint64_t segment_us = 0, next_us = out.parts.empty() ? 0 : out.parts[0].media_time_us;
  bool first_of_segment = true;
  for (std::size_t i = 0; i < out.parts.size(); ++i) {
    CAPTURE(i);
    const MediaPart& part = out.parts[i];
    CHECK(part.media_time_us == next_us);
    next_us = part.media_time_us + part.duration_us;
    CHECK(part.duration_us <= plan.part_target_us);
    if (first_of_segment) CHECK(part.independent);
    const bool before_independent = i + 1 < out.parts.size() && out.parts[i + 1].independent;
    if (!part.last_in_segment && !before_independent) CHECK(part.duration_us * 100ull >= plan.part_target_us * 85ull);
    segment_us += part.duration_us;
    first_of_segment = part.last_in_segment;
    if (part.last_in_segment) {
      CHECK(segment_us <= plan.target_duration_s * 1'000'000ull + 500'000);
      segment_us = 0;
    }
  }
  if (!out.parts.empty()) CHECK(out.parts.back().last_in_segment);
}

Published publish(std::uint32_t gop_frames, std::uint64_t frames, std::uint32_t frame_ticks = 3000, bool audio = true) {
  Packager packager;
  FakeSource source(packager);
  source.gop_frames = gop_frames;
  source.frame_ticks = frame_ticks;
  source.with_audio = audio;
  source.begin();
  Published out;
  for (std::uint64_t i = 0; i < frames; ++i) {
    source.run(1);
    out.take(packager);
  }
  packager.finish();
  out.take(packager);
  return out;
}

std::vector<std::size_t> parts_in_segments(const Published& out) {
  std::vector<std::size_t> counts;
  std::size_t count = 0;
  for (const MediaPart& part : out.parts) {
    ++count;
    if (part.last_in_segment) counts.push_back(std::exchange(count, 0));
  }
  return counts;
}

}  // namespace

TEST_CASE("key frames every two seconds give segments of four parts of half a second") {
  const Published out = publish(60, 600);
  check_rules(out);
  CHECK(out.epochs[0].plan.target_duration_s == 2);
  CHECK(out.epochs[0].plan.part_target_us == 500'000);
  CHECK(parts_in_segments(out) == std::vector<std::size_t>(10, 4));
  for (const MediaPart& part : out.parts) CHECK(part.duration_us == 500'000);
}

TEST_CASE("key frames every second are two to a segment, and each opens an independent part") {
  const Published out = publish(30, 600);
  check_rules(out);
  CHECK(out.epochs[0].plan.target_duration_s == 2);
  CHECK(parts_in_segments(out) == std::vector<std::size_t>(10, 4));
  for (std::size_t i = 0; i < out.parts.size(); ++i) CHECK(out.parts[i].independent == (i % 2 == 0));
}

TEST_CASE("key frames every four seconds raise the target duration") {
  const Published out = publish(120, 600);
  check_rules(out);
  CHECK(out.epochs[0].plan.target_duration_s == 4);
  CHECK_FALSE(out.epochs[0].plan.warning.empty());
  CHECK(parts_in_segments(out) == std::vector<std::size_t>(5, 8));
}

TEST_CASE("the default of OBS, a key frame in 8.3 seconds, is published with a target of nine") {
  const Published out = publish(250, 1000);
  check_rules(out);
  CHECK(out.epochs[0].plan.target_duration_s == 9);
  CHECK(out.epochs[0].plan.warning.find("8.3 s") != std::string::npos);
}

TEST_CASE("key frames twelve seconds apart are refused with the sentence that tells what to set") {
  const Published out = publish(360, 600);
  CHECK(out.epochs.empty());
  CHECK(out.parts.empty());
  REQUIRE(out.refusals.size() == 1);
  CHECK(out.refusals[0].find("more than 10 s apart") != std::string::npos);
  CHECK(out.refusals[0].find("Keyframe Interval") != std::string::npos);
}

TEST_CASE("odd frame rates and distances keep every rule") {
  for (const std::uint32_t frame_ticks : {1500u, 1800u, 3003u, 3600u, 3754u, 12'000u, 18'000u, 90'000u}) {
    for (const std::uint64_t gop_ms : {500, 1000, 1500, 2000, 3300}) {
      const std::uint64_t gop = std::max<std::uint64_t>(1, gop_ms * 90 / frame_ticks);
      CAPTURE(frame_ticks);
      CAPTURE(gop);
      check_rules(publish(static_cast<std::uint32_t>(gop), 12ull * 90'000 / frame_ticks, frame_ticks));
    }
  }
}

TEST_CASE("where every frame is a key frame parts stay half a second long") {
  const Published out = publish(1, 300);
  check_rules(out);
  CHECK(parts_in_segments(out) == std::vector<std::size_t>(5, 4));
}

TEST_CASE("frames before the first key frame are dropped, nothing after it is") {
  Packager packager;
  FakeSource source(packager);
  source.begin();
  source.frame = 47;  // joins 13 frames before a key frame
  source.audio_dts = 47 * 1600;
  source.run(13 + 60 * 3);
  packager.finish();
  Published out;
  out.take(packager);
  check_rules(out);
  REQUIRE_FALSE(out.parts.empty());
  CHECK(out.parts[0].media_time_us == 2'000'000);
  CHECK(out.parts.size() == 12);
  CHECK(packager.samples_skipped() == 13);
}

TEST_CASE("nothing that was measured is lost, and capture times reach back to when it arrived") {
  Packager packager;
  packager.on_arrival_offset(1'700'000'000'000'000);
  FakeSource source(packager);
  source.begin();
  source.run(60);
  Published out;
  out.take(packager);
  CHECK(out.epochs.empty());
  source.run(1);
  out.take(packager);
  REQUIRE(out.epochs.size() == 1);
  CHECK(out.epochs[0].media_time_us == 0);
  REQUIRE_FALSE(out.parts.empty());
  CHECK(out.parts[0].capture_time_us == 1'700'000'000'000'000);
  CHECK(out.parts[1].capture_time_us == 1'700'000'000'500'000);
}

TEST_CASE("sound goes into the part whose time it belongs to") {
  const Published out = publish(60, 300);
  Mp4Reader reader;
  Bytes file;
  BoxWriter writer(file);
  const auto moov = writer.begin(fourcc("moov"));
  writer.bytes(moov_payload(true, true));
  writer.end(moov);
  for (const MediaPart& part : out.parts) writer.bytes(part.bytes);
  REQUIRE(reader.feed(file));
  std::size_t i = 0, sounds = 0;
  while (const auto item = reader.poll()) {
    const auto* tracks = std::get_if<std::vector<TrackSamples>>(&*item);
    if (tracks == nullptr) continue;
    REQUIRE(tracks->size() == 2);
    const MediaPart& part = out.parts[i++];
    for (const Sample& sample : (*tracks)[1].samples) {
      const std::uint64_t us = sample.dts * 1'000'000 / audio_scale;
      CHECK(us >= part.media_time_us);
      if (i < out.parts.size()) CHECK(us < part.media_time_us + part.duration_us);
      ++sounds;
    }
    CHECK((*tracks)[0].samples.size() == 15);
  }
  CHECK(i == out.parts.size());
  CHECK(sounds == 469);
}

TEST_CASE("video does not wait for sound that has stopped") {
  Packager packager;
  FakeSource source(packager);
  source.begin();
  source.run(150);
  Published out;
  out.take(packager);
  const std::size_t before = out.parts.size();
  source.with_audio = false;
  source.run(150);
  out.take(packager);
  CHECK(out.parts.size() >= before + 9);
}

TEST_CASE("sound alone is cut into independent parts of at most half a second") {
  Packager packager;
  packager.on_init(make_init(false, true));
  Published out;
  for (std::uint64_t i = 0; i < 600; ++i) {
    std::vector<TrackSamples> tracks(1);
    tracks[0].track_id = audio_id;
    tracks[0].samples.push_back({i * 1024, 1024, 0, true, true, Bytes(30, 1)});
    packager.on_samples(std::move(tracks));
    out.take(packager);
  }
  packager.finish();
  out.take(packager);
  check_rules(out);
  for (const MediaPart& part : out.parts) CHECK(part.independent);
  CHECK(out.parts[0].duration_us == 490'666);  // 23 frames of 1024 at 48 kHz
  CHECK(parts_in_segments(out)[0] == 4);
}

TEST_CASE("a damaged frame is left out and the stream goes on") {
  Packager packager;
  FakeSource source(packager);
  source.begin();
  source.run(100);
  Sample bad = source.next_frame();
  bad.whole = false;
  source.give(std::move(bad));
  source.run(139);
  packager.finish();
  Published out;
  out.take(packager);
  check_rules(out);
  CHECK(packager.samples_skipped() == 1);
  CHECK(parts_in_segments(out) == std::vector<std::size_t>(4, 4));
}

TEST_CASE("a damaged key frame costs its group of pictures and opens a new epoch at the next one") {
  Packager packager;
  FakeSource source(packager);
  source.begin();
  source.run(180);
  Sample bad = source.next_frame();
  REQUIRE(bad.key);
  bad.whole = false;
  source.give(std::move(bad));
  source.run(179);
  packager.finish();
  Published out;
  out.take(packager);
  REQUIRE(out.epochs.size() == 2);
  const std::size_t start = out.epoch_starts[1];
  CHECK(out.parts[start - 1].last_in_segment);
  CHECK(out.parts[start].independent);
  CHECK(out.parts[start].media_time_us == 8'000'000);
  CHECK(out.epochs[1].plan.target_duration_s == 2);
}

TEST_CASE("a hole in the times of the source opens a new epoch instead of an endless part") {
  Packager packager;
  FakeSource source(packager);
  source.begin();
  source.run(200);
  source.shift_ticks = 5 * 90'000;
  source.audio_dts += 5 * 48'000;
  source.run(160);
  packager.finish();
  Published out;
  out.take(packager);
  REQUIRE(out.epochs.size() == 2);
  for (const MediaPart& part : out.parts) CHECK(part.duration_us <= 500'000);
  CHECK(out.parts[out.epoch_starts[1]].independent);
}

TEST_CASE("a group of pictures that turns out longer than promised is published whole, then the epoch fits it") {
  Packager packager;
  FakeSource source(packager);
  source.begin();
  source.run(180);
  source.gop_frames = 150;  // from here on five seconds
  source.frame = 300;
  source.shift_ticks = (180ull - 300) * 3000;
  source.run(400);
  packager.finish();
  Published out;
  out.take(packager);
  REQUIRE(out.epochs.size() == 2);
  CHECK(out.epochs[1].plan.target_duration_s == 5);
  CHECK_FALSE(out.epochs[1].plan.warning.empty());
  CHECK(out.parts[out.epoch_starts[1]].media_time_us == 11'000'000);
}

TEST_CASE("key frames that stay away for over ten seconds in mid-stream end in a refusal") {
  Packager packager;
  FakeSource source(packager);
  source.begin();
  source.run(121);
  source.gop_frames = 100'000;
  source.run(400);
  Published out;
  out.take(packager);
  REQUIRE(out.refusals.size() == 1);
  CHECK(packager.state() == Packager::State::refused);
}

TEST_CASE("a new epoch that is asked for begins at the next key frame and loses nothing") {
  Packager packager;
  FakeSource source(packager);
  source.begin();
  source.run(150);
  packager.request_new_epoch();
  source.run(150);
  packager.finish();
  Published out;
  out.take(packager);
  REQUIRE(out.epochs.size() == 2);
  CHECK(out.parts[out.epoch_starts[1]].media_time_us == 6'000'000);
  std::uint64_t next_us = 0;
  for (const MediaPart& part : out.parts) {
    CHECK(part.media_time_us == next_us);
    next_us += part.duration_us;
  }
  CHECK(next_us == 10'000'000);
}

TEST_CASE("a step of the source's clock opens a new epoch, and times inside an epoch never step") {
  Packager packager;
  packager.on_arrival_offset(1'000'000'000'000);
  FakeSource source(packager);
  source.begin();
  source.run(200);
  packager.on_arrival_offset(1'000'005'000'000);
  source.run(200);
  packager.finish();
  Published out;
  out.take(packager);
  REQUIRE(out.epochs.size() == 2);
  for (std::size_t i = 1; i < out.parts.size(); ++i) {
    if (i == out.epoch_starts[1]) continue;
    const auto media = static_cast<std::int64_t>(out.parts[i].media_time_us - out.parts[i - 1].media_time_us);
    const auto capture = static_cast<std::int64_t>(out.parts[i].capture_time_us - out.parts[i - 1].capture_time_us);
    CHECK(std::abs(media - capture) <= 1000);
  }
}

TEST_CASE("a source without video and sound is refused") {
  Packager packager;
  auto init = std::make_shared<InitSection>();
  packager.on_init(init);
  Published out;
  out.take(packager);
  CHECK(out.refusals.size() == 1);
}

TEST_CASE("a short source is published when it ends before it was measured") {
  const Published out = publish(60, 40);
  check_rules(out);
  CHECK(out.parts.size() == 3);
}
