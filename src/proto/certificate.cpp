#include <algorithm>

#include "proto/objects.hpp"
#include "proto/refusal.hpp"

namespace streamr::proto {

namespace {

constexpr std::size_t signed_certificate_bytes = 120;
constexpr std::size_t signed_revocation_bytes = 56;
constexpr std::uint8_t algorithm_ed25519 = 1;

Status check_algorithm(std::string_view what, std::uint8_t came) {
  if (came == algorithm_ed25519) return {};
  return malformed(expected_came(std::string(what) + " signature algorithm", algorithm_ed25519, came));
}

}  // namespace

CertId Certificate::id() const {
  return CertId::copy(crypto::sha256(raw).data());
}

Result<Certificate> parse_certificate(ByteView bytes) {
  if (Status start = check_start("certificate", bytes, Certificate::size, "SRK1"); !start) return start.error();
  if (Status algorithm = check_algorithm("certificate", bytes[5]); !algorithm) return algorithm.error();
  const std::uint8_t* at = bytes.data();
  Certificate out;
  out.stream_id = StreamId::copy(at + 8);
  out.session_key = Key::copy(at + 40);
  out.epoch = load_u64(at + 72);
  out.not_before_s = load_u64(at + 80);
  out.not_after_s = load_u64(at + 88);
  out.track_mask = load_u32(at + 96);
  out.max_kbps = load_u32(at + 100);
  out.serial = load_u64(at + 104);
  out.min_segment = load_u64(at + 112);
  out.signature = Signature::copy(at + 120);
  std::copy_n(at, Certificate::size, out.raw.begin());
  return out;
}

Status verify_certificate(const Certificate& certificate) {
  if (certificate.not_after_s < certificate.not_before_s ||
      certificate.not_after_s - certificate.not_before_s > limits::certificate_s) {
    return untrusted("certificate: expected a life of at most 24 hours, came one from " +
                     std::to_string(certificate.not_before_s) + " to " + std::to_string(certificate.not_after_s));
  }
  const ByteView signed_bytes = ByteView(certificate.raw).first(signed_certificate_bytes);
  if (!crypto::verify(certificate.stream_id, crypto::prefix::certificate, signed_bytes, certificate.signature)) {
    return unsigned_by("certificate: expected the signature of the stream's root key, came another");
  }
  return {};
}

Certificate issue_certificate(Certificate fields, const crypto::KeyPair& root) {
  fields.stream_id = root.public_key();
  fields.raw = {};
  std::uint8_t* at = fields.raw.data();
  std::memcpy(at, "SRK1", 4);
  at[4] = 1;
  at[5] = algorithm_ed25519;
  std::memcpy(at + 8, fields.stream_id.data(), 32);
  std::memcpy(at + 40, fields.session_key.data(), 32);
  store_u64(at + 72, fields.epoch);
  store_u64(at + 80, fields.not_before_s);
  store_u64(at + 88, fields.not_after_s);
  store_u32(at + 96, fields.track_mask);
  store_u32(at + 100, fields.max_kbps);
  store_u64(at + 104, fields.serial);
  store_u64(at + 112, fields.min_segment);
  fields.signature = root.sign(crypto::prefix::certificate, ByteView(fields.raw).first(signed_certificate_bytes));
  std::memcpy(at + 120, fields.signature.data(), 64);
  return fields;
}

Result<Revocation> parse_revocation(ByteView bytes) {
  if (Status start = check_start("revocation", bytes, Revocation::size, "SRV1"); !start) return start.error();
  if (Status algorithm = check_algorithm("revocation", bytes[5]); !algorithm) return algorithm.error();
  const std::uint8_t* at = bytes.data();
  Revocation out;
  out.stream_id = StreamId::copy(at + 8);
  out.serial_max = load_u64(at + 40);
  out.at_s = load_u64(at + 48);
  out.signature = Signature::copy(at + 56);
  std::copy_n(at, Revocation::size, out.raw.begin());
  return out;
}

Status verify_revocation(const Revocation& revocation) {
  const ByteView signed_bytes = ByteView(revocation.raw).first(signed_revocation_bytes);
  if (!crypto::verify(revocation.stream_id, crypto::prefix::revocation, signed_bytes, revocation.signature)) {
    return unsigned_by("revocation: expected the signature of the stream's root key, came another");
  }
  return {};
}

Revocation issue_revocation(Revocation fields, const crypto::KeyPair& root) {
  fields.stream_id = root.public_key();
  fields.raw = {};
  std::uint8_t* at = fields.raw.data();
  std::memcpy(at, "SRV1", 4);
  at[4] = 1;
  at[5] = algorithm_ed25519;
  std::memcpy(at + 8, fields.stream_id.data(), 32);
  store_u64(at + 40, fields.serial_max);
  store_u64(at + 48, fields.at_s);
  fields.signature = root.sign(crypto::prefix::revocation, ByteView(fields.raw).first(signed_revocation_bytes));
  std::memcpy(at + 56, fields.signature.data(), 64);
  return fields;
}

}  // namespace streamr::proto
