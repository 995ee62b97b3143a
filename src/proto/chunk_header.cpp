#include <algorithm>

#include "proto/objects.hpp"
#include "proto/refusal.hpp"

namespace streamr::proto {

namespace {

constexpr std::size_t signed_header_bytes = 160;
constexpr std::uint8_t min_slice_log2 = 12;
constexpr std::uint8_t max_slice_log2 = 16;

std::uint64_t slices_of(std::uint64_t payload_length, std::uint8_t slice_log2) {
  const std::uint64_t slice = std::uint64_t{1} << slice_log2;
  return (payload_length + slice - 1) >> slice_log2;
}

Status check_kinds(ByteView bytes) {
  if (Status start = check_start("chunk header", bytes, ChunkHeader::size, "SRC1"); !start) return start;
  if (bytes[5] != 1) return malformed(expected_came("chunk header hash", 1, bytes[5]));
  if (bytes[6] != 1) return malformed(expected_came("chunk header signature algorithm", 1, bytes[6]));
  if (bytes[85] < 1 || bytes[85] > 3) {
    return malformed("chunk header content type: expected 1 to 3, came " + std::to_string(bytes[85]));
  }
  return {};
}

Status check_sizes(const ChunkHeader& header) {
  if (header.payload_length > limits::chunk_payload_bytes) {
    return over_limit("chunk payload: expected at most 16 MiB, came " + std::to_string(header.payload_length) +
                      " octets");
  }
  if (header.slice_log2 < min_slice_log2 || header.slice_log2 > max_slice_log2) {
    return malformed("chunk slice_log2: expected 12 to 16, came " + std::to_string(header.slice_log2));
  }
  const std::uint64_t slices = slices_of(header.payload_length, header.slice_log2);
  if (header.slice_count != slices) return malformed(expected_came("chunk slice_count", slices, header.slice_count));
  if (slices > limits::slices) return over_limit("chunk slices: expected at most 1024, came " + std::to_string(slices));
  return {};
}

Status check_meaning(const ChunkHeader& header) {
  const bool without_payload = header.has(gap) || header.has(end);
  if (without_payload && header.payload_length != 0) {
    return malformed(expected_came("chunk payload with GAP or END", 0, header.payload_length));
  }
  if (!without_payload && header.payload_length == 0) {
    return malformed("chunk payload: expected octets where neither GAP nor END is set, came none");
  }
  if (header.duration_us > limits::chunk_duration_us) {
    return malformed("chunk duration: expected at most 60 s, came " + std::to_string(header.duration_us) + " us");
  }
  if (header.has(init) != (header.part == init_part)) {
    return malformed("chunk part: expected 65535 exactly where INIT is set, came " + std::to_string(header.part));
  }
  return {};
}

std::uint64_t us_saturated(std::uint64_t seconds) {
  return seconds > UINT64_MAX / 1'000'000 ? UINT64_MAX : s_to_us(seconds);
}

bool captured_within(const ChunkHeader& header, const Certificate& certificate) {
  const std::uint64_t from = us_saturated(certificate.not_before_s);
  const std::uint64_t to = us_saturated(certificate.not_after_s);
  const std::uint64_t earliest = from > limits::clock_slack_us ? from - limits::clock_slack_us : 0;
  const std::uint64_t latest = to > UINT64_MAX - limits::clock_slack_us ? UINT64_MAX : to + limits::clock_slack_us;
  return header.capture_time_us >= earliest && header.capture_time_us <= latest;
}

void write_signed_part(ChunkHeader& header) {
  header.raw = {};
  std::uint8_t* at = header.raw.data();
  std::memcpy(at, "SRC1", 4);
  at[4] = at[5] = at[6] = 1;
  at[7] = header.flags;
  std::memcpy(at + 8, header.stream_id.data(), 32);
  store_u64(at + 40, header.epoch);
  store_u16(at + 48, header.track);
  store_u16(at + 50, header.part);
  store_u32(at + 52, header.duration_us);
  store_u64(at + 56, header.segment);
  store_u64(at + 64, header.media_time_us);
  store_u64(at + 72, header.capture_time_us);
  store_u32(at + 80, header.payload_length);
  at[84] = header.slice_log2;
  at[85] = static_cast<std::uint8_t>(header.content_type);
  store_u16(at + 86, header.slice_count);
  std::memcpy(at + 88, header.merkle_root.data(), 32);
  std::memcpy(at + 120, header.prev_header_hash.data(), 32);
  std::memcpy(at + 152, header.cert_id.data(), 8);
}

}  // namespace

Hash ChunkHeader::hash() const {
  return crypto::sha256(raw);
}

std::uint32_t ChunkHeader::slice_bytes(std::uint16_t index) const {
  const std::uint64_t start = std::uint64_t{index} << slice_log2;
  if (index >= slice_count || start >= payload_length) return 0;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(payload_length - start, std::uint64_t{1} << slice_log2));
}

Result<ChunkHeader> parse_chunk_header(ByteView bytes) {
  if (Status kinds = check_kinds(bytes); !kinds) return kinds.error();
  const std::uint8_t* at = bytes.data();
  ChunkHeader out;
  out.flags = at[7];
  out.stream_id = StreamId::copy(at + 8);
  out.epoch = load_u64(at + 40);
  out.track = load_u16(at + 48);
  out.part = load_u16(at + 50);
  out.duration_us = load_u32(at + 52);
  out.segment = load_u64(at + 56);
  out.media_time_us = load_u64(at + 64);
  out.capture_time_us = load_u64(at + 72);
  out.payload_length = load_u32(at + 80);
  out.slice_log2 = at[84];
  out.content_type = static_cast<ContentType>(at[85]);
  out.slice_count = load_u16(at + 86);
  out.merkle_root = Hash::copy(at + 88);
  out.prev_header_hash = Hash::copy(at + 120);
  out.cert_id = CertId::copy(at + 152);
  out.signature = Signature::copy(at + 160);
  std::copy_n(at, ChunkHeader::size, out.raw.begin());
  if (Status sizes = check_sizes(out); !sizes) return sizes.error();
  if (Status meaning = check_meaning(out); !meaning) return meaning.error();
  return out;
}

Status verify_chunk_header(const ChunkHeader& header, const Certificate& certificate) {
  if (header.stream_id != certificate.stream_id) {
    return untrusted("chunk: expected the certificate's stream, came another");
  }
  if (header.cert_id != certificate.id()) {
    return untrusted("chunk: expected the id of a certificate that is held, came another");
  }
  if (header.epoch != certificate.epoch) {
    return untrusted(expected_came("chunk epoch", certificate.epoch, header.epoch));
  }
  if (!certificate.allows_track(header.track)) {
    return untrusted("chunk track: expected one that the certificate allows, came " + std::to_string(header.track));
  }
  if (header.segment < certificate.min_segment) {
    return untrusted("chunk segment: expected at least " + std::to_string(certificate.min_segment) + ", came " +
                     std::to_string(header.segment));
  }
  if (!captured_within(header, certificate)) {
    return untrusted("chunk capture time: expected one within the certificate's times and 120 s, came " +
                     std::to_string(header.capture_time_us) + " us");
  }
  const ByteView signed_bytes = ByteView(header.raw).first(signed_header_bytes);
  if (!crypto::verify(certificate.session_key, crypto::prefix::chunk, signed_bytes, header.signature)) {
    return unsigned_by("chunk: expected the signature of the certificate's session key, came another");
  }
  return {};
}

ChunkHeader sign_chunk_header(ChunkHeader fields, const crypto::KeyPair& session) {
  write_signed_part(fields);
  fields.signature = session.sign(crypto::prefix::chunk, ByteView(fields.raw).first(signed_header_bytes));
  std::memcpy(fields.raw.data() + signed_header_bytes, fields.signature.data(), 64);
  return fields;
}

ChunkHeader issue_chunk_header(ChunkHeader fields, ByteView payload, const Certificate& certificate,
                               const crypto::KeyPair& session, std::vector<Hash>& leaves) {
  fields.slice_log2 = std::clamp(fields.slice_log2, min_slice_log2, max_slice_log2);
  const std::size_t slice = std::size_t{1} << fields.slice_log2;
  crypto::Hasher hasher;
  leaves.clear();
  leaves.reserve(slices_of(payload.size(), fields.slice_log2));
  for (std::size_t at = 0; at < payload.size(); at += slice) {
    leaves.push_back(crypto::leaf_hash(hasher, payload.subspan(at, std::min(slice, payload.size() - at))));
  }
  fields.payload_length = static_cast<std::uint32_t>(payload.size());
  fields.slice_count = static_cast<std::uint16_t>(leaves.size());
  fields.merkle_root = crypto::merkle_root(hasher, leaves);
  fields.cert_id = certificate.id();
  return sign_chunk_header(fields, session);
}

Status verify_equivocation(ByteView proof, const Certificate& certificate) {
  if (proof.size() != 2 * ChunkHeader::size) {
    return malformed(expected_came("equivocation proof length", 2 * ChunkHeader::size, proof.size()));
  }
  const auto first = parse_chunk_header(proof.first(ChunkHeader::size));
  if (!first) return first.error();
  const auto second = parse_chunk_header(proof.last(ChunkHeader::size));
  if (!second) return second.error();
  if (first->raw == second->raw)
    return malformed("equivocation proof: expected two different headers, came the same twice");
  if (first->stream_id != second->stream_id || first->epoch != second->epoch || first->track != second->track ||
      first->pos() != second->pos()) {
    return malformed("equivocation proof: expected two headers of one place, came two places");
  }
  if (Status verified = verify_chunk_header(*first, certificate); !verified) return verified;
  return verify_chunk_header(*second, certificate);
}

}  // namespace streamr::proto
