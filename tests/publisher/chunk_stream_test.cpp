#include <doctest/doctest.h>

#include <algorithm>

#include "publisher/rtmp/chunk_stream.hpp"

using namespace streamr::publisher;
using Bytes = std::vector<std::uint8_t>;

namespace {

RtmpMessage message_of(std::uint8_t type, std::uint32_t time_ms, std::size_t size) {
  RtmpMessage message{type, time_ms, 1, {}};
  for (std::size_t i = 0; i < size; ++i) message.payload.push_back(static_cast<std::uint8_t>(i * 7));
  return message;
}

Bytes written(const RtmpMessage& message, std::uint32_t csid, std::size_t chunk_size = 128) {
  Bytes bytes;
  write_rtmp_message(message, csid, chunk_size, bytes);
  return bytes;
}

Bytes header_of(std::uint8_t csid, std::uint32_t length, std::uint8_t type) {
  return {csid, 0, 0, 0, static_cast<std::uint8_t>(length >> 16), static_cast<std::uint8_t>(length >> 8),
          static_cast<std::uint8_t>(length), type, 1, 0, 0, 0};
}

}  // namespace

TEST_CASE("a message comes back whole, however its bytes are cut on the way") {
  const RtmpMessage sent = message_of(rtmp_video, 1234, 1000);
  const Bytes bytes = written(sent, 6);
  for (const std::size_t step : {std::size_t{1}, std::size_t{3}, std::size_t{127}, bytes.size()}) {
    ChunkReader reader;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      REQUIRE(reader.feed(std::span(bytes).subspan(at, std::min(step, bytes.size() - at))));
    }
    const auto got = reader.poll();
    REQUIRE(got);
    CHECK(got->payload == sent.payload);
    CHECK(got->timestamp_ms == 1234);
    CHECK(got->type == rtmp_video);
    CHECK(got->stream == 1);
    CHECK_FALSE(reader.poll());
  }
}

TEST_CASE("times over 16777214 ms travel in the extended field of every chunk") {
  const RtmpMessage sent = message_of(rtmp_audio, 0x01234567, 300);
  ChunkReader reader;
  REQUIRE(reader.feed(written(sent, 4)));
  const auto got = reader.poll();
  REQUIRE(got);
  CHECK(got->timestamp_ms == 0x01234567);
  CHECK(got->payload == sent.payload);
}

TEST_CASE("an encoder that leaves the extended field out of later chunks is understood") {
  Bytes bytes = {4, 0xFF, 0xFF, 0xFF, 0, 0, 130, rtmp_audio, 1, 0, 0, 0, 1, 0, 0, 0};
  bytes.insert(bytes.end(), 128, 0xAA);
  bytes.insert(bytes.end(), {0xC4, 0xBB, 0xBB});
  bytes.insert(bytes.end(), {0x84, 0, 0, 1, 0});  // what follows, so that four octets are there to look at
  ChunkReader reader;
  REQUIRE(reader.feed(bytes));
  const auto got = reader.poll();
  REQUIRE(got);
  REQUIRE(got->payload.size() == 130);
  CHECK(got->payload.back() == 0xBB);
}

TEST_CASE("short headers take over what the chunk stream said before") {
  Bytes bytes = header_of(5, 2, rtmp_audio);
  bytes[3] = 100;  // time 100
  bytes.insert(bytes.end(), {1, 2});
  bytes.insert(bytes.end(), {0x45, 0, 0, 20, 0, 0, 1, rtmp_video, 9});  // format 1: delta 20, length 1, other type
  bytes.insert(bytes.end(), {0x85, 0, 0, 30, 9});                       // format 2: delta 30
  bytes.insert(bytes.end(), {0xC5, 9});                                 // format 3: the same delta again
  ChunkReader reader;
  REQUIRE(reader.feed(bytes));
  std::vector<std::uint32_t> times;
  while (const auto message = reader.poll()) times.push_back(message->timestamp_ms);
  CHECK(times == std::vector<std::uint32_t>{100, 120, 150, 180});
}

TEST_CASE("messages of two chunk streams may be interleaved") {
  const RtmpMessage audio = message_of(rtmp_audio, 1, 200), video = message_of(rtmp_video, 2, 200);
  const Bytes a = written(audio, 4), v = written(video, 6);
  const std::size_t first = 12 + 128;
  Bytes mixed(a.begin(), a.begin() + first);
  mixed.insert(mixed.end(), v.begin(), v.begin() + first);
  mixed.insert(mixed.end(), a.begin() + first, a.end());
  mixed.insert(mixed.end(), v.begin() + first, v.end());
  ChunkReader reader;
  REQUIRE(reader.feed(mixed));
  CHECK(reader.poll()->payload == audio.payload);
  CHECK(reader.poll()->payload == video.payload);
}

TEST_CASE("a new chunk size holds from the next chunk on") {
  Bytes bytes = header_of(2, 4, rtmp_set_chunk_size);
  bytes.insert(bytes.end(), {0, 0, 0x10, 0});
  const RtmpMessage sent = message_of(rtmp_video, 5, 5000);
  const Bytes rest = written(sent, 6, 4096);
  bytes.insert(bytes.end(), rest.begin(), rest.end());
  ChunkReader reader;
  REQUIRE(reader.feed(bytes));
  CHECK(reader.poll()->payload == sent.payload);
}

TEST_CASE("chunk stream ids of two and three octets are read") {
  for (const Bytes& basic : {Bytes{0x00, 10}, Bytes{0x01, 10, 1}}) {
    Bytes bytes = basic;
    const Bytes header = header_of(0, 1, rtmp_audio);
    bytes.insert(bytes.end(), header.begin() + 1, header.end());
    bytes.push_back(0x55);
    ChunkReader reader;
    REQUIRE(reader.feed(bytes));
    CHECK(reader.poll()->payload == Bytes{0x55});
  }
}

TEST_CASE("an abort forgets the unfinished message") {
  Bytes bytes = header_of(6, 200, rtmp_video);
  bytes.insert(bytes.end(), 128, 1);
  Bytes abort = header_of(2, 4, rtmp_abort);
  abort.insert(abort.end(), {0, 0, 0, 6});
  bytes.insert(bytes.end(), abort.begin(), abort.end());
  Bytes again = header_of(6, 1, rtmp_video);
  again.push_back(7);
  bytes.insert(bytes.end(), again.begin(), again.end());
  ChunkReader reader;
  REQUIRE(reader.feed(bytes));
  CHECK(reader.poll()->payload == Bytes{7});
}

TEST_CASE("a message over the limit is refused from its header alone") {
  ChunkReader reader;
  CHECK_FALSE(reader.feed(header_of(6, 0xFFFFFF, rtmp_video)));
  CHECK(reader.failure().find("over the limit") != std::string::npos);
  CHECK_FALSE(reader.feed(Bytes{1}));
}

TEST_CASE("a command over 64 KiB is refused, a picture of that size is not") {
  ChunkReader command, picture;
  CHECK_FALSE(command.feed(header_of(3, 65'537, rtmp_command)));
  CHECK(picture.feed(header_of(6, 65'537, rtmp_video)));
}

TEST_CASE("before the key was right only small messages are taken") {
  ChunkReader reader;
  reader.limit_messages(1000);
  CHECK_FALSE(reader.feed(header_of(6, 1001, rtmp_video)));
}

TEST_CASE("a chunk stream that begins with a short header is refused") {
  for (const std::uint8_t first : Bytes{0x46, 0x86, 0xC6}) {
    ChunkReader reader;
    CHECK_FALSE(reader.feed(Bytes{first, 0, 0, 1, 0, 0, 1, 9, 0}));
  }
}

TEST_CASE("a new message before the old one is whole is refused") {
  Bytes bytes = header_of(6, 200, rtmp_video);
  bytes.insert(bytes.end(), 128, 1);
  const Bytes again = header_of(6, 200, rtmp_video);
  bytes.insert(bytes.end(), again.begin(), again.end());
  ChunkReader reader;
  CHECK_FALSE(reader.feed(bytes));
}

TEST_CASE("the sixty-fifth chunk stream is refused") {
  ChunkReader reader;
  for (unsigned i = 0; i < 64; ++i) {
    Bytes bytes = {0x00, static_cast<std::uint8_t>(i)};
    const Bytes header = header_of(0, 1, rtmp_audio);
    bytes.insert(bytes.end(), header.begin() + 1, header.end());
    bytes.push_back(1);
    REQUIRE(reader.feed(bytes));
  }
  CHECK_FALSE(reader.feed(header_of(5, 1, rtmp_audio)));
}

TEST_CASE("many unfinished messages together are bounded") {
  ChunkReader reader;
  Bytes size = header_of(2, 4, rtmp_set_chunk_size);
  size.insert(size.end(), {0, 0x40, 0, 0});  // chunks of 4 MiB
  REQUIRE(reader.feed(size));
  bool taken = true;
  for (std::uint8_t csid = 4; csid < 12 && taken; ++csid) {
    Bytes bytes = header_of(csid, 8u << 20, rtmp_video);
    bytes.resize(bytes.size() + (4u << 20));
    taken = reader.feed(bytes);
  }
  CHECK_FALSE(taken);
}

TEST_CASE("a chunk size of 0 or over 24 bits is refused") {
  for (const Bytes& value : {Bytes{0, 0, 0, 0}, Bytes{0x7F, 0xFF, 0xFF, 0xFF}}) {
    Bytes bytes = header_of(2, 4, rtmp_set_chunk_size);
    bytes.insert(bytes.end(), value.begin(), value.end());
    ChunkReader reader;
    CHECK_FALSE(reader.feed(bytes));
  }
}

TEST_CASE("random bytes never do more than end the connection") {
  std::uint64_t state = 88172645463325252ull;
  for (int round = 0; round < 300; ++round) {
    CAPTURE(round);
    ChunkReader reader;
    Bytes bytes(4000);
    for (std::uint8_t& byte : bytes) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      byte = static_cast<std::uint8_t>(state >> 32);
    }
    bytes[0] &= 0x3F;
    bytes[4] = 0;
    reader.feed(bytes);
    std::size_t total = 0;
    while (const auto message = reader.poll()) total += message->payload.size();
    CHECK(total <= bytes.size());
  }
}
