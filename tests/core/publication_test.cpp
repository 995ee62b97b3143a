#include "core/publication.hpp"

#include <doctest/doctest.h>

#include "media_fixture.hpp"

using namespace streamr;
using namespace streamr::core;
using namespace streamr::test;

namespace {

streamr_status_t status_of(const Result<ChunkPtr>& result) {
  return result.ok() ? STREAMR_OK : result.error().status;
}
streamr_status_t status_of(const Result<Publication>& result) {
  return result.ok() ? STREAMR_OK : result.error().status;
}

}  // namespace

TEST_CASE("opening needs a track, tracks within the mask, each once, and the certificate's own key") {
  MediaFixture media;
  PublicationConfig config;
  config.certificate = media.certificate();
  CHECK(status_of(Publication::open(config, media.session)) == STREAMR_E_INVALID);
  config.tracks = {{3, proto::TrackKind::video, proto::ContentType::cmaf, 1}};
  CHECK(status_of(Publication::open(config, media.session)) == STREAMR_E_INVALID);
  config.tracks = {{0, proto::TrackKind::video, proto::ContentType::cmaf, 1},
                   {0, proto::TrackKind::audio, proto::ContentType::cmaf, 1}};
  CHECK(status_of(Publication::open(config, media.session)) == STREAMR_E_INVALID);
  config.tracks.pop_back();
  CHECK(status_of(Publication::open(config, test_key(9))) == STREAMR_E_INVALID);
  CHECK(status_of(Publication::open(config, media.session)) == STREAMR_OK);
}

TEST_CASE("the part after LAST_IN_SEGMENT opens the next segment, and INIT carries the first segment it applies to") {
  MediaFixture media;
  auto source = media.publication();
  const auto made = media.push(source, 6);
  const std::vector<ChunkPos> expected{{10, init_part}, {10, 0}, {10, 1}, {10, 2}, {10, 3}, {11, 0}, {11, 1}};
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(made[i]->header().pos() == expected[i]);
}

TEST_CASE("every header names the one before it on its track, the first one none") {
  MediaFixture media;
  auto source = media.publication();
  auto made = media.push(source, 4);
  PublicationPart gap = media.part(media.parts_made++);
  gap.flags = proto::gap;
  gap.payload = {};
  made.push_back(*source.push(gap, media.store, media.now));
  REQUIRE(source.push(media.init_part_of(1), media.store, media.now).ok());  // another track does not disturb the chain
  made.push_back((*source.end(media.store, media.now)).front());
  CHECK(made.front()->header().prev_header_hash.is_zero());
  for (std::size_t i = 1; i < made.size(); ++i) CHECK(made[i]->header().prev_header_hash == made[i - 1]->header_hash());
}

TEST_CASE("what is published verifies, slice by slice") {
  MediaFixture media;
  auto source = media.publication();
  const auto made = media.push(source, 5);
  Verifier verifier(media.root.public_key());
  StreamStore own(media.root.public_key(), {});
  REQUIRE(verifier.add_certificate(source.config().certificate, media.now).ok());
  for (const ChunkPtr& chunk : made) {
    REQUIRE(proto::parse_chunk_header(chunk->header().raw).ok());
    auto check = verifier.check_chunk(frame_of(*chunk), 0, ChunkSource::live, own, media.now);
    REQUIRE(check.ok());
    const ChunkPtr stored = own.put(*check->chunk, media.now);
    for (std::uint16_t i = 0; i < chunk->header().slice_count; ++i)
      CHECK(verifier.check_slice(*stored, i, chunk->slice(i)).ok());
  }
}

TEST_CASE("GAP and END have no octets, no slices and the hash of nothing as their root") {
  MediaFixture media;
  auto source = media.publication();
  media.push(source, 2);
  PublicationPart gap = media.part(media.parts_made++);
  gap.flags = proto::gap;
  gap.payload = {};
  const ChunkPtr hole = *source.push(gap, media.store, media.now);
  const ChunkPtr end = (*source.end(media.store, media.now)).front();
  for (const ChunkPtr& chunk : {hole, end}) {
    CHECK(chunk->header().payload_length == 0);
    CHECK(chunk->header().slice_count == 0);
    CHECK(chunk->header().merkle_root == crypto::sha256({}));
    CHECK(chunk->whole());
  }
  CHECK(hole->header().pos() == ChunkPos{10, 2});
  CHECK(end->header().pos() == ChunkPos{10, 3});
}

TEST_CASE("END takes the number behind the last part, also of a segment that is complete, and opens no segment") {
  MediaFixture media;
  auto source = media.publication();
  media.push(source, 4);
  const auto ends = *source.end(media.store, media.now);
  REQUIRE(ends.size() == 1);  // track 1 never had a chunk
  CHECK(ends.front()->header().pos() == ChunkPos{10, 4});
  CHECK(ends.front()->header().has(proto::end));
  CHECK(source.ended());
}

TEST_CASE("nothing is pushed and nothing ends after the end") {
  MediaFixture media;
  auto source = media.publication();
  media.push(source, 1);
  REQUIRE(source.end(media.store, media.now).ok());
  CHECK(status_of(source.push(media.part(1), media.store, media.now)) == STREAMR_E_STATE);
  CHECK(source.end(media.store, media.now).error().status == STREAMR_E_STATE);
}

TEST_CASE("a part before the init section of a CMAF track does not fit the state; MPEG-TS needs none") {
  MediaFixture media;
  auto source = media.publication();
  CHECK(status_of(source.push(media.part(0), media.store, media.now)) == STREAMR_E_STATE);
  PublicationConfig config = source.config();
  config.tracks = {{0, proto::TrackKind::muxed, proto::ContentType::mpeg_ts, 1000}};
  auto transport = *Publication::open(config, media.session);
  CHECK(status_of(transport.push(media.part(0), media.store, media.now)) == STREAMR_OK);
}

TEST_CASE("parts outside the documented ranges are invalid and change nothing") {
  MediaFixture media;
  auto source = media.publication();
  media.push(source, 2);
  const auto offer = [&](auto change) {
    PublicationPart part = media.part(2);
    change(part);
    return status_of(source.push(part, media.store, media.now));
  };
  CHECK(offer([](auto& part) { part.track = 5; }) == STREAMR_E_INVALID);
  CHECK(offer([](auto& part) { part.payload = {}; }) == STREAMR_E_INVALID);
  CHECK(offer([](auto& part) { part.flags = proto::gap; }) == STREAMR_E_INVALID);
  CHECK(offer([](auto& part) { part.flags = proto::end; }) == STREAMR_E_INVALID);
  CHECK(offer([](auto& part) { part.flags = 64; }) == STREAMR_E_INVALID);
  CHECK(offer([](auto& part) { part.duration_us = 60'000'001; }) == STREAMR_E_INVALID);
  CHECK(offer([](auto& part) { part.payload = SharedBytes::take(ByteVector((16u << 20) + 1)); }) == STREAMR_E_INVALID);
  CHECK(offer([](auto& part) { part.media_time_us = part_us - 1; }) == STREAMR_E_INVALID);
  CHECK(offer([](auto& part) { part.capture_time_us = s_to_us(start_unix_s); }) == STREAMR_E_INVALID);
  const ChunkPtr next = *source.push(media.part(2), media.store, media.now);
  CHECK(next->header().pos() == ChunkPos{10, 2});
}

TEST_CASE("a part outside the certificate's time has expired, by its capture time and by the clock") {
  MediaFixture media;
  auto source = media.publication();
  media.push(source, 1);
  PublicationPart part = media.part(1);
  part.capture_time_us = s_to_us(start_unix_s + 3600) + limits::clock_slack_us + 1;
  CHECK(status_of(source.push(part, media.store, media.now)) == STREAMR_E_EXPIRED);
  media.now.unix_us = part.capture_time_us;
  CHECK(status_of(source.push(media.part(1), media.store, media.now)) == STREAMR_E_EXPIRED);
}

TEST_CASE("more octets in 10 seconds than 1.25 times max_kbps are beyond a limit, over all tracks together") {
  MediaFixture media;
  proto::Certificate fields = media.certificate();
  fields.max_kbps = 64;  // 100 000 octets
  auto source = media.publication(proto::issue_certificate(fields, media.root));
  REQUIRE(source.push(media.init_part_of(0), media.store, media.now).ok());
  REQUIRE(source.push(media.init_part_of(1), media.store, media.now).ok());
  REQUIRE(source.push(media.part(0, 60'000), media.store, media.now).ok());
  CHECK(status_of(source.push(media.part(1, 60'000, 1), media.store, media.now)) == STREAMR_E_LIMIT);
  CHECK(status_of(source.push(media.part(1, 30'000, 1), media.store, media.now)) == STREAMR_OK);
  CHECK(status_of(source.push(media.part(30, 60'000), media.store, media.now)) == STREAMR_OK);
}

TEST_CASE(
    "an init section given again unchanged is no new chunk; a changed one stands between segments with DISCONTINUITY") {
  MediaFixture media;
  auto source = media.publication();
  const ChunkPtr first = media.push(source, 2).front();
  CHECK(*source.push(media.init_part_of(0), media.store, media.now) == first);
  CHECK(status_of(source.push(media.init_part_of(0, 5), media.store, media.now)) == STREAMR_E_STATE);
  media.push(source, 2);
  const ChunkPtr changed = *source.push(media.init_part_of(0, 5), media.store, media.now);
  CHECK(changed->header().pos() == ChunkPos{11, init_part});
  CHECK(changed->header().has(proto::discontinuity));
  CHECK(status_of(source.push(media.init_part_of(0, 6), media.store, media.now)) == STREAMR_E_STATE);
  const ChunkPtr next = media.push(source, 1).front();
  CHECK(next->header().has(proto::discontinuity));
  CHECK(next->header().prev_header_hash == changed->header_hash());
  CHECK_FALSE(media.push(source, 1).front()->header().has(proto::discontinuity));
}

TEST_CASE("a track that begins later joins the segment that the others are in") {
  MediaFixture media;
  auto source = media.publication();
  media.push(source, 10);  // video is in segment 12
  REQUIRE(source.push(media.init_part_of(1), media.store, media.now).ok());
  CHECK((*source.push(media.part(9, 500, 1), media.store, media.now))->header().segment == 12);
}

TEST_CASE("the store learns of tracks and durations with the first chunk") {
  MediaFixture media;
  auto source = media.publication();
  CHECK(media.store.find_epoch(7) == nullptr);
  media.push(source, 1);
  const EpochStore& epoch = *media.store.find_epoch(7);
  CHECK(epoch.target_duration_s == 2);
  CHECK(epoch.part_target_us == 500'000);
  CHECK(epoch.tracks.at(1).info.kind == proto::TrackKind::audio);
  CHECK(epoch.discontinuity_segment == 10);
}
