// Decides the keys, objects and small helpers that the tests of proto share.
// Never part of the library.
// Called by tests/proto and tests/fuzz/make_corpus.
#pragma once

#include <vector>

#include "proto/frames.hpp"

namespace streamr::proto::test {

inline crypto::KeyPair key_of(std::uint8_t octet) {
  std::array<std::uint8_t, 32> seed;
  seed.fill(octet);
  return crypto::KeyPair::from_seed(seed);
}
inline crypto::KeyPair root_key() {
  return key_of(1);
}
inline crypto::KeyPair session_key() {
  return key_of(2);
}
inline crypto::KeyPair viewer_key() {
  return key_of(3);
}
inline crypto::KeyPair relay_key() {
  return key_of(4);
}

constexpr std::uint64_t start_s = 1'760'000'000;

inline Certificate certificate_fields() {
  Certificate out;
  out.session_key = session_key().public_key();
  out.epoch = 77;
  out.not_before_s = start_s;
  out.not_after_s = start_s + 24 * 3600;
  out.track_mask = 0x0F;
  out.max_kbps = 25'000;
  out.serial = 7;
  out.min_segment = 10;
  return out;
}
inline Certificate certificate() {
  return issue_certificate(certificate_fields(), root_key());
}

inline ChunkHeader chunk_fields() {
  ChunkHeader out;
  out.flags = independent;
  out.stream_id = root_key().public_key();
  out.epoch = 77;
  out.track = 1;
  out.part = 3;
  out.duration_us = 500'000;
  out.segment = 42;
  out.media_time_us = 21'000'000;
  out.capture_time_us = s_to_us(start_s + 60);
  return out;
}
inline ByteVector payload_of(std::size_t size) {
  ByteVector out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::uint8_t>(i * 7 + (i >> 8));
  return out;
}
inline Chunk chunk(std::size_t payload_bytes = 40'000) {
  Chunk out;
  out.chunk_ref = 9;
  out.header = issue_chunk_header(chunk_fields(), payload_of(payload_bytes), certificate(), session_key(), out.leaves);
  return out;
}

inline Ticket ticket() {
  Ticket fields;
  fields.stream_id = root_key().public_key();
  fields.relay_key = relay_key().public_key();
  fields.viewer_key = viewer_key().public_key();
  fields.session_id.octets.fill(0xAA);
  fields.not_before_us = s_to_us(start_s);
  fields.not_after_us = s_to_us(start_s + 3600);
  fields.max_rate_bps = 1'250'000;
  fields.window_start_bytes = 262'144;
  fields.window_max_bytes = 8 << 20;
  return issue_ticket(fields, root_key());
}
inline Receipt receipt() {
  Receipt fields;
  fields.stream_id = root_key().public_key();
  fields.epoch = 77;
  fields.relay_key = relay_key().public_key();
  fields.viewer_key = viewer_key().public_key();
  fields.session_id.octets.fill(0xAA);
  fields.seq = 1;
  fields.bytes_ok = 40'000;
  return issue_receipt(fields, viewer_key());
}
inline Revocation revocation() {
  Revocation fields;
  fields.serial_max = 6;
  fields.at_s = start_s + 100;
  return issue_revocation(fields, root_key());
}

inline ByteVector frame_bytes(std::uint8_t type, std::uint16_t sub, ByteView payload, std::uint8_t flags = 0) {
  ByteVector out(8);
  out[0] = type;
  out[1] = flags;
  store_u16(out.data() + 2, sub);
  store_u32(out.data() + 4, static_cast<std::uint32_t>(payload.size()));
  out.insert(out.end(), payload.begin(), payload.end());
  return out;
}

// Reads a message of one frame; the error is the reader's or the decoder's.
inline Result<Frame> decode_message(ByteView message) {
  FrameReader reader(message);
  const auto raw = reader.next();
  if (!raw) return raw.error();
  if (!*raw) return fail(STREAMR_E_INVALID, "an empty message");
  return decode_frame(**raw);
}
inline Wire wire_of(ByteView message) {
  const auto frame = decode_message(message);
  return frame ? Wire::none : frame.error().wire;
}
// The same frame with other octets at one place of its payload.
inline ByteVector with(ByteVector frame, std::size_t payload_at, std::initializer_list<std::uint8_t> octets) {
  std::size_t at = frame_header_bytes + payload_at;
  for (std::uint8_t octet : octets) frame.at(at++) = octet;
  return frame;
}
// The same frame with more octets at the end.
inline ByteVector longer(ByteVector frame, const ByteVector& tail) {
  frame.insert(frame.end(), tail.begin(), tail.end());
  store_u32(frame.data() + 4, static_cast<std::uint32_t>(frame.size() - frame_header_bytes));
  return frame;
}
inline ByteVector shorter(ByteVector frame, std::size_t by = 1) {
  frame.resize(frame.size() - by);
  store_u32(frame.data() + 4, static_cast<std::uint32_t>(frame.size() - frame_header_bytes));
  return frame;
}
inline ByteVector tlv(std::uint16_t type, std::size_t size, std::uint8_t octet = 0) {
  ByteVector out(4 + size, octet);
  store_u16(out.data(), type);
  store_u16(out.data() + 2, static_cast<std::uint16_t>(size));
  return out;
}

}  // namespace streamr::proto::test
