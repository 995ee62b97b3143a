#include <doctest/doctest.h>

#include <string>

#include "publisher/media/boxes.hpp"
#include "publisher/rtmp/amf0.hpp"
#include "publisher/rtmp/media_feed.hpp"

using namespace streamr::publisher;

namespace {

constexpr std::uint64_t second = 1'000'000;

RtmpMessage video(std::uint32_t ms, bool key) {
  return {rtmp_video, ms, 1, {static_cast<std::uint8_t>(key ? 0x17 : 0x27), 1, 0, 0, 0, 0, 0, 0, 1, 0x65}};
}
RtmpMessage video_header(std::uint8_t mark = 1) { return {rtmp_video, 0, 1, {0x17, 0, 0, 0, 0, mark, 2, 3}}; }
RtmpMessage audio(std::uint32_t ms) { return {rtmp_audio, ms, 1, {0xAF, 1, 5, 6}}; }
RtmpMessage audio_header() { return {rtmp_audio, 0, 1, {0xAF, 0, 0x12, 0x10}}; }

struct Tag {
  std::uint8_t type;
  std::uint32_t ms;
  Bytes payload;
};
struct Flv {
  std::uint8_t flags = 0;
  std::vector<Tag> tags;
};

Flv parse(const Bytes& bytes) {
  Flv flv;
  FieldReader reader(bytes);
  REQUIRE(reader.u24() == 0x464C56);
  REQUIRE(reader.u8() == 1);
  flv.flags = reader.u8();
  REQUIRE(reader.u32() == 9);
  reader.skip(4);
  while (reader.left() > 0) {
    Tag tag;
    tag.type = reader.u8();
    const std::uint32_t length = reader.u24();
    tag.ms = reader.u24();
    tag.ms |= static_cast<std::uint32_t>(reader.u8()) << 24;
    reader.skip(3);
    tag.payload.assign(reader.rest().begin(), reader.rest().begin() + length);
    reader.skip(length);
    CHECK(reader.u32() == length + 11);
    flv.tags.push_back(std::move(tag));
  }
  REQUIRE(reader.ok());
  return flv;
}

}  // namespace

TEST_CASE("the FLV begins with both headers and the first key frame, and times begin at zero") {
  MediaFeed feed;
  feed.on_message(video_header(), second);
  feed.on_message(video(5000, false), second);
  feed.on_message(audio_header(), second);
  CHECK_FALSE(feed.running());
  feed.on_message(video(5033, true), second + 1000);
  feed.on_message(audio(5040), second + 2000);
  feed.on_message(video(5066, false), second + 3000);
  const Flv flv = parse(feed.take_bytes());
  CHECK(flv.flags == 5);
  REQUIRE(flv.tags.size() == 5);
  CHECK(flv.tags[0].payload == video_header().payload);
  CHECK(flv.tags[1].payload == audio_header().payload);
  CHECK(flv.tags[2].payload == video(0, true).payload);
  CHECK(flv.tags[2].ms == 0);
  CHECK(flv.tags[3].ms == 7);
  CHECK(flv.tags[4].ms == 33);
}

TEST_CASE("video without sound begins when sound did not come in time") {
  MediaFeed feed;
  feed.on_message(video_header(), second);
  feed.on_message(video(0, true), second);
  CHECK_FALSE(feed.running());
  feed.on_time(2 * second);
  REQUIRE(feed.running());
  CHECK(parse(feed.take_bytes()).flags == 1);
}

TEST_CASE("metadata that knows of no sound saves the wait") {
  RtmpMessage metadata{rtmp_data, 0, 1, {}};
  write_amf0(AmfValue::text("@setDataFrame"), metadata.payload);
  write_amf0(AmfValue::text("onMetaData"), metadata.payload);
  write_amf0(AmfValue::object({{"videocodecid", AmfValue::number(7)}}), metadata.payload);
  MediaFeed feed;
  feed.on_message(std::move(metadata), second);
  feed.on_message(video_header(), second);
  feed.on_message(video(0, true), second);
  CHECK(feed.running());
}

TEST_CASE("sound alone begins when no picture came for two seconds") {
  MediaFeed feed;
  feed.on_message(audio_header(), second);
  for (std::uint32_t i = 0; i < 100; ++i) feed.on_message(audio(i * 23), second + i * 23'000);
  REQUIRE(feed.running());
  const Flv flv = parse(feed.take_bytes());
  CHECK(flv.flags == 4);
  CHECK(flv.tags.size() == 101);
}

TEST_CASE("another coding header in mid-stream asks for a restart, the same one again does not") {
  MediaFeed feed;
  feed.on_message(video_header(1), second);
  feed.on_message(audio_header(), second);
  feed.on_message(video(0, true), second);
  REQUIRE(feed.running());
  feed.on_message(video_header(1), second);
  CHECK_FALSE(feed.take_restart());
  feed.take_bytes();
  feed.on_message(video_header(2), second);
  CHECK(feed.take_restart());
  feed.on_message(video(40, false), second);
  CHECK_FALSE(feed.running());
  feed.on_message(video(80, true), second);
  REQUIRE(feed.running());
  const Flv flv = parse(feed.take_bytes());
  CHECK(flv.tags[0].payload == video_header(2).payload);
  CHECK(flv.tags[2].ms == 0);
}

TEST_CASE("times that jump far ahead or back ask for a restart, small steps back are straightened") {
  for (const std::uint32_t ms : {60'000u, 1'000u}) {
    MediaFeed feed;
    feed.on_message(video_header(), second);
    feed.on_message(audio_header(), second);
    feed.on_message(video(10'000, true), second);
    feed.on_message(video(10'033, false), second);
    feed.on_message(video(10'020, false), second);
    CHECK_FALSE(feed.take_restart());
    const Flv flv = parse(feed.take_bytes());
    CHECK(flv.tags.back().ms == 33);
    feed.on_message(video(ms, false), second);
    CHECK(feed.take_restart());
  }
}

TEST_CASE("a clock that passes 2^32 milliseconds runs on") {
  MediaFeed feed;
  feed.on_message(video_header(), second);
  feed.on_message(audio_header(), second);
  feed.on_message(video(0xFFFFFFF0u, true), second);
  feed.on_message(video(0x10u, false), second);
  CHECK_FALSE(feed.take_restart());
  CHECK(parse(feed.take_bytes()).tags.back().ms == 32);
}

TEST_CASE("messages too short to be media are skipped and counted") {
  MediaFeed feed;
  feed.on_message({rtmp_video, 0, 1, {}}, second);
  feed.on_message({rtmp_video, 0, 1, {0x17}}, second);
  feed.on_message({rtmp_video, 0, 1, {0x17, 1, 0}}, second);
  feed.on_message({rtmp_audio, 0, 1, {0xAF}}, second);
  feed.on_message({rtmp_audio, 0, 1, {0xAF, 1}}, second);
  CHECK(feed.skipped() == 5);
}

TEST_CASE("media without any key frame is given up at the memory limit") {
  MediaFeed feed;
  feed.on_message(video_header(), second);
  RtmpMessage big = video(0, false);
  big.payload.resize(4u << 20);
  for (std::uint32_t i = 0; i < 20 && !feed.failed(); ++i) feed.on_message(big, second);
  CHECK(feed.failed());
}

TEST_CASE("the arrival estimate tells when time zero came in") {
  MediaFeed feed;
  feed.on_message(video_header(), second);
  feed.on_message(audio_header(), second);
  feed.on_message(video(700, true), 10 * second);
  feed.on_message(video(1700, false), 10 * second + 950'000);
  CHECK(feed.arrival().offset_us() == 9'950'000);
}
