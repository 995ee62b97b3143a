#include "core/verifier.hpp"

#include <doctest/doctest.h>

#include "media_fixture.hpp"

using namespace streamr;
using namespace streamr::core;
using namespace streamr::test;

namespace {

// A receiver: its verifier and its own store.
struct Receiver : MediaFixture {
  Verifier verifier{root.public_key()};
  StreamStore own{root.public_key(), {}};
  proto::Certificate valid = certificate();
  ByteVector payload = octets(40'000);

  Receiver() { REQUIRE(verifier.add_certificate(valid, now).ok()); }

  Result<ChunkCheck> check(const proto::Chunk& chunk, ChunkSource source = ChunkSource::live, std::uint16_t track = 0) {
    return verifier.check_chunk(chunk, track, source, own, now);
  }
  Wire refusal(const proto::Chunk& chunk, ChunkSource source = ChunkSource::live, std::uint16_t track = 0) {
    const auto result = check(chunk, source, track);
    return result.ok() ? Wire::none : result.error().wire;
  }
  proto::Chunk chunk_at(ChunkPos pos, std::uint64_t media_time_us = 0) {
    return forge(header_fields(valid, pos, media_time_us), payload, valid, session);
  }
  ChunkPtr accept(const proto::Chunk& chunk) {
    auto result = check(chunk, ChunkSource::live, chunk.header.track);
    REQUIRE(result.ok());
    REQUIRE(result->verdict == ChunkVerdict::fresh);
    return own.put(*result->chunk, now);
  }
  Wire certificate_refusal(const proto::Certificate& given) {
    const auto result = verifier.add_certificate(given, now);
    return result.ok() ? Wire::none : result.error().wire;
  }
};

}  // namespace

// ---- certificates

TEST_CASE("a certificate of another stream is refused as authentication") {
  Receiver receiver;
  proto::Certificate fields = receiver.valid;
  CHECK(receiver.certificate_refusal(proto::issue_certificate(fields, test_key(9))) == Wire::authentication);
}

TEST_CASE("a certificate whose root signature does not hold is refused as authentication") {
  Receiver receiver;
  proto::Certificate bent = receiver.certificate(8);
  bent.raw[183] ^= 1;
  bent.signature.octets[63] ^= 1;
  CHECK(receiver.certificate_refusal(bent) == Wire::authentication);
}

TEST_CASE("a certificate that lasts over 24 hours is refused as authentication") {
  Receiver receiver;
  proto::Certificate fields = receiver.certificate(8);
  fields.not_after_s = fields.not_before_s + limits::certificate_s + 1;
  CHECK(receiver.certificate_refusal(proto::issue_certificate(fields, receiver.root)) == Wire::authentication);
  fields.not_after_s = fields.not_before_s + limits::certificate_s;
  CHECK(receiver.certificate_refusal(proto::issue_certificate(fields, receiver.root)) == Wire::none);
}

TEST_CASE("a certificate of a lower epoch is refused as authentication, one that is known is not") {
  Receiver receiver;
  REQUIRE(receiver.certificate_refusal(receiver.certificate(8)) == Wire::none);
  CHECK(receiver.certificate_refusal(receiver.certificate(6)) == Wire::authentication);
  CHECK(receiver.certificate_refusal(receiver.valid) == Wire::none);
  CHECK(receiver.verifier.highest_epoch() == 8);
}

TEST_CASE("the highest epoch is remembered across a restart") {
  MediaFixture media;
  Verifier verifier(media.root.public_key());
  verifier.set_highest_epoch(8);
  CHECK(verifier.add_certificate(media.certificate(7), media.now).error().wire == Wire::authentication);
  CHECK(verifier.add_certificate(media.certificate(8), media.now).ok());
}

TEST_CASE("a certificate that is past by the clock is refused as authentication, with 120 seconds of grace") {
  Receiver receiver;
  const proto::Certificate next = receiver.certificate(8);
  receiver.now.unix_us = s_to_us(next.not_after_s) + limits::clock_slack_us + 1;
  CHECK(receiver.certificate_refusal(next) == Wire::authentication);
  receiver.now.unix_us -= 1;
  CHECK(receiver.certificate_refusal(next) == Wire::none);
}

TEST_CASE("a revoked certificate is refused as revoked and its chunks are too") {
  Receiver receiver;
  const proto::Chunk chunk = receiver.chunk_at({10, 0});
  proto::Revocation fields;
  fields.serial_max = 1;
  REQUIRE(*receiver.verifier.add_revocation(proto::issue_revocation(fields, receiver.root)));
  CHECK(receiver.certificate_refusal(receiver.valid) == Wire::revoked);
  CHECK(receiver.refusal(chunk) == Wire::revoked);
  CHECK(receiver.verifier.newest_certificate() == nullptr);
  CHECK(receiver.verifier.find_certificate(receiver.valid.id()) == nullptr);
  CHECK(receiver.certificate_refusal(receiver.certificate(7, 2)) == Wire::none);
  CHECK(receiver.verifier.newest_certificate()->serial == 2);
}

TEST_CASE("a revocation says whether it is new, and one that the root did not sign is refused as authentication") {
  Receiver receiver;
  proto::Revocation fields;
  fields.serial_max = 0;
  const auto first = proto::issue_revocation(fields, receiver.root);
  CHECK(*receiver.verifier.add_revocation(first) == true);
  CHECK(*receiver.verifier.add_revocation(first) == false);
  fields.serial_max = 5;
  auto forged = proto::issue_revocation(fields, test_key(9));
  CHECK(receiver.verifier.add_revocation(forged).error().wire == Wire::authentication);
  forged.stream_id = receiver.root.public_key();
  CHECK(receiver.verifier.add_revocation(forged).error().wire == Wire::authentication);
  CHECK(receiver.verifier.revoked_serial_max() == 0);
}

TEST_CASE("certificates do not pile up: two epochs stay, and of each the newest") {
  Receiver receiver;
  for (std::uint64_t serial = 2; serial < 60; ++serial)
    REQUIRE(receiver.certificate_refusal(receiver.certificate(7, serial)) == Wire::none);
  CHECK(receiver.verifier.certificates().size() == 16);
  for (std::uint64_t epoch = 8; epoch < 12; ++epoch)
    REQUIRE(receiver.certificate_refusal(receiver.certificate(epoch, 60)) == Wire::none);
  CHECK(receiver.verifier.certificates().size() == 2);
  CHECK(receiver.verifier.newest_certificate()->epoch == 11);
}

// ---- chunks

TEST_CASE("a good chunk is fresh once and known afterwards") {
  Receiver receiver;
  const proto::Chunk chunk = receiver.chunk_at({10, 0});
  receiver.accept(chunk);
  const auto again = receiver.check(chunk);
  REQUIRE(again.ok());
  CHECK(again->verdict == ChunkVerdict::known);
  CHECK_FALSE(again->chunk.has_value());
}

TEST_CASE("a chunk of another stream is refused as authentication") {
  Receiver receiver;
  proto::Certificate fields = receiver.valid;
  const auto other = proto::issue_certificate(fields, test_key(9));
  CHECK(receiver.refusal(forge(header_fields(other, {10, 0}), receiver.payload, other, receiver.session)) ==
        Wire::authentication);
}

TEST_CASE("a chunk of another track than the subscription's is refused as authentication") {
  Receiver receiver;
  CHECK(receiver.refusal(receiver.chunk_at({10, 0}), ChunkSource::live, 1) == Wire::authentication);
}

TEST_CASE("a chunk of a track outside the certificate's mask is refused as authentication") {
  Receiver receiver;
  auto fields = header_fields(receiver.valid, {10, 0});
  fields.track = 3;
  CHECK(receiver.refusal(forge(fields, receiver.payload, receiver.valid, receiver.session), ChunkSource::live, 3) ==
        Wire::authentication);
}

TEST_CASE("a chunk whose certificate is of another epoch is refused as authentication") {
  Receiver receiver;
  auto fields = header_fields(receiver.valid, {10, 0});
  fields.epoch = 9;
  CHECK(receiver.refusal(forge(fields, receiver.payload, receiver.valid, receiver.session)) == Wire::authentication);
}

TEST_CASE("a chunk below the certificate's first segment is refused as authentication") {
  Receiver receiver;
  const auto later = receiver.certificate(8, 2, 100);
  REQUIRE(receiver.certificate_refusal(later) == Wire::none);
  CHECK(receiver.refusal(forge(header_fields(later, {99, 0}), receiver.payload, later, receiver.session)) ==
        Wire::authentication);
  CHECK(receiver.refusal(forge(header_fields(later, {100, 0}), receiver.payload, later, receiver.session)) ==
        Wire::none);
}

TEST_CASE("a chunk captured outside its certificate's times is refused as authentication, with 120 seconds of grace") {
  Receiver receiver;
  auto fields = header_fields(receiver.valid, {10, 0});
  fields.capture_time_us = s_to_us(receiver.valid.not_before_s) - limits::clock_slack_us - 1;
  CHECK(receiver.refusal(forge(fields, receiver.payload, receiver.valid, receiver.session)) == Wire::authentication);
  fields.capture_time_us = s_to_us(receiver.valid.not_after_s) + limits::clock_slack_us + 1;
  CHECK(receiver.refusal(forge(fields, receiver.payload, receiver.valid, receiver.session)) == Wire::authentication);
  fields.capture_time_us -= 1;
  CHECK(receiver.refusal(forge(fields, receiver.payload, receiver.valid, receiver.session)) == Wire::none);
}

TEST_CASE("a live chunk under a certificate that is past by the clock is refused, a kept one from FETCH is not") {
  Receiver receiver;
  const proto::Chunk chunk = receiver.chunk_at({10, 0});
  receiver.now.unix_us = s_to_us(receiver.valid.not_after_s) + limits::clock_slack_us + 1;
  CHECK(receiver.refusal(chunk) == Wire::authentication);
  CHECK(receiver.refusal(chunk, ChunkSource::fetch_answer) == Wire::none);
}

TEST_CASE("a chunk under an unknown certificate is refused as authentication") {
  Receiver receiver;
  const auto unknown = receiver.certificate(7, 5);
  CHECK(receiver.refusal(forge(header_fields(unknown, {10, 0}), receiver.payload, unknown, receiver.session)) ==
        Wire::authentication);
}

TEST_CASE("a chunk that the session key did not sign is refused as authentication") {
  Receiver receiver;
  CHECK(receiver.refusal(forge(header_fields(receiver.valid, {10, 0}), receiver.payload, receiver.valid,
                               test_key(9))) == Wire::authentication);
}

TEST_CASE("a higher serial takes over from its first segment on") {
  Receiver receiver;
  REQUIRE(receiver.certificate_refusal(receiver.certificate(7, 2, 20)) == Wire::none);
  CHECK(receiver.refusal(receiver.chunk_at({19, 0})) == Wire::none);
  CHECK(receiver.refusal(receiver.chunk_at({20, 0})) == Wire::authentication);
}

TEST_CASE("leaves that do not give the signed root are refused as a bad slice") {
  Receiver receiver;
  proto::Chunk chunk = receiver.chunk_at({10, 0});
  chunk.leaves[1].octets[0] ^= 1;
  CHECK(receiver.refusal(chunk) == Wire::bad_slice);
}

TEST_CASE("another number of leaves than slices is refused as malformed") {
  Receiver receiver;
  proto::Chunk chunk = receiver.chunk_at({10, 0});
  chunk.leaves.pop_back();
  CHECK(receiver.refusal(chunk) == Wire::malformed);
}

TEST_CASE("an epoch lower than the highest seen is refused once its track has moved on") {
  Receiver receiver;
  receiver.accept(receiver.chunk_at({10, 0}));
  const auto next = receiver.certificate(8);
  REQUIRE(receiver.certificate_refusal(next) == Wire::none);
  SUBCASE("the track may finish what it began in the epoch before") {
    receiver.accept(receiver.chunk_at({10, 1}));
    receiver.accept(forge(header_fields(next, {11, 0}), receiver.payload, next, receiver.session));
    CHECK(receiver.refusal(receiver.chunk_at({10, 2})) == Wire::authentication);
  }
  SUBCASE("a track that was never seen there is refused at once") {
    auto fields = header_fields(receiver.valid, {10, 0});
    fields.track = 1;
    CHECK(receiver.refusal(forge(fields, receiver.payload, receiver.valid, receiver.session), ChunkSource::live, 1) ==
          Wire::authentication);
  }
}

TEST_CASE(
    "two headers of one place are an equivocation: the first stays, a proof of 448 octets is kept, the track stops") {
  Receiver receiver;
  const ChunkPtr first = receiver.accept(receiver.chunk_at({10, 0}));
  auto fields = header_fields(receiver.valid, {10, 0});
  fields.duration_us = 1;
  const proto::Chunk other = forge(fields, receiver.payload, receiver.valid, receiver.session);
  CHECK(receiver.refusal(other) == Wire::authentication);
  const auto found = receiver.verifier.take_equivocation();
  REQUIRE(found.has_value());
  CHECK(found->proof.size() == 448);
  CHECK(proto::verify_equivocation(found->proof, found->certificate).ok());
  CHECK(found->track == 0);
  CHECK_FALSE(receiver.verifier.take_equivocation().has_value());
  CHECK(receiver.verifier.track_stopped(7, 0));
  CHECK_FALSE(receiver.verifier.track_stopped(7, 1));
  CHECK(receiver.own.find(7, 0, {10, 0}) == first);
  CHECK(receiver.check(receiver.chunk_at({10, 1}))->verdict == ChunkVerdict::below_window);
  CHECK(receiver.check(frame_of(*first))->verdict == ChunkVerdict::known);
}

TEST_CASE("a second header that is not validly signed proves nothing and stops nothing") {
  Receiver receiver;
  receiver.accept(receiver.chunk_at({10, 0}));
  auto fields = header_fields(receiver.valid, {10, 0});
  fields.duration_us = 1;
  CHECK(receiver.refusal(forge(fields, receiver.payload, receiver.valid, test_key(9))) == Wire::authentication);
  CHECK_FALSE(receiver.verifier.take_equivocation().has_value());
  CHECK_FALSE(receiver.verifier.track_stopped(7, 0));
}

TEST_CASE("a chunk below the retained window is ignored, as an answer to FETCH it is taken") {
  Receiver receiver;
  receiver.accept(receiver.chunk_at({10, 0}));
  const proto::Chunk old = receiver.chunk_at({9, 3});
  CHECK(receiver.check(old)->verdict == ChunkVerdict::below_window);
  CHECK(receiver.check(old, ChunkSource::fetch_answer)->verdict == ChunkVerdict::fresh);
}

TEST_CASE("an INIT of an older segment is taken as long as no later one serves") {
  Receiver receiver;
  receiver.accept(receiver.chunk_at({10, 0}));
  const auto init_at = [&](std::uint64_t segment) { return receiver.chunk_at({segment, init_part}); };
  receiver.accept(init_at(5));
  CHECK(receiver.check(init_at(4))->verdict == ChunkVerdict::below_window);
  CHECK(receiver.check(init_at(6))->verdict == ChunkVerdict::fresh);
}

// ---- rate

TEST_CASE("more than 1.25 times max_kbps in 10 seconds of media is refused as a limit") {
  MediaFixture media;
  proto::Certificate fields = media.certificate();
  fields.max_kbps = 64;  // 100 000 octets in 10 s
  const auto valid = proto::issue_certificate(fields, media.root);
  Verifier verifier(media.root.public_key());
  StreamStore own(media.root.public_key(), {});
  REQUIRE(verifier.add_certificate(valid, media.now).ok());
  const ByteVector payload = octets(50'000);
  std::uint16_t part = 0;
  const auto offer = [&](std::uint64_t media_time_us, std::uint16_t track, ChunkSource source) {
    auto header = header_fields(valid, {10, part++}, media_time_us);
    header.track = track;
    return verifier.check_chunk(forge(header, payload, valid, media.session), track, source, own, media.now);
  };
  CHECK(offer(s_to_us(5), 0, ChunkSource::live).ok());
  CHECK(offer(s_to_us(14), 1, ChunkSource::live).ok());
  SUBCASE("tracks count together, wherever the 10 seconds begin") {
    CHECK(offer(s_to_us(9), 0, ChunkSource::live).error().wire == Wire::limit);
    CHECK(offer(s_to_us(14) + 900'000, 0, ChunkSource::live).error().wire == Wire::limit);
  }
  SUBCASE("what lies 10 seconds apart does not count together") {
    CHECK(offer(s_to_us(24), 0, ChunkSource::live).ok());
  }
  SUBCASE("answers to FETCH are not counted") {
    CHECK(offer(s_to_us(9), 0, ChunkSource::fetch_answer).ok());
    CHECK(offer(s_to_us(24), 0, ChunkSource::live).ok());
  }
}

TEST_CASE("a repeat of a known chunk is not counted towards the rate") {
  MediaFixture media;
  proto::Certificate fields = media.certificate();
  fields.max_kbps = 64;
  const auto valid = proto::issue_certificate(fields, media.root);
  Verifier verifier(media.root.public_key());
  StreamStore own(media.root.public_key(), {});
  REQUIRE(verifier.add_certificate(valid, media.now).ok());
  const auto chunk = forge(header_fields(valid, {10, 0}), octets(60'000), valid, media.session);
  auto first = verifier.check_chunk(chunk, 0, ChunkSource::live, own, media.now);
  own.put(*first->chunk, media.now);
  for (int i = 0; i < 5; ++i)
    CHECK(verifier.check_chunk(chunk, 0, ChunkSource::live, own, media.now)->verdict == ChunkVerdict::known);
  const auto next = forge(header_fields(valid, {10, 1}, part_us), octets(40'000), valid, media.session);
  CHECK(verifier.check_chunk(next, 0, ChunkSource::live, own, media.now).ok());
}

// ---- the chain of headers

TEST_CASE("the chain holds through INIT, GAP and END, and a chunk that was left out breaks it") {
  MediaFixture media;
  auto source = media.publication();
  std::vector<ChunkPtr> made = media.push(source, 5);
  PublicationPart gap = media.part(media.parts_made++);
  gap.flags = proto::gap;
  gap.payload = {};
  made.push_back(*source.push(gap, media.store, media.now));
  made.push_back((*source.end(media.store, media.now)).front());
  for (std::size_t left_out = 0; left_out <= made.size(); ++left_out) {
    Verifier verifier(media.root.public_key());
    StreamStore own(media.root.public_key(), {});
    REQUIRE(verifier.add_certificate(source.config().certificate, media.now).ok());
    int breaks = 0;
    for (std::size_t i = 0; i < made.size(); ++i) {
      if (i == left_out) continue;
      auto result = verifier.check_chunk(frame_of(*made[i]), 0, ChunkSource::live, own, media.now);
      REQUIRE(result.ok());
      if (result->chain_broken) ++breaks;
      own.put(*result->chunk, media.now);
    }
    CAPTURE(left_out);
    // Without INIT nothing is known before the first part; without the first part nothing tells it from a join.
    const bool seen = left_out >= 2 && left_out + 1 < made.size();
    CHECK(breaks == (seen ? 1 : 0));
  }
}

TEST_CASE("joining in mid-epoch is no break, and INIT again on a join is none either") {
  MediaFixture media;
  auto source = media.publication();
  const std::vector<ChunkPtr> made = media.push(source, 9);
  Verifier verifier(media.root.public_key());
  StreamStore own(media.root.public_key(), {});
  REQUIRE(verifier.add_certificate(source.config().certificate, media.now).ok());
  for (const std::size_t i : {0, 6, 7, 8}) {
    auto result = verifier.check_chunk(frame_of(*made[i]), 0, ChunkSource::live, own, media.now);
    REQUIRE(result.ok());
    CHECK_FALSE(result->chain_broken);
    own.put(*result->chunk, media.now);
  }
}

// ---- slices

TEST_CASE("a slice with an index out of range, too long, too short or with other octets is a bad slice") {
  Receiver receiver;
  const ChunkPtr chunk = receiver.accept(receiver.chunk_at({10, 0}));
  const ByteView payload = receiver.payload;
  const auto refusal = [&](std::uint16_t index, ByteView data) {
    const auto result = receiver.verifier.check_slice(*chunk, index, data);
    return result.ok() ? Wire::none : result.error().wire;
  };
  CHECK(refusal(0, payload.first(16384)) == Wire::none);
  CHECK(refusal(2, payload.subspan(32768)) == Wire::none);
  CHECK(refusal(3, payload.first(16384)) == Wire::bad_slice);
  CHECK(refusal(0, payload.first(16385)) == Wire::bad_slice);
  CHECK(refusal(0, payload.first(16383)) == Wire::bad_slice);
  CHECK(refusal(2, payload.first(16384)) == Wire::bad_slice);
  CHECK(refusal(1, payload.first(16384)) == Wire::bad_slice);
  ByteVector bent(payload.begin(), payload.begin() + 16384);
  bent[9000] ^= 1;
  CHECK(refusal(0, bent) == Wire::bad_slice);
}
