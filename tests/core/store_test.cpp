#include "core/store.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "media_fixture.hpp"

using namespace streamr;
using namespace streamr::core;
using namespace streamr::test;

namespace {

// What the source stored, taken over into another store by way of a verifier.
struct Copy : MediaFixture {
  Verifier verifier{root.public_key()};

  Copy() { REQUIRE(verifier.add_certificate(certificate(), now).ok()); }
  ChunkPtr put_header(StreamStore& into, const StoredChunk& from) {
    auto check = verifier.check_chunk(frame_of(from), from.header().track, ChunkSource::fetch_answer,
                                      StreamStore(root.public_key(), {}), now);
    REQUIRE(check.ok());
    return into.put(*check->chunk, now);
  }
  bool put_slice(StreamStore& into, const ChunkPtr& chunk, const StoredChunk& from, std::uint16_t index) {
    const SharedBytes data = from.slice(index);
    auto slice = verifier.check_slice(*chunk, index, data);
    REQUIRE(slice.ok());
    return into.put_slice(chunk, *slice, now);
  }
};

std::uint64_t counted_bytes(const StreamStore& store) {
  std::uint64_t bytes = 0;
  for (const auto& [number, epoch] : store.epochs())
    for (const auto& [track_number, track] : epoch.tracks) {
      for (const auto& [pos, chunk] : track.parts) bytes += chunk->memory_bytes();
      for (const auto& [segment, chunk] : track.inits) bytes += chunk->memory_bytes();
    }
  return bytes;
}

}  // namespace

TEST_CASE("a slice can be read once it is verified, the payload once all are") {
  Copy media;
  auto source = media.publication();
  const ChunkPtr made = media.push(source, 1).back();
  StreamStore own(media.root.public_key(), {});
  const ChunkPtr chunk = media.put_header(own, *made);
  CHECK_FALSE(chunk->whole());
  CHECK(chunk->slice(1).empty());
  CHECK(media.put_slice(own, chunk, *made, 1));
  CHECK(std::ranges::equal(chunk->slice(1).view(), made->slice(1).view()));
  CHECK(chunk->slice(0).empty());
  CHECK(chunk->payload().empty());
  CHECK(chunk->first_missing() == 0);
  CHECK(media.put_slice(own, chunk, *made, 0));
  CHECK(chunk->first_missing() == 2);
  CHECK(media.put_slice(own, chunk, *made, 2));
  CHECK(chunk->whole());
  CHECK(chunk->whole_mono_us() == media.now.mono_us);
  CHECK(std::ranges::equal(chunk->payload().view(), made->payload().view()));
  CHECK(chunk->slice(1).data() == chunk->payload().data() + 16384);  // a view, no copy
}

TEST_CASE("a slice that is there already is said to be so and changes nothing") {
  Copy media;
  auto source = media.publication();
  const ChunkPtr made = media.push(source, 1).back();
  StreamStore own(media.root.public_key(), {});
  const ChunkPtr chunk = media.put_header(own, *made);
  CHECK(media.put_slice(own, chunk, *made, 1));
  CHECK_FALSE(media.put_slice(own, chunk, *made, 1));
  CHECK(chunk->slices_held() == 1);
  CHECK(chunk->arrivals().size() == 1);
}

TEST_CASE("the same chunk put twice is stored once") {
  Copy media;
  auto source = media.publication();
  const ChunkPtr made = media.push(source, 1).back();
  StreamStore own(media.root.public_key(), {});
  CHECK(media.put_header(own, *made) == media.put_header(own, *made));
  CHECK(own.memory_bytes() == counted_bytes(own));
}

TEST_CASE("memory is counted exactly: headers and leaves when a chunk comes, its payload with the first slice") {
  Copy media;
  auto source = media.publication();
  const ChunkPtr made = media.push(source, 1).back();
  StreamStore own(media.root.public_key(), {});
  const ChunkPtr chunk = media.put_header(own, *made);
  CHECK(own.memory_bytes() == chunk->memory_bytes());
  const std::uint64_t without_payload = own.memory_bytes();
  media.put_slice(own, chunk, *made, 2);
  CHECK(own.memory_bytes() == without_payload + 40'000);
  media.put_slice(own, chunk, *made, 0);
  CHECK(own.memory_bytes() == without_payload + 40'000);
}

TEST_CASE("media past its age goes, but the segments that are kept whatever age stay") {
  MediaFixture media;
  StreamStore store(media.root.public_key(), {1ull << 40, 4, s_to_us(10)});
  auto source = media.publication();
  REQUIRE(source.push(media.init_part_of(0), store, media.now).ok());
  for (std::uint64_t i = 0; i < 40; ++i) {  // ten segments of 2 s
    REQUIRE(source.push(media.part(i, 1000), store, media.now).ok());
    media.now.mono_us += part_us;
    media.now.unix_us += part_us;
  }
  CHECK(store.trim(media.now) == 20);  // older than 10 s: five segments of four
  CHECK(store.find_track(7, 0)->oldest_segment() == 15);
  media.now.mono_us += s_to_us(100);
  store.trim(media.now);
  CHECK(store.find_track(7, 0)->oldest_segment() == 16);
  CHECK(store.memory_bytes() == counted_bytes(store));
}

TEST_CASE("memory cuts deeper than age, never below the newest three segments") {
  MediaFixture media;
  StreamStore store(media.root.public_key(), {200'000, 12, s_to_us(60)});
  auto source = media.publication();
  REQUIRE(source.push(media.init_part_of(0), store, media.now).ok());
  for (std::uint64_t i = 0; i < 40; ++i) REQUIRE(source.push(media.part(i, 5'000), store, media.now).ok());
  store.trim(media.now);
  CHECK(store.memory_bytes() <= 200'000);
  CHECK(store.find_track(7, 0)->oldest_segment() > 10);
  CHECK(store.find_track(7, 0)->oldest_segment() <= 17);
  CHECK(store.memory_bytes() == counted_bytes(store));
  const std::uint64_t limit = store.memory_bytes();
  CHECK(limit > 0);
  StreamStore tiny(media.root.public_key(), {70'000, 12, s_to_us(60)});
  auto other = media.publication();
  REQUIRE(other.push(media.init_part_of(0), tiny, media.now).ok());
  for (std::uint64_t i = 0; i < 40; ++i) REQUIRE(other.push(media.part(i, 9'000), tiny, media.now).ok());
  tiny.trim(media.now);
  CHECK(tiny.find_track(7, 0)->oldest_segment() == 17);  // three segments are more than 70 000 octets, and stay
}

TEST_CASE("an endless segment cannot take more than twice the memory") {
  MediaFixture media;
  StreamStore store(media.root.public_key(), {100'000, 12, s_to_us(60)});
  auto source = media.publication();
  REQUIRE(source.push(media.init_part_of(0), store, media.now).ok());
  for (std::uint64_t i = 0; i < 100; ++i) {
    PublicationPart part = media.part(i, 9'000);
    part.flags = 0;
    REQUIRE(source.push(part, store, media.now).ok());
    store.trim(media.now);
    CHECK(store.memory_bytes() <= 200'001);
  }
  CHECK(store.find_track(7, 0)->newest()->header().part == 99);
}

TEST_CASE("an INIT stays as long as a kept segment needs it") {
  MediaFixture media;
  StreamStore store(media.root.public_key(), {1ull << 40, 3, 0});
  auto source = media.publication();
  REQUIRE(source.push(media.init_part_of(0, 1), store, media.now).ok());
  for (std::uint64_t i = 0; i < 16; ++i) REQUIRE(source.push(media.part(i, 1000), store, media.now).ok());
  REQUIRE(source.push(media.init_part_of(0, 2), store, media.now).ok());  // for segment 14
  for (std::uint64_t i = 16; i < 24; ++i) REQUIRE(source.push(media.part(i, 1000), store, media.now).ok());
  media.now.mono_us += 1;
  const TrackStore& track = *store.find_track(7, 0);
  store.trim(media.now);
  CHECK(track.oldest_segment() == 13);
  CHECK(track.inits.size() == 2);
  CHECK(track.init_for(13)->header().segment == 10);
  CHECK(track.init_for(15)->header().segment == 14);
  for (std::uint64_t i = 24; i < 28; ++i) REQUIRE(source.push(media.part(i, 1000), store, media.now).ok());
  media.now.mono_us += 1;
  store.trim(media.now);
  CHECK(track.oldest_segment() == 14);
  CHECK(track.inits.size() == 1);
  CHECK(track.find({14, init_part}) != nullptr);
}

TEST_CASE("only the two newest epochs are kept, and an older one goes when nothing of it is left") {
  MediaFixture media;
  StreamStore store(media.root.public_key(), {1ull << 40, 3, 0});
  for (std::uint64_t epoch = 5; epoch < 8; ++epoch) {
    auto source = media.publication(media.certificate(epoch), epoch * 10);
    REQUIRE(source.push(media.init_part_of(0), store, media.now).ok());
    for (std::uint64_t i = 0; i < 8; ++i) REQUIRE(source.push(media.part(i, 1000), store, media.now).ok());
  }
  CHECK(store.epochs().size() == 2);
  CHECK(store.find_epoch(5) == nullptr);
  CHECK(store.memory_bytes() == counted_bytes(store));
  media.now.mono_us += 1;
  store.trim(media.now);
  CHECK(store.epochs().size() == 2);  // three segments are kept: two of epoch 7, one of epoch 6
  CHECK(store.find_track(6, 0)->oldest_segment() == 61);
  auto again = media.publication(media.certificate(7), 72);
  for (std::uint64_t i = 0; i < 4; ++i) {
    auto part = media.part(i, 1000);
    if (i == 0) REQUIRE(again.push(media.init_part_of(0, 3), store, media.now).ok());
    REQUIRE(again.push(part, store, media.now).ok());
  }
  media.now.mono_us += 1;
  store.trim(media.now);
  CHECK(store.epochs().size() == 1);
  CHECK(store.newest_epoch()->epoch == 7);
  CHECK(store.memory_bytes() == counted_bytes(store));
}

TEST_CASE("a chunk that was trimmed stays readable for who holds it and counts no more") {
  MediaFixture media;
  StreamStore store(media.root.public_key(), {1ull << 40, 3, 0});
  auto source = media.publication();
  REQUIRE(source.push(media.init_part_of(0), store, media.now).ok());
  const ChunkPtr first = *source.push(media.part(0, 1000), store, media.now);
  for (std::uint64_t i = 1; i < 24; ++i) REQUIRE(source.push(media.part(i, 1000), store, media.now).ok());
  media.now.mono_us += 1;
  store.trim(media.now);
  CHECK(store.find(7, 0, first->header().pos()) == nullptr);
  CHECK(first->payload().size() == 1000);
  CHECK(store.memory_bytes() == counted_bytes(store));
}

TEST_CASE("a segment has ended when its last part says so, when END stands in it, or when a later segment began") {
  MediaFixture media;
  auto source = media.publication();
  media.push(source, 3);
  const TrackStore& track = *media.store.find_track(7, 0);
  CHECK_FALSE(track.segment_ended(10));
  media.push(source, 1);
  CHECK(track.segment_ended(10));
  CHECK_FALSE(track.segment_ended(11));
  media.push(source, 2);
  CHECK(track.segment_ended(10));
  CHECK_FALSE(track.segment_ended(11));
  CHECK(track.newest_independent()->header().pos() == ChunkPos{11, 0});
  REQUIRE(source.end(media.store, media.now).ok());
  CHECK(track.segment_ended(11));
  CHECK(track.ended);
  CHECK(media.store.find_epoch(7)->ended());
  CHECK(track.newest()->header().pos() == ChunkPos{11, 1});
}
