// The limits of protocol §3: what just fits passes, what is one more is refused with 4.
#include <doctest/doctest.h>

#include "proto/fixtures.hpp"

using namespace streamr;
using namespace streamr::proto;
using namespace streamr::proto::test;

namespace {

ByteVector header_only(std::uint8_t type, std::uint32_t length) {
  ByteVector out(8);
  out[0] = type;
  out[3] = 1;
  store_u32(out.data() + 4, length);
  return out;
}

}  // namespace

TEST_CASE("a frame payload over 65544 octets: refused with 4 from its header alone") {
  CHECK(wire_of(header_only(0x08, 65'544)) == Wire::malformed);  // within the limit, but cut
  CHECK(wire_of(header_only(0x08, 65'545)) == Wire::limit);
  CHECK(wire_of(header_only(0x90, 65'545)) == Wire::limit);
  CHECK(wire_of(header_only(0x0E, UINT32_MAX)) == Wire::limit);
  CHECK(wire_of(frame_bytes(0x08, 1, ByteVector(65'544))) == Wire::none);
  CHECK(wire_of(frame_bytes(0x08, 1, ByteVector(65'545))) == Wire::limit);
}

TEST_CASE("a CHUNK payload over 33000 octets: refused with 4 from its header alone") {
  CHECK(wire_of(header_only(0x07, 33'000)) == Wire::malformed);
  CHECK(wire_of(header_only(0x07, 33'001)) == Wire::limit);
  CHECK(wire_of(frame_bytes(0x07, 1, ByteVector(33'001))) == Wire::limit);
}

TEST_CASE("a CHUNK with 1024 leaves just fits") {
  ChunkHeader fields = chunk_fields();
  fields.payload_length = 16u << 20;
  fields.slice_count = 1024;
  Chunk full{1, sign_chunk_header(fields, session_key()), std::vector<Hash>(1024)};
  const ByteVector bytes = encode(full, 1);
  CHECK(bytes.size() == 8 + 33'000);
  CHECK(wire_of(bytes) == Wire::none);
}

TEST_CASE("a message over 128 KiB: refused with 4") {
  const ByteVector ping = encode(Ping{});
  ByteVector message;
  while (message.size() + ping.size() <= limits::message_bytes) message.insert(message.end(), ping.begin(), ping.end());
  FrameReader within(message);
  CHECK(within.next().ok());
  message.resize(limits::message_bytes + 1);
  FrameReader above(message);
  const auto first = above.next();
  REQUIRE_FALSE(first.ok());
  CHECK(first.error().wire == Wire::limit);
}

TEST_CASE("a decoder that is handed more than a frame may hold refuses it with 4") {
  const ByteVector big(65'545);
  const auto frame = decode_frame(RawFrame{{0x90, 0, 0, 65'545}, big});
  REQUIRE_FALSE(frame.ok());
  CHECK(frame.error().wire == Wire::limit);
  const auto chunk_frame = decode_frame(RawFrame{{0x07, 0, 1, 33'001}, ByteView(big).first(33'001)});
  REQUIRE_FALSE(chunk_frame.ok());
  CHECK(chunk_frame.error().wire == Wire::limit);
}

TEST_CASE("16 TLVs pass, the 17th is refused with 4") {
  ByteVector frame = encode(Ping{});
  for (int i = 0; i < 16; ++i) frame = longer(frame, tlv(0x8000, 2));
  CHECK(wire_of(frame) == Wire::none);
  CHECK(wire_of(longer(frame, tlv(0x8000, 2))) == Wire::limit);
}

TEST_CASE("a TLV of 1024 octets passes, a longer one is refused with 4") {
  CHECK(wire_of(longer(encode(Ping{}), tlv(0x8000, 1024))) == Wire::none);
  CHECK(wire_of(longer(encode(Ping{}), tlv(0x8000, 1025))) == Wire::limit);
  CHECK(wire_of(longer(encode(Ping{}), {0x80, 0, 0xFF, 0xFF})) == Wire::limit);
}

TEST_CASE("an address of 512 octets passes, a longer one is refused with 4") {
  ByteVector payload(8 + 512, 'a');
  store_u16(payload.data() + 2, 512);
  CHECK(wire_of(frame_bytes(0x10, 0, payload)) == Wire::none);
  payload.push_back('a');
  store_u16(payload.data() + 2, 513);
  CHECK(wire_of(frame_bytes(0x10, 0, payload)) == Wire::limit);
}

TEST_CASE("an error text of 256 octets passes, a longer one is refused with 4") {
  ByteVector payload(8 + 256, 'a');
  store_u16(payload.data() + 2, 256);
  CHECK(wire_of(frame_bytes(0x11, 0, payload)) == Wire::none);
  payload.push_back('a');
  store_u16(payload.data() + 2, 257);
  CHECK(wire_of(frame_bytes(0x11, 0, payload)) == Wire::limit);
}

TEST_CASE("a path of 4 entries passes, one of 5 is refused with 4") {
  SubOk ok;
  ok.certificate = certificate();
  ok.path.resize(4);
  const ByteVector four = encode(ok, 1);
  CHECK(wire_of(four) == Wire::none);
  CHECK(wire_of(with(longer(four, ByteVector(8)), 40, {5})) == Wire::limit);
  Have have;
  have.path.resize(4);
  const ByteVector four_more = encode(have);
  CHECK(wire_of(four_more) == Wire::none);
  CHECK(wire_of(with(longer(four_more, ByteVector(8)), 27, {5})) == Wire::limit);
}
