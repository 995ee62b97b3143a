// "Must be refused" of protocol §4, as far as it is a question of form: one named test for each, with its code.
#include <doctest/doctest.h>

#include "proto/fixtures.hpp"

using namespace streamr;
using namespace streamr::proto;
using namespace streamr::proto::test;

namespace {

ByteVector hello() {
  Hello out;
  out.peer_key = viewer_key().public_key();
  out.ticket = ticket();
  return encode(out);
}
ByteVector sub_ok(std::size_t path = 2) {
  SubOk out;
  out.certificate = certificate();
  out.path.resize(path);
  return encode(out, 1);
}
ByteVector have(std::size_t path = 1) {
  Have out;
  out.oldest = 5;
  out.newest = 9;
  out.path.resize(path);
  out.tracks = {{0, TrackKind::video, ContentType::cmaf, 8000}, {1, TrackKind::audio, ContentType::cmaf, 128}};
  return encode(out);
}
// One frame of each type that has a fixed part and may carry TLVs.
std::vector<ByteVector> extensible() {
  Welcome welcome;
  return {hello(),
          encode(welcome, Hash{}, relay_key()),
          encode(Auth{}),
          encode(Subscribe{}, 1),
          sub_ok(),
          encode(SubEnd{}, 1),
          encode(Drop{}, 1),
          encode(Fetch{}, 1),
          encode(Credit{}),
          encode(ReceiptAck{}),
          encode(Ping{}),
          encode(Pong{}),
          encode(GoAway{GoAwayCode::moved, 5, "wss://relay.example/relay"}),
          encode(ErrorFrame{Wire::limit, 0, "why"}),
          have()};
}
std::vector<ByteVector> rigid() {
  return {encode(chunk(), 1), encode(ReceiptFrame{receipt()}), encode(CertFrame{certificate()}),
          encode(Revoke{revocation()})};
}

}  // namespace

TEST_CASE("HELLO with another magic: refused with 2") {
  CHECK(wire_of(with(hello(), 3, {'2'})) == Wire::malformed);
}

TEST_CASE("HELLO of a role outside 1 to 3: refused with 2") {
  CHECK(wire_of(with(hello(), 12, {0})) == Wire::malformed);
  CHECK(wire_of(with(hello(), 12, {4})) == Wire::malformed);
  CHECK(wire_of(with(hello(), 12, {255})) == Wire::malformed);
  for (std::uint8_t role = 1; role <= 3; ++role) CHECK(wire_of(with(hello(), 12, {role})) == Wire::none);
}

TEST_CASE("HELLO with a ticket length other than 0 and 248: refused with 2") {
  CHECK(wire_of(with(hello(), 96, {0, 247})) == Wire::malformed);
  CHECK(wire_of(with(hello(), 96, {0, 249})) == Wire::malformed);
  CHECK(wire_of(with(hello(), 96, {0, 1})) == Wire::malformed);
  CHECK(wire_of(with(hello(), 96, {0xFF, 0xFF})) == Wire::malformed);
  CHECK(wire_of(shorter(hello(), 1)) == Wire::malformed);
  CHECK(wire_of(shorter(hello(), 248)) == Wire::malformed);
}

TEST_CASE("HELLO with a ticket of another magic or version: refused with 2") {
  CHECK(wire_of(with(hello(), 100, {'X'})) == Wire::malformed);
  CHECK(wire_of(with(hello(), 104, {2})) == Wire::malformed);
}

TEST_CASE("HELLO that offers other versions has a sound form; the overlap is judged with code 1 elsewhere") {
  const ByteVector bytes = with(hello(), 4, {0, 2, 0, 3});
  REQUIRE(wire_of(bytes) == Wire::none);
  CHECK(std::get<Hello>(decode_message(bytes)->body).version_min == 2);
}

TEST_CASE("reserved octets are ignored when read") {
  CHECK(wire_of(with(hello(), 13, {1, 2, 3})) == Wire::none);
  CHECK(wire_of(with(hello(), 98, {1, 2})) == Wire::none);
  CHECK(wire_of(with(encode(Subscribe{}, 1), 58, {1, 2, 3, 4, 5, 6})) == Wire::none);
  CHECK(wire_of(with(sub_ok(), 42, {9, 9})) == Wire::none);
  CHECK(wire_of(with(encode(SubEnd{}, 1), 2, {9, 9, 9, 9, 9, 9})) == Wire::none);
  CHECK(wire_of(with(encode(chunk(), 1), 4, {9, 9, 9, 9})) == Wire::none);
  CHECK(wire_of(with(encode(Fetch{}, 1), 22, {9, 9})) == Wire::none);
}

TEST_CASE("a message that ends inside a frame header or payload: refused with 2") {
  for (const ByteVector& frame : extensible()) {
    for (const std::size_t cut : {std::size_t{1}, std::size_t{7}, std::size_t{8}, frame.size() - 1}) {
      CAPTURE(int(frame[0]));
      CAPTURE(cut);
      CHECK(wire_of(ByteView(frame).first(cut)) == Wire::malformed);
    }
  }
}

TEST_CASE("octets behind the last whole frame: refused with 2") {
  ByteVector message = encode(Ping{});
  message.push_back(0x0E);
  FrameReader reader(message);
  CHECK(reader.next().ok());
  const auto rest = reader.next();
  REQUIRE_FALSE(rest.ok());
  CHECK(rest.error().wire == Wire::malformed);
  const auto after = reader.next();
  REQUIRE(after.ok());
  CHECK_FALSE(after->has_value());
}

TEST_CASE("a payload shorter than the fixed part: refused with 2") {
  for (std::uint8_t type = 0x01; type <= 0x14; ++type) {
    CAPTURE(int(type));
    CHECK(wire_of(frame_bytes(type, 1, {})) == Wire::malformed);
    CHECK(wire_of(frame_bytes(type, 1, ByteVector(7))) == Wire::malformed);
  }
  for (const ByteVector& frame : extensible()) {
    CAPTURE(int(frame[0]));
    CHECK(wire_of(shorter(frame)) == Wire::malformed);
  }
  for (const ByteVector& frame : rigid()) {
    CAPTURE(int(frame[0]));
    CHECK(wire_of(shorter(frame)) == Wire::malformed);
  }
}

TEST_CASE("a TLV that is not known and may not be ignored: refused with 2") {
  for (const ByteVector& frame : extensible()) {
    CAPTURE(int(frame[0]));
    CHECK(wire_of(longer(frame, tlv(0x0002, 3))) == Wire::malformed);
    CHECK(wire_of(longer(frame, tlv(0x7FFF, 0))) == Wire::malformed);
    CHECK(wire_of(longer(longer(frame, tlv(0x8000, 5)), tlv(0x0007, 0))) == Wire::malformed);
  }
}

TEST_CASE("a TLV that may be ignored is ignored") {
  for (const ByteVector& frame : extensible()) {
    CAPTURE(int(frame[0]));
    CHECK(wire_of(longer(frame, tlv(0x8000, 0))) == Wire::none);
    CHECK(wire_of(longer(longer(frame, tlv(0x8001, 1024)), tlv(0xFFFF, 1))) == Wire::none);
  }
}

TEST_CASE("a TLV that is cut: refused with 2") {
  for (const ByteVector& frame : extensible()) {
    CAPTURE(int(frame[0]));
    CHECK(wire_of(longer(frame, {0x80})) == Wire::malformed);
    CHECK(wire_of(longer(frame, {0x80, 0, 0})) == Wire::malformed);
    CHECK(wire_of(longer(frame, {0x80, 0, 0, 2, 1})) == Wire::malformed);
  }
}

TEST_CASE("CHUNK, RECEIPT, CERT and REVOKE with anything behind them: refused with 2") {
  for (const ByteVector& frame : rigid()) {
    CAPTURE(int(frame[0]));
    CHECK(wire_of(frame) == Wire::none);
    CHECK(wire_of(longer(frame, {0})) == Wire::malformed);
    CHECK(wire_of(longer(frame, tlv(0x8000, 0))) == Wire::malformed);
  }
}

TEST_CASE("an unknown type below 0x80: refused with 3") {
  for (const unsigned type : {0x00u, 0x15u, 0x40u, 0x7Fu}) {
    CAPTURE(type);
    CHECK(wire_of(frame_bytes(static_cast<std::uint8_t>(type), 0, {})) == Wire::unknown_critical);
  }
}

TEST_CASE("an unknown type from 0x80 on is ignored whatever it carries") {
  for (const unsigned type : {0x80u, 0xC3u, 0xFFu}) {
    const auto frame = decode_message(frame_bytes(static_cast<std::uint8_t>(type), 0, ByteVector(50, 0xEE), 0xFF));
    REQUIRE(frame.ok());
    CHECK(std::holds_alternative<Ignored>(frame->body));
  }
}

TEST_CASE("sub 0 on a frame that carries one: refused with 2") {
  for (const ByteVector& frame : {encode(Subscribe{}, 0), encode(SubEnd{}, 0), encode(chunk(), 0), encode(Slice{}, 0),
                                  encode(Drop{}, 0), encode(Fetch{}, 0)}) {
    CAPTURE(int(frame[0]));
    CHECK(wire_of(frame) == Wire::malformed);
  }
  ByteVector ok = sub_ok();
  ok[2] = ok[3] = 0;
  CHECK(wire_of(ok) == Wire::malformed);
}

TEST_CASE("SUBSCRIBE with a start outside 0 to 3: refused with 2") {
  CHECK(wire_of(with(encode(Subscribe{}, 1), 42, {3})) == Wire::none);
  CHECK(wire_of(with(encode(Subscribe{}, 1), 42, {4})) == Wire::malformed);
}

TEST_CASE("CHUNK whose leaves are not as many as its slice_count: refused with 2") {
  const ByteVector frame = encode(chunk(), 1);
  CHECK(wire_of(shorter(frame, 32)) == Wire::malformed);
  CHECK(wire_of(longer(frame, ByteVector(32))) == Wire::malformed);
  CHECK(wire_of(shorter(frame, 96)) == Wire::malformed);
}

TEST_CASE("CHUNK whose header has another magic, version or algorithm: refused with 2") {
  const ByteVector frame = encode(chunk(), 1);
  for (const std::size_t at : {8u, 12u, 13u, 14u}) {
    CAPTURE(at);
    CHECK(wire_of(with(frame, at, {9})) == Wire::malformed);
  }
}

TEST_CASE("CERT, SUB_OK and REVOKE whose object has another magic, version or algorithm: refused with 2") {
  for (const std::size_t at : {0u, 4u, 5u}) {
    CAPTURE(at);
    CHECK(wire_of(with(encode(CertFrame{certificate()}), at, {9})) == Wire::malformed);
    CHECK(wire_of(with(sub_ok(), 48 + at, {9})) == Wire::malformed);
    CHECK(wire_of(with(encode(Revoke{revocation()}), at, {9})) == Wire::malformed);
  }
}

TEST_CASE("RECEIPT with another magic or version: refused with 2") {
  CHECK(wire_of(with(encode(ReceiptFrame{receipt()}), 0, {9})) == Wire::malformed);
  CHECK(wire_of(with(encode(ReceiptFrame{receipt()}), 4, {2})) == Wire::malformed);
}

TEST_CASE("HAVE whose newest is below its oldest: refused with 2") {
  CHECK(wire_of(with(have(), 16, {0, 0, 0, 0, 0, 0, 0, 5})) == Wire::none);
  CHECK(wire_of(with(have(), 16, {0, 0, 0, 0, 0, 0, 0, 4})) == Wire::malformed);
}

TEST_CASE("HAVE with a path that its payload does not hold: refused with 2") {
  CHECK(wire_of(with(encode(Have{}), 27, {1})) == Wire::malformed);
}

TEST_CASE("HAVE with TRACKS that make no sense: refused with 2") {
  const ByteVector bare = encode(Have{});
  CHECK(wire_of(longer(bare, tlv(1, 0))) == Wire::none);
  CHECK(wire_of(longer(bare, tlv(1, 7, 1))) == Wire::malformed);
  CHECK(wire_of(longer(bare, {0, 1, 0, 8, 0, 31, 1, 1, 0, 0, 0, 0})) == Wire::none);
  CHECK(wire_of(longer(bare, {0, 1, 0, 8, 0, 32, 1, 1, 0, 0, 0, 0})) == Wire::malformed);
  CHECK(wire_of(longer(bare, {0, 1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0})) == Wire::malformed);
  CHECK(wire_of(longer(bare, {0, 1, 0, 8, 0, 0, 5, 1, 0, 0, 0, 0})) == Wire::malformed);
  CHECK(wire_of(longer(bare, {0, 1, 0, 8, 0, 0, 1, 0, 0, 0, 0, 0})) == Wire::malformed);
  CHECK(wire_of(longer(bare, {0, 1, 0, 8, 0, 0, 1, 4, 0, 0, 0, 0})) == Wire::malformed);
  CHECK(wire_of(longer(bare, {0, 1, 0, 16, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0})) == Wire::malformed);
  CHECK(wire_of(longer(have(), tlv(1, 8, 1))) == Wire::malformed);
}

TEST_CASE("HAVE that says nothing yet has neither oldest nor newest") {
  ByteVector bytes = have();
  bytes[1] = flag_nothing_yet;
  const Have got = std::get<Have>(decode_message(bytes)->body);
  CHECK(got.nothing_yet);
  CHECK(got.oldest == 0);
  CHECK(got.newest == 0);
}

TEST_CASE("ERROR and GOAWAY whose text is no UTF-8 or is not there: refused with 2") {
  CHECK(wire_of(with(encode(ErrorFrame{Wire::limit, 0, "why"}), 8, {0xFF})) == Wire::malformed);
  CHECK(wire_of(with(encode(ErrorFrame{Wire::limit, 0, "why"}), 2, {0, 4})) == Wire::malformed);
  CHECK(wire_of(with(encode(GoAway{GoAwayCode::load, 0, "ws://a"}), 2, {0, 7})) == Wire::malformed);
}

TEST_CASE("codes that this version has no name for are kept") {
  CHECK(std::get<SubEnd>(decode_message(with(encode(SubEnd{}, 1), 0, {0, 9}))->body).code ==
        static_cast<SubEndCode>(9));
  CHECK(std::get<Drop>(decode_message(with(encode(Drop{}, 1), 4, {1, 0}))->body).reason ==
        static_cast<DropReason>(256));
  CHECK(std::get<ErrorFrame>(decode_message(with(encode(ErrorFrame{}), 0, {0, 99}))->body).code ==
        static_cast<Wire>(99));
}
