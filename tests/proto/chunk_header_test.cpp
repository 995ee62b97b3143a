// The chunk header: every form that is refused with 2 or 4, every lie that is refused with 5, and the equivocation
// proof.
#include <doctest/doctest.h>

#include "proto/fixtures.hpp"

using namespace streamr;
using namespace streamr::proto;
using namespace streamr::proto::test;

namespace {

// Signed as it is, so that nothing but the form can be the reason.
Wire form_of(const ChunkHeader& fields) {
  const auto read = parse_chunk_header(sign_chunk_header(fields, session_key()).raw);
  return read ? Wire::none : read.error().wire;
}
ByteVector raw_with(std::size_t at, std::uint8_t octet) {
  const auto raw = chunk().header.raw;
  ByteVector out(raw.begin(), raw.end());
  out.at(at) = octet;
  return out;
}
Wire form_of(const ByteVector& raw) {
  const auto read = parse_chunk_header(raw);
  return read ? Wire::none : read.error().wire;
}
ChunkHeader sized(std::uint32_t payload_length, std::uint8_t slice_log2, std::uint16_t slice_count) {
  ChunkHeader fields = chunk().header;
  fields.payload_length = payload_length;
  fields.slice_log2 = slice_log2;
  fields.slice_count = slice_count;
  return fields;
}
ChunkHeader empty_with(std::uint8_t flags) {
  ChunkHeader fields = sized(0, 14, 0);
  fields.flags = flags;
  fields.merkle_root = crypto::sha256({});
  return fields;
}
Wire trust_of(ChunkHeader fields, const Certificate& held = certificate()) {
  fields = sign_chunk_header(fields, session_key());
  REQUIRE(parse_chunk_header(fields.raw).ok());
  const Status verdict = verify_chunk_header(fields, held);
  return verdict ? Wire::none : verdict.error().wire;
}

}  // namespace

TEST_CASE("a chunk header comes back with every field that was issued") {
  const ChunkHeader made = chunk().header;
  const auto read = parse_chunk_header(made.raw);
  REQUIRE(read.ok());
  CHECK(read->raw == made.raw);
  CHECK(read->flags == independent);
  CHECK(read->stream_id == made.stream_id);
  CHECK(read->epoch == 77);
  CHECK(read->track == 1);
  CHECK(read->part == 3);
  CHECK(read->duration_us == 500'000);
  CHECK(read->segment == 42);
  CHECK(read->media_time_us == 21'000'000);
  CHECK(read->capture_time_us == made.capture_time_us);
  CHECK(read->payload_length == 40'000);
  CHECK(read->slice_log2 == 14);
  CHECK(read->content_type == ContentType::cmaf);
  CHECK(read->slice_count == 3);
  CHECK(read->merkle_root == made.merkle_root);
  CHECK(read->prev_header_hash.is_zero());
  CHECK(read->cert_id == certificate().id());
  CHECK(read->signature == made.signature);
  CHECK(verify_chunk_header(*read, certificate()).ok());
}

TEST_CASE("chunk header of the wrong length, magic, version or algorithm: refused with 2") {
  CHECK(form_of(ByteVector(223)) == Wire::malformed);
  CHECK(form_of(ByteVector(225)) == Wire::malformed);
  CHECK(form_of(raw_with(0, 'X')) == Wire::malformed);
  CHECK(form_of(raw_with(4, 2)) == Wire::malformed);
  CHECK(form_of(raw_with(5, 2)) == Wire::malformed);
  CHECK(form_of(raw_with(6, 2)) == Wire::malformed);
}

TEST_CASE("chunk content type outside 1 to 3: refused with 2") {
  CHECK(form_of(raw_with(85, 0)) == Wire::malformed);
  CHECK(form_of(raw_with(85, 4)) == Wire::malformed);
  CHECK(form_of(raw_with(85, 3)) == Wire::none);
}

TEST_CASE("slice_count that is not the rounded-up quotient: refused with 2") {
  CHECK(form_of(sized(40'000, 14, 3)) == Wire::none);
  CHECK(form_of(sized(40'000, 14, 2)) == Wire::malformed);
  CHECK(form_of(sized(40'000, 14, 4)) == Wire::malformed);
  CHECK(form_of(sized(40'000, 14, 0)) == Wire::malformed);
  CHECK(form_of(sized(32'768, 14, 2)) == Wire::none);
  CHECK(form_of(sized(32'769, 14, 3)) == Wire::none);
}

TEST_CASE("slice_log2 outside 12 to 16: refused with 2") {
  CHECK(form_of(sized(2'048, 11, 1)) == Wire::malformed);
  CHECK(form_of(sized(2'048, 12, 1)) == Wire::none);
  CHECK(form_of(sized(65'536, 16, 1)) == Wire::none);
  CHECK(form_of(sized(65'536, 17, 1)) == Wire::malformed);
  CHECK(form_of(sized(65'536, 255, 1)) == Wire::malformed);
}

TEST_CASE("a chunk of 16 MiB passes, a larger one is refused with 4") {
  CHECK(form_of(sized(16u << 20, 14, 1024)) == Wire::none);
  CHECK(form_of(sized((16u << 20) + 1, 14, 1025)) == Wire::limit);
  CHECK(form_of(sized((16u << 20) + 1, 16, 257)) == Wire::limit);
  CHECK(form_of(sized(UINT32_MAX, 14, 0)) == Wire::limit);
}

TEST_CASE("more than 1024 slices: refused with 4") {
  CHECK(form_of(sized(4u << 20, 12, 1024)) == Wire::none);
  CHECK(form_of(sized((4u << 20) + 1, 12, 1025)) == Wire::limit);
}

TEST_CASE("length 0 without GAP or END: refused with 2") {
  CHECK(form_of(empty_with(0)) == Wire::malformed);
  CHECK(form_of(empty_with(independent)) == Wire::malformed);
  CHECK(form_of(empty_with(gap)) == Wire::none);
  CHECK(form_of(empty_with(end)) == Wire::none);
}

TEST_CASE("GAP or END with bytes: refused with 2") {
  ChunkHeader fields = chunk().header;
  fields.flags = gap;
  CHECK(form_of(fields) == Wire::malformed);
  fields.flags = end;
  CHECK(form_of(fields) == Wire::malformed);
}

TEST_CASE("a duration of 60 s passes, a longer one is refused with 2") {
  ChunkHeader fields = chunk().header;
  fields.duration_us = 60'000'000;
  CHECK(form_of(fields) == Wire::none);
  fields.duration_us = 60'000'001;
  CHECK(form_of(fields) == Wire::malformed);
}

TEST_CASE("part 65535 without INIT, or INIT with another part: refused with 2") {
  ChunkHeader fields = chunk().header;
  fields.part = init_part;
  CHECK(form_of(fields) == Wire::malformed);
  fields.flags = init;
  CHECK(form_of(fields) == Wire::none);
  fields.part = 0;
  CHECK(form_of(fields) == Wire::malformed);
}

TEST_CASE("flag bits without a meaning are ignored") {
  ChunkHeader fields = chunk().header;
  fields.flags = independent | 64 | 128;
  CHECK(form_of(fields) == Wire::none);
}

TEST_CASE("chunk of another stream, certificate, epoch or track: refused with 5") {
  CHECK(trust_of(chunk().header) == Wire::none);
  ChunkHeader fields = chunk().header;
  fields.stream_id = viewer_key().public_key();
  CHECK(trust_of(fields) == Wire::authentication);
  fields = chunk().header;
  fields.cert_id.octets[7] ^= 1;
  CHECK(trust_of(fields) == Wire::authentication);
  fields = chunk().header;
  fields.epoch = 78;
  CHECK(trust_of(fields) == Wire::authentication);
  fields = chunk().header;
  fields.track = 4;
  CHECK(trust_of(fields) == Wire::authentication);
  fields.track = 33;
  CHECK(trust_of(fields) == Wire::authentication);
}

TEST_CASE("chunk of a segment below the certificate's first one: refused with 5") {
  ChunkHeader fields = chunk().header;
  fields.segment = 10;
  CHECK(trust_of(fields) == Wire::none);
  fields.segment = 9;
  CHECK(trust_of(fields) == Wire::authentication);
}

TEST_CASE("capture time more than 120 s outside the certificate: refused with 5") {
  ChunkHeader fields = chunk().header;
  fields.capture_time_us = s_to_us(start_s - 120);
  CHECK(trust_of(fields) == Wire::none);
  fields.capture_time_us -= 1;
  CHECK(trust_of(fields) == Wire::authentication);
  fields.capture_time_us = s_to_us(start_s + 86'400 + 120);
  CHECK(trust_of(fields) == Wire::none);
  fields.capture_time_us += 1;
  CHECK(trust_of(fields) == Wire::authentication);
}

TEST_CASE("certificate times near the ends of 64 bits do not wrap") {
  Certificate wide = certificate_fields();
  wide.not_before_s = UINT64_MAX - 10;
  wide.not_after_s = UINT64_MAX;
  wide = issue_certificate(wide, root_key());
  ChunkHeader fields = chunk().header;
  fields.cert_id = wide.id();
  CHECK(trust_of(fields, wide) == Wire::authentication);
  Certificate early = certificate_fields();
  early.not_before_s = 0;
  early.not_after_s = 1;
  early = issue_certificate(early, root_key());
  fields.cert_id = early.id();
  fields.capture_time_us = 0;
  CHECK(trust_of(fields, early) == Wire::none);
}

TEST_CASE("chunk that another key than the session's signed: refused with 5") {
  const ChunkHeader forged = sign_chunk_header(chunk().header, root_key());
  const Status verdict = verify_chunk_header(forged, certificate());
  REQUIRE_FALSE(verdict.ok());
  CHECK(verdict.error().wire == Wire::authentication);
  CHECK(verdict.error().status == STREAMR_E_SIGNATURE);
}

TEST_CASE("two headers of one place with other bytes are a proof") {
  const ChunkHeader first = chunk().header;
  ChunkHeader other = first;
  other.duration_us += 1;
  other = sign_chunk_header(other, session_key());
  const auto proof = [](const ChunkHeader& a, const ChunkHeader& b) {
    ByteVector out(a.raw.begin(), a.raw.end());
    out.insert(out.end(), b.raw.begin(), b.raw.end());
    return out;
  };
  CHECK(verify_equivocation(proof(first, other), certificate()).ok());
  CHECK_FALSE(verify_equivocation(proof(first, first), certificate()).ok());
  CHECK_FALSE(verify_equivocation(ByteView(proof(first, other)).first(447), certificate()).ok());
  CHECK_FALSE(verify_equivocation({}, certificate()).ok());

  ChunkHeader elsewhere = first;
  elsewhere.part += 1;
  CHECK_FALSE(verify_equivocation(proof(first, sign_chunk_header(elsewhere, session_key())), certificate()).ok());
  elsewhere = first;
  elsewhere.track = 0;
  CHECK_FALSE(verify_equivocation(proof(first, sign_chunk_header(elsewhere, session_key())), certificate()).ok());
  CHECK_FALSE(verify_equivocation(proof(first, sign_chunk_header(other, viewer_key())), certificate()).ok());
  CHECK_FALSE(verify_equivocation(proof(sign_chunk_header(other, viewer_key()), first), certificate()).ok());
}

TEST_CASE("a chunk without payload has the hash of nothing as its root") {
  ChunkHeader fields = chunk_fields();
  fields.flags = gap;
  std::vector<Hash> leaves;
  const ChunkHeader made = issue_chunk_header(fields, {}, certificate(), session_key(), leaves);
  CHECK(leaves.empty());
  CHECK(made.merkle_root == crypto::sha256({}));
  CHECK(made.slice_count == 0);
  CHECK(made.slice_bytes(0) == 0);
  CHECK(verify_chunk_header(*parse_chunk_header(made.raw), certificate()).ok());
}
