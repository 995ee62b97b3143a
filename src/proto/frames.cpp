#include "proto/frames.hpp"

#include <algorithm>

#include "proto/refusal.hpp"

namespace streamr::proto {

namespace {

constexpr std::size_t welcome_signed_bytes = 96;

std::uint32_t payload_limit(std::uint8_t type) {
  return type == static_cast<std::uint8_t>(FrameType::chunk) ? limits::chunk_frame_bytes : limits::frame_payload_bytes;
}

std::array<std::uint8_t, 64> both(const Hash& hello_hash, const Hash& welcome_hash) {
  std::array<std::uint8_t, 64> out;
  std::memcpy(out.data(), hello_hash.data(), 32);
  std::memcpy(out.data() + 32, welcome_hash.data(), 32);
  return out;
}

}  // namespace

Result<std::optional<RawFrame>> FrameReader::next() {
  const ByteView message = rest_;
  rest_ = {};  // after an error there is nothing more to read
  if (message.empty()) return std::optional<RawFrame>();
  if (message.size() > limits::message_bytes) {
    return over_limit("message: expected at most 128 KiB, came " + std::to_string(message.size()) + " octets");
  }
  if (message.size() < frame_header_bytes) {
    return malformed(expected_came("frame header length", frame_header_bytes, message.size()));
  }
  RawFrame out;
  out.header.type = message[0];
  out.header.flags = message[1];
  out.header.sub = load_u16(message.data() + 2);
  out.header.length = load_u32(message.data() + 4);
  const std::uint32_t limit = payload_limit(out.header.type);
  if (out.header.length > limit) {
    return over_limit("frame payload: expected at most " + std::to_string(limit) + " octets, came " +
                      std::to_string(out.header.length));
  }
  const std::size_t available = message.size() - frame_header_bytes;
  if (out.header.length > available)
    return malformed(expected_came("frame payload length", out.header.length, available));
  out.payload = message.subspan(frame_header_bytes, out.header.length);
  rest_ = message.subspan(frame_header_bytes + out.header.length);
  return std::optional<RawFrame>(out);
}

Hash payload_hash(ByteView frame) {
  return crypto::sha256(frame.size() < frame_header_bytes ? ByteView() : frame.subspan(frame_header_bytes));
}

bool verify_welcome(const Welcome& welcome, ByteView payload, const Hash& hello_hash) {
  if (payload.size() < welcome_signed_bytes) return false;
  std::array<std::uint8_t, 32 + welcome_signed_bytes> signed_bytes;
  std::memcpy(signed_bytes.data(), hello_hash.data(), 32);
  std::memcpy(signed_bytes.data() + 32, payload.data(), welcome_signed_bytes);
  return crypto::verify(welcome.relay_key, crypto::prefix::handshake_server, signed_bytes, welcome.signature);
}

Signature sign_auth(const crypto::KeyPair& client, const Hash& hello_hash, const Hash& welcome_hash) {
  return client.sign(crypto::prefix::handshake_client, both(hello_hash, welcome_hash));
}

bool verify_auth(const Auth& auth, const Key& client, const Hash& hello_hash, const Hash& welcome_hash) {
  return crypto::verify(client, crypto::prefix::handshake_client, both(hello_hash, welcome_hash), auth.signature);
}

}  // namespace streamr::proto
