// Decides the bytes of the signed objects of protocol §2: certificate, chunk header, ticket, receipt, revocation.
// Never decides whether an object is wanted (that is core): parse checks form, verify_* checks signatures.
// Called by frames, core and capi. `raw` keeps the exact octets received, reserved ones included, since hashes cover them.
#pragma once

#include <array>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/types.hpp"
#include "crypto/crypto.hpp"

namespace streamr::proto {

struct Certificate {
  static constexpr std::size_t size = 184;
  StreamId stream_id;
  Key session_key;
  std::uint64_t epoch = 0;
  std::uint64_t not_before_s = 0;
  std::uint64_t not_after_s = 0;
  std::uint32_t track_mask = 0;
  std::uint32_t max_kbps = 0;
  std::uint64_t serial = 0;
  std::uint64_t min_segment = 0;
  Signature signature;
  std::array<std::uint8_t, size> raw{};

  CertId id() const;                                            // first 8 octets of H(raw)
  bool allows_track(std::uint16_t track) const { return track < 32 && ((track_mask >> track) & 1u); }
};
Result<Certificate> parse_certificate(ByteView bytes);          // [2] size, magic, version, algorithm
Status verify_certificate(const Certificate& certificate);      // [5] root signature, lifetime over 24 h or negative
Certificate issue_certificate(Certificate fields, const crypto::KeyPair& root);   // fills stream_id, signature, raw

enum ChunkFlag : std::uint8_t { independent = 1, init = 2, last_in_segment = 4, discontinuity = 8, gap = 16, end = 32 };
enum class ContentType : std::uint8_t { cmaf = 1, mpeg_ts = 2, opaque = 3 };

struct ChunkHeader {
  static constexpr std::size_t size = 224;
  std::uint8_t flags = 0;
  StreamId stream_id;
  std::uint64_t epoch = 0;
  std::uint16_t track = 0;
  std::uint16_t part = 0;
  std::uint32_t duration_us = 0;
  std::uint64_t segment = 0;
  std::uint64_t media_time_us = 0;
  std::uint64_t capture_time_us = 0;
  std::uint32_t payload_length = 0;
  std::uint8_t slice_log2 = limits::default_slice_log2;
  ContentType content_type = ContentType::cmaf;
  std::uint16_t slice_count = 0;
  Hash merkle_root;
  Hash prev_header_hash;
  CertId cert_id;
  Signature signature;
  std::array<std::uint8_t, size> raw{};

  bool has(ChunkFlag flag) const { return (flags & flag) != 0; }
  ChunkPos pos() const { return {segment, part}; }
  Hash hash() const;                                            // H(raw)
  std::uint32_t slice_bytes(std::uint16_t index) const;         // length that slice `index` must have
};
// [2] size, magic, version, algorithms, content type, slice_log2, slice_count ≠ ceil, lengths with and without GAP or END,
// duration > 60 s, part 65535 without INIT or the other way round; [4] payload_length > 16 MiB or slice_count > 1024.
// Whether the leaves give merkle_root (H("") for GAP and END) is the verifier's question: a wrong root is [10].
Result<ChunkHeader> parse_chunk_header(ByteView bytes);
// [5] epoch, stream, cert_id, track mask, min_segment, capture_time within the certificate ± 120 s, session signature.
Status verify_chunk_header(const ChunkHeader& header, const Certificate& certificate);
// Fills merkle_root, slice_count, payload_length, cert_id, signature, raw; `leaves` receives the leaf hashes. The caller
// keeps payloads within 16 MiB and 1024 slices; slice_log2 is brought into 12–16.
ChunkHeader issue_chunk_header(ChunkHeader fields, ByteView payload, const Certificate& certificate,
                               const crypto::KeyPair& session, std::vector<Hash>& leaves);
// Signs the fields as they are, also those that nobody would accept: fills signature and raw only.
ChunkHeader sign_chunk_header(ChunkHeader fields, const crypto::KeyPair& session);

struct Ticket {
  static constexpr std::size_t size = 248;
  std::uint8_t flags = 0;
  StreamId stream_id;
  std::uint64_t epoch = 0;
  Key relay_key;
  Key viewer_key;
  SessionId session_id;
  std::uint64_t not_before_us = 0;
  std::uint64_t not_after_us = 0;
  std::uint32_t max_rate_bps = 0;                               // bytes a second
  std::uint32_t window_start_bytes = 0;
  std::uint32_t window_max_bytes = 0;
  Signature signature;
  std::array<std::uint8_t, size> raw{};
};
Result<Ticket> parse_ticket(ByteView bytes);                    // [2] size, magic, version
Status verify_ticket(const Ticket& ticket, const Key& coordinator_key);   // [6] signature only
Ticket issue_ticket(Ticket fields, const crypto::KeyPair& coordinator);

struct Receipt {
  static constexpr std::size_t size = 272;
  std::uint8_t flags = 0;                                       // 1 FINAL
  StreamId stream_id;
  std::uint64_t epoch = 0;
  Key relay_key;
  Key viewer_key;
  SessionId session_id;
  std::uint32_t seq = 0;
  std::uint32_t interval_ms = 0;
  std::uint64_t bytes_ok = 0;
  std::uint64_t first_us = 0;
  std::uint64_t last_us = 0;
  std::uint64_t last_segment = 0;
  std::uint32_t slices_ok = 0;
  std::uint32_t slices_bad_or_late = 0;
  std::uint32_t ttfb_ms = 0;
  std::uint32_t stall_ms = 0;
  Signature signature;
  std::array<std::uint8_t, size> raw{};
};
Result<Receipt> parse_receipt(ByteView bytes);                  // [2] size, magic, version
Status verify_receipt(const Receipt& receipt);                  // [5] signature
Receipt issue_receipt(Receipt fields, const crypto::KeyPair& viewer);   // a viewer_key of zeros becomes the signer's

struct Revocation {
  static constexpr std::size_t size = 120;
  StreamId stream_id;
  std::uint64_t serial_max = 0;
  std::uint64_t at_s = 0;
  Signature signature;
  std::array<std::uint8_t, size> raw{};
};
Result<Revocation> parse_revocation(ByteView bytes);            // [2]
Status verify_revocation(const Revocation& revocation);         // [5]
Revocation issue_revocation(Revocation fields, const crypto::KeyPair& root);   // fills stream_id, signature, raw

// Two valid headers of one place with other bytes; 448 octets.
Status verify_equivocation(ByteView proof, const Certificate& certificate);

}  // namespace streamr::proto
