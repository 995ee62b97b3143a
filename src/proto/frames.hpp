// Decides the bytes of SRW/1 frames (protocol §3): 8-octet header, payload layouts, TLVs, and every refusal of form.
// Never keeps state between messages and never judges order or trust; that is core/link.
// Called by core/link, fuzzers and tests.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "proto/objects.hpp"

namespace streamr::proto {

enum class FrameType : std::uint8_t {
  hello = 0x01, welcome = 0x02, auth = 0x03, subscribe = 0x04, sub_ok = 0x05, sub_end = 0x06, chunk = 0x07, slice = 0x08,
  drop = 0x09, fetch = 0x0A, credit = 0x0B, receipt = 0x0C, receipt_ack = 0x0D, ping = 0x0E, pong = 0x0F, goaway = 0x10,
  error = 0x11, have = 0x12, cert = 0x13, revoke = 0x14,
};

enum class Role : std::uint8_t { viewer = 1, relay = 2, publisher = 3 };
enum class DropReason : std::uint16_t { late = 1, queue = 2, not_held = 3, revoked = 4 };
enum class SubEndCode : std::uint16_t { unsubscribed = 0, stream_ended = 1, not_held = 2, moved = 3, refused = 4 };
enum class GoAwayCode : std::uint16_t { shutdown = 0, load = 1, moved = 2 };
enum class Start : std::uint8_t { edge = 0, newest_independent = 1, exact = 2, oldest = 3 };
enum class TrackKind : std::uint8_t { muxed = 1, video = 2, audio = 3, other = 4 };

constexpr std::size_t frame_header_bytes = 8;
constexpr std::uint8_t flag_headers_only = 1;   // SUBSCRIBE
constexpr std::uint8_t flag_nothing_yet = 1;    // HAVE

struct FrameHeader {
  std::uint8_t type = 0;
  std::uint8_t flags = 0;
  std::uint16_t sub = 0;
  std::uint32_t length = 0;
};

struct Hello {
  std::uint16_t version_min = 1, version_max = 1;
  std::uint32_t features = 0;
  Role role = Role::viewer;
  Key peer_key;
  Nonce nonce;
  std::uint64_t recv_limit = 0;
  std::uint64_t unix_us = 0;
  std::optional<Ticket> ticket;
};
struct Welcome {
  std::uint16_t version = 1;
  std::uint8_t load_pct = 0;
  std::uint32_t features = 0;
  Key relay_key;
  Nonce nonce;
  std::uint64_t unix_us = 0;
  std::uint64_t recv_limit = 0;
  std::uint32_t window = 0;
  Signature signature;
};
struct Auth { Signature signature; };
struct Subscribe {
  bool headers_only = false;                     // frame flag 1
  StreamId stream_id;
  std::uint64_t epoch = 0;
  std::uint16_t track = 0;
  Start start = Start::edge;
  std::uint8_t priority = 0;
  std::uint32_t max_latency_ms = 0;
  std::uint64_t segment = 0;
  std::uint16_t part = 0;
};
struct SubOk {
  std::uint64_t epoch = 0;
  std::uint64_t live_segment = 0;
  std::uint16_t live_part = 0;
  std::uint16_t track = 0;
  std::uint32_t part_target_us = 0;
  std::uint32_t kbps = 0;
  std::uint32_t retain_ms = 0;
  std::uint64_t oldest_segment = 0;
  std::uint8_t target_duration_s = 0;
  std::uint32_t discontinuity = 0;
  Certificate certificate;
  std::vector<PathEntry> path;
};
struct SubEnd { SubEndCode code = SubEndCode::unsubscribed; std::uint64_t last_segment = 0; };
struct Chunk {
  std::uint32_t chunk_ref = 0;
  ChunkHeader header;
  std::vector<Hash> leaves;
};
struct Slice { std::uint32_t chunk_ref = 0; std::uint16_t index = 0; ByteView data; };   // a view into the message
struct Drop { std::uint32_t chunk_ref = 0; DropReason reason = DropReason::late; std::uint16_t part = 0; std::uint64_t segment = 0; };
struct Fetch { std::uint64_t epoch = 0; std::uint64_t segment = 0; std::uint16_t part = 0; std::uint16_t first = 0; std::uint16_t count = 0; };
struct Credit { std::uint64_t limit = 0; };
struct ReceiptFrame { Receipt receipt; };
struct ReceiptAck { std::uint32_t seq = 0; std::uint32_t window = 0; std::uint64_t counted = 0; };
struct Ping { std::uint64_t opaque = 0; std::uint64_t unix_us = 0; };
struct Pong { std::uint64_t opaque = 0; std::uint64_t unix_us = 0; };
struct GoAway { GoAwayCode code = GoAwayCode::shutdown; std::uint32_t drain_ms = 0; std::string uri; };
struct ErrorFrame { Wire code = Wire::none; std::uint32_t chunk_ref = 0; std::string text; };
struct TrackInfo { std::uint16_t track = 0; TrackKind kind = TrackKind::muxed; ContentType content_type = ContentType::cmaf; std::uint32_t kbps = 0; };
struct Have {
  bool nothing_yet = false;                      // frame flag 1
  std::uint64_t epoch = 0;
  std::uint64_t oldest = 0;
  std::uint64_t newest = 0;
  std::uint16_t newest_part = 0;
  std::uint8_t load_pct = 0;
  std::uint32_t free_kbps = 0;
  StreamId stream_id;
  std::vector<PathEntry> path;
  std::vector<TrackInfo> tracks;                 // empty on the wire: one muxed CMAF track 0
};
struct CertFrame { Certificate certificate; };
struct Revoke { Revocation revocation; };
struct Ignored {};                               // an unknown type ≥ 0x80

using FrameBody = std::variant<Ignored, Hello, Welcome, Auth, Subscribe, SubOk, SubEnd, Chunk, Slice, Drop, Fetch, Credit,
                               ReceiptFrame, ReceiptAck, Ping, Pong, GoAway, ErrorFrame, Have, CertFrame, Revoke>;
struct RawFrame {
  FrameHeader header;
  ByteView payload;                              // a view into the message
};
struct Frame {
  FrameHeader header;
  ByteView payload;
  FrameBody body;
};

// Walks the whole frames of one binary message. Errors carry the wire code to answer with.
class FrameReader {
 public:
  explicit FrameReader(ByteView message) : rest_(message) {}
  // nullopt at the end; [2] length ≠ message, [4] a payload above its limit.
  Result<std::optional<RawFrame>> next();

 private:
  ByteView rest_;
};

// [1] HELLO without version overlap is judged by core; here [2] forms, [3] unknown type < 0x80, [4] limits.
// Codes and reasons of SUB_END, DROP, GOAWAY and ERROR are kept as they came, also those that this version has no name for.
Result<Frame> decode_frame(const RawFrame& raw);

// Each gives one whole frame: header and payload.
ByteVector encode(const Hello&);
ByteVector encode(Welcome&, const Hash& hello_hash, const crypto::KeyPair& relay);   // signs; fills relay_key, signature
ByteVector encode(const Auth&);
ByteVector encode(const Subscribe&, std::uint16_t sub);
ByteVector encode(const SubOk&, std::uint16_t sub);
ByteVector encode(const SubEnd&, std::uint16_t sub);
ByteVector encode(const Drop&, std::uint16_t sub);
ByteVector encode(const Fetch&, std::uint16_t sub);
ByteVector encode(const Credit&);
ByteVector encode(const ReceiptFrame&);
ByteVector encode(const ReceiptAck&);
ByteVector encode(const Ping&);
ByteVector encode(const Pong&);
ByteVector encode(const GoAway&);
ByteVector encode(const ErrorFrame&);
ByteVector encode(const Have&);
ByteVector encode(const CertFrame&);
ByteVector encode(const Revoke&);
// CHUNK and SLICE go out in pieces, so that stored octets are shared: only these few bytes are made per subscriber.
std::array<std::uint8_t, 16> chunk_frame_prefix(std::uint16_t sub, std::uint32_t chunk_ref, std::size_t leaf_count);
std::array<std::uint8_t, 16> slice_frame_prefix(std::uint16_t sub, std::uint32_t chunk_ref, std::uint16_t index, std::size_t data_bytes);
// The same two frames whole, for tests and tools.
ByteVector encode(const Chunk&, std::uint16_t sub);
ByteVector encode(const Slice&, std::uint16_t sub);

Hash payload_hash(ByteView frame);               // H of the payload octets of one encoded frame
bool verify_welcome(const Welcome&, ByteView payload, const Hash& hello_hash);
Signature sign_auth(const crypto::KeyPair& client, const Hash& hello_hash, const Hash& welcome_hash);
bool verify_auth(const Auth&, const Key& client, const Hash& hello_hash, const Hash& welcome_hash);

}  // namespace streamr::proto
