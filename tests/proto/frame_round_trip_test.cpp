// Every frame that can be written is read back with the same fields and written again with the same octets.
#include <doctest/doctest.h>

#include "base/prng.hpp"
#include "proto/fixtures.hpp"

using namespace streamr;
using namespace streamr::proto;
using namespace streamr::proto::test;

namespace {

constexpr std::uint64_t seed = 20260107;
constexpr int rounds = 200;

// Random fields, each drawn over its whole range.
struct Draw {
  explicit Draw(std::uint64_t from) : prng(from) {}
  std::uint64_t u64() { return prng.chance(0.2) ? UINT64_MAX - prng.below(3) : prng.next(); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(u64()); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(u64()); }
  std::uint16_t sub() { return static_cast<std::uint16_t>(prng.between(1, 65'535)); }
  std::uint8_t u8() { return static_cast<std::uint8_t>(u64()); }
  template <class Fixed>
  Fixed fixed() {
    Fixed out;
    for (auto& octet : out.octets) octet = static_cast<std::uint8_t>(prng.next());
    return out;
  }
  std::vector<PathEntry> path() {
    std::vector<PathEntry> out(prng.below(5));
    for (auto& entry : out) entry = fixed<PathEntry>();
    return out;
  }
  std::string text(std::size_t max) {
    std::string out(prng.below(max + 1), 'x');
    for (char& c : out) c = static_cast<char>(prng.between(1, 127));
    return out;
  }

  Prng prng;
};

template <class T, class Encode>
T read_back(const ByteVector& bytes, Encode again) {
  const auto frame = decode_message(bytes);
  REQUIRE_MESSAGE(frame.ok(), (frame ? "" : frame.error().text));
  REQUIRE(std::holds_alternative<T>(frame->body));
  const T body = std::get<T>(frame->body);
  CHECK(to_hex(again(body)) == to_hex(bytes));
  return body;
}

}  // namespace

TEST_CASE("HELLO with and without a ticket comes back as it was sent") {
  Draw draw(seed);
  for (int i = 0; i < rounds; ++i) {
    Hello sent;
    sent.version_min = draw.u16();
    sent.version_max = draw.u16();
    sent.features = draw.u32();
    sent.role = static_cast<Role>(draw.prng.between(1, 3));
    sent.peer_key = draw.fixed<Key>();
    sent.nonce = draw.fixed<Nonce>();
    sent.recv_limit = draw.u64();
    sent.unix_us = draw.u64();
    if (draw.prng.chance(0.5)) sent.ticket = ticket();
    const Hello got = read_back<Hello>(encode(sent), [](const Hello& h) { return encode(h); });
    CHECK(got.version_min == sent.version_min);
    CHECK(got.version_max == sent.version_max);
    CHECK(got.role == sent.role);
    CHECK(got.peer_key == sent.peer_key);
    CHECK(got.recv_limit == sent.recv_limit);
    CHECK(got.ticket.has_value() == sent.ticket.has_value());
    if (got.ticket) CHECK(got.ticket->raw == sent.ticket->raw);
  }
}

TEST_CASE("WELCOME and AUTH come back and hold for their handshake only") {
  Draw draw(seed);
  for (int i = 0; i < 20; ++i) {
    Welcome sent;
    sent.load_pct = static_cast<std::uint8_t>(draw.prng.below(101));
    sent.features = draw.u32();
    sent.nonce = draw.fixed<Nonce>();
    sent.unix_us = draw.u64();
    sent.recv_limit = draw.u64();
    sent.window = draw.u32();
    const Hash hello_hash = draw.fixed<Hash>();
    const ByteVector bytes = encode(sent, hello_hash, relay_key());
    const Welcome got = read_back<Welcome>(bytes, [&](Welcome w) { return encode(w, hello_hash, relay_key()); });
    CHECK(got.window == sent.window);
    CHECK(got.recv_limit == sent.recv_limit);
    CHECK(verify_welcome(got, ByteView(bytes).subspan(8), hello_hash));
    CHECK_FALSE(verify_welcome(got, ByteView(bytes).subspan(8), draw.fixed<Hash>()));
    CHECK_FALSE(verify_welcome(got, ByteView(bytes).subspan(8, 95), hello_hash));
    ByteVector touched = bytes;
    touched[8 + 2] ^= 1;  // a reserved octet is ignored when read, yet signed
    CHECK_FALSE(verify_welcome(got, ByteView(touched).subspan(8), hello_hash));

    const Auth auth{sign_auth(viewer_key(), hello_hash, payload_hash(bytes))};
    const Auth back = read_back<Auth>(encode(auth), [](const Auth& a) { return encode(a); });
    CHECK(verify_auth(back, viewer_key().public_key(), hello_hash, payload_hash(bytes)));
    CHECK_FALSE(verify_auth(back, relay_key().public_key(), hello_hash, payload_hash(bytes)));
    CHECK_FALSE(verify_auth(back, viewer_key().public_key(), hello_hash, payload_hash(touched)));
  }
}

TEST_CASE("SUBSCRIBE, SUB_OK and SUB_END come back as they were sent") {
  Draw draw(seed);
  for (int i = 0; i < rounds; ++i) {
    const std::uint16_t sub = draw.sub();
    Subscribe ask;
    ask.headers_only = draw.prng.chance(0.5);
    ask.stream_id = draw.fixed<Key>();
    ask.epoch = draw.u64();
    ask.track = draw.u16();
    ask.start = static_cast<Start>(draw.prng.below(4));
    ask.priority = draw.u8();
    ask.max_latency_ms = draw.u32();
    ask.segment = draw.u64();
    ask.part = draw.u16();
    const Subscribe asked = read_back<Subscribe>(encode(ask, sub), [&](const Subscribe& s) { return encode(s, sub); });
    CHECK(asked.headers_only == ask.headers_only);
    CHECK(asked.start == ask.start);
    CHECK(asked.segment == ask.segment);
    CHECK(decode_message(encode(ask, sub))->header.sub == sub);

    SubOk ok;
    ok.epoch = draw.u64();
    ok.live_segment = draw.u64();
    ok.live_part = draw.u16();
    ok.track = draw.u16();
    ok.part_target_us = draw.u32();
    ok.kbps = draw.u32();
    ok.retain_ms = draw.u32();
    ok.oldest_segment = draw.u64();
    ok.target_duration_s = draw.u8();
    ok.discontinuity = draw.u32();
    ok.certificate = certificate();
    ok.path = draw.path();
    const SubOk got = read_back<SubOk>(encode(ok, sub), [&](const SubOk& s) { return encode(s, sub); });
    CHECK(got.path == ok.path);
    CHECK(got.certificate.raw == ok.certificate.raw);
    CHECK(got.discontinuity == ok.discontinuity);
    CHECK(got.target_duration_s == ok.target_duration_s);

    const SubEnd ended{static_cast<SubEndCode>(draw.prng.below(5)), draw.u64()};
    const SubEnd end_read = read_back<SubEnd>(encode(ended, sub), [&](const SubEnd& s) { return encode(s, sub); });
    CHECK(end_read.code == ended.code);
    CHECK(end_read.last_segment == ended.last_segment);
  }
}

TEST_CASE("CHUNK and SLICE come back, and their pieces make the same frames") {
  Draw draw(seed);
  for (const std::size_t payload : {1u, 16'384u, 16'385u, 200'000u}) {
    Chunk sent = chunk(payload);
    sent.chunk_ref = draw.u32();
    const std::uint16_t sub = draw.sub();
    const ByteVector bytes = encode(sent, sub);
    const Chunk got = read_back<Chunk>(bytes, [&](const Chunk& c) { return encode(c, sub); });
    CHECK(got.chunk_ref == sent.chunk_ref);
    CHECK(got.leaves == sent.leaves);
    CHECK(got.header.raw == sent.header.raw);
    const auto prefix = chunk_frame_prefix(sub, sent.chunk_ref, sent.leaves.size());
    CHECK(to_hex(prefix) == to_hex(ByteView(bytes).first(16)));
  }
  for (const std::size_t size : {0u, 1u, 16'384u, 65'536u}) {
    const ByteVector data = payload_of(size);
    const Slice sent{draw.u32(), draw.u16(), data};
    const std::uint16_t sub = draw.sub();
    const ByteVector bytes = encode(sent, sub);
    const Slice got = read_back<Slice>(bytes, [&](const Slice& s) { return encode(s, sub); });
    CHECK(got.index == sent.index);
    CHECK(got.data.size() == size);
    CHECK(to_hex(slice_frame_prefix(sub, sent.chunk_ref, sent.index, size)) == to_hex(ByteView(bytes).first(16)));
  }
}

TEST_CASE("DROP, FETCH, CREDIT, PING, PONG and RECEIPT_ACK come back as they were sent") {
  Draw draw(seed);
  for (int i = 0; i < rounds; ++i) {
    const std::uint16_t sub = draw.sub();
    const Drop drop{draw.u32(), static_cast<DropReason>(draw.prng.between(1, 4)), draw.u16(), draw.u64()};
    CHECK(read_back<Drop>(encode(drop, sub), [&](const Drop& d) { return encode(d, sub); }).segment == drop.segment);
    const Fetch fetch{draw.u64(), draw.u64(), draw.u16(), draw.u16(), draw.u16()};
    CHECK(read_back<Fetch>(encode(fetch, sub), [&](const Fetch& f) { return encode(f, sub); }).count == fetch.count);
    const Credit credit{draw.u64()};
    CHECK(read_back<Credit>(encode(credit), [](const Credit& c) { return encode(c); }).limit == credit.limit);
    const Ping ping{draw.u64(), draw.u64()};
    CHECK(read_back<Ping>(encode(ping), [](const Ping& p) { return encode(p); }).opaque == ping.opaque);
    const Pong pong{draw.u64(), draw.u64()};
    CHECK(read_back<Pong>(encode(pong), [](const Pong& p) { return encode(p); }).unix_us == pong.unix_us);
    const ReceiptAck ack{draw.u32(), draw.u32(), draw.u64()};
    CHECK(read_back<ReceiptAck>(encode(ack), [](const ReceiptAck& a) { return encode(a); }).counted == ack.counted);
  }
}

TEST_CASE("RECEIPT, CERT and REVOKE carry their objects untouched") {
  CHECK(read_back<ReceiptFrame>(encode(ReceiptFrame{receipt()}), [](const ReceiptFrame& r) {
          return encode(r);
        }).receipt.raw == receipt().raw);
  CHECK(read_back<CertFrame>(encode(CertFrame{certificate()}), [](const CertFrame& c) {
          return encode(c);
        }).certificate.raw == certificate().raw);
  CHECK(read_back<Revoke>(encode(Revoke{revocation()}), [](const Revoke& r) { return encode(r); }).revocation.raw ==
        revocation().raw);
}

TEST_CASE("GOAWAY and ERROR come back with their text") {
  Draw draw(seed);
  for (int i = 0; i < rounds; ++i) {
    const GoAway away{static_cast<GoAwayCode>(draw.prng.below(3)), draw.u32(), draw.text(512)};
    const GoAway got = read_back<GoAway>(encode(away), [](const GoAway& g) { return encode(g); });
    CHECK(got.uri == away.uri);
    CHECK(got.drain_ms == away.drain_ms);
    const ErrorFrame error{static_cast<Wire>(draw.prng.between(1, 13)), draw.u32(), draw.text(256)};
    const ErrorFrame read = read_back<ErrorFrame>(encode(error), [](const ErrorFrame& e) { return encode(e); });
    CHECK(read.code == error.code);
    CHECK(read.text == error.text);
  }
}

TEST_CASE("HAVE comes back with its path and tracks") {
  Draw draw(seed);
  for (int i = 0; i < rounds; ++i) {
    Have sent;
    sent.nothing_yet = draw.prng.chance(0.2);
    sent.epoch = draw.u64();
    sent.oldest = sent.nothing_yet ? 0 : draw.prng.below(1000);
    sent.newest = sent.nothing_yet ? 0 : sent.oldest + draw.prng.below(1000);
    sent.newest_part = draw.u16();
    sent.load_pct = draw.u8();
    sent.free_kbps = draw.u32();
    sent.stream_id = draw.fixed<Key>();
    sent.path = draw.path();
    const std::uint16_t tracks = static_cast<std::uint16_t>(draw.prng.below(33));
    for (std::uint16_t track = 0; track < tracks; ++track) {
      sent.tracks.push_back({track, static_cast<TrackKind>(draw.prng.between(1, 4)),
                             static_cast<ContentType>(draw.prng.between(1, 3)), draw.u32()});
    }
    const Have got = read_back<Have>(encode(sent), [](const Have& h) { return encode(h); });
    CHECK(got.nothing_yet == sent.nothing_yet);
    CHECK(got.oldest == sent.oldest);
    CHECK(got.newest == sent.newest);
    CHECK(got.path == sent.path);
    REQUIRE(got.tracks.size() == sent.tracks.size());
    for (std::size_t t = 0; t < got.tracks.size(); ++t) {
      CHECK(got.tracks[t].kind == sent.tracks[t].kind);
      CHECK(got.tracks[t].kbps == sent.tracks[t].kbps);
    }
  }
}

TEST_CASE("frames of one message are read one after the other, then nothing") {
  ByteVector message = encode(Credit{5});
  const ByteVector ping = encode(Ping{1, 2});
  message.insert(message.end(), ping.begin(), ping.end());
  FrameReader reader(message);
  const auto first = reader.next();
  REQUIRE(first.ok());
  REQUIRE(first->has_value());
  CHECK((*first)->header.type == 0x0B);
  const auto second = reader.next();
  REQUIRE(second.ok());
  REQUIRE(second->has_value());
  CHECK(std::get<Ping>(decode_frame(**second)->body).unix_us == 2);
  const auto nothing = reader.next();
  REQUIRE(nothing.ok());
  CHECK_FALSE(nothing->has_value());
}

TEST_CASE("a text that is too long to send is cut between characters, an address that is too long is left out") {
  ErrorFrame error{Wire::limit, 0, std::string(255, 'a') + "\xE2\x82\xAC"};
  CHECK(std::get<ErrorFrame>(decode_message(encode(error))->body).text == std::string(255, 'a'));
  error.text = "bad \xFF octet";
  CHECK(decode_message(encode(error)).ok());
  const GoAway away{GoAwayCode::moved, 0, std::string(513, 'a')};
  CHECK(std::get<GoAway>(decode_message(encode(away))->body).uri.empty());
}
