#include <algorithm>

#include "base/text.hpp"
#include "proto/frames.hpp"
#include "proto/tlv.hpp"

namespace streamr::proto {

namespace {

void write_frame_header(std::uint8_t* at, FrameType type, std::uint8_t flags, std::uint16_t sub, std::size_t length) {
  at[0] = static_cast<std::uint8_t>(type);
  at[1] = flags;
  store_u16(at + 2, sub);
  store_u32(at + 4, static_cast<std::uint32_t>(length));
}

// One frame whose payload starts as zeros, so that reserved octets need no word.
class Writer {
 public:
  Writer(FrameType type, std::size_t payload_bytes, std::uint16_t sub = 0, std::uint8_t flags = 0)
      : out_(frame_header_bytes + payload_bytes) {
    write_frame_header(out_.data(), type, flags, sub, payload_bytes);
  }

  void u8(std::size_t at, std::uint8_t v) { place(at)[0] = v; }
  void u16(std::size_t at, std::uint16_t v) { store_u16(place(at), v); }
  void u32(std::size_t at, std::uint32_t v) { store_u32(place(at), v); }
  void u64(std::size_t at, std::uint64_t v) { store_u64(place(at), v); }
  void bytes(std::size_t at, ByteView v) { std::copy(v.begin(), v.end(), place(at)); }
  ByteView payload() const { return ByteView(out_).subspan(frame_header_bytes); }
  ByteVector take() { return std::move(out_); }

 private:
  std::uint8_t* place(std::size_t at) { return out_.data() + frame_header_bytes + at; }

  ByteVector out_;
};

// A path longer than the wire allows cannot arise from checked input; what is over stays out.
std::size_t path_length(const std::vector<PathEntry>& path) {
  return std::min<std::size_t>(path.size(), limits::path_entries);
}

void write_path(Writer& frame, std::size_t at, const std::vector<PathEntry>& path) {
  for (std::size_t i = 0; i < path_length(path); ++i) frame.bytes(at + 8 * i, path[i].view());
}

template <class Probe>
ByteVector encode_probe(FrameType type, const Probe& probe) {
  Writer frame(type, 16);
  frame.u64(0, probe.opaque);
  frame.u64(8, probe.unix_us);
  return frame.take();
}

}  // namespace

ByteVector encode(const Hello& hello) {
  const std::size_t ticket_bytes = hello.ticket ? Ticket::size : 0;
  Writer frame(FrameType::hello, 100 + ticket_bytes);
  frame.bytes(0, view_of("SRW1"));
  frame.u16(4, hello.version_min);
  frame.u16(6, hello.version_max);
  frame.u32(8, hello.features);
  frame.u8(12, static_cast<std::uint8_t>(hello.role));
  frame.bytes(16, hello.peer_key.view());
  frame.bytes(48, hello.nonce.view());
  frame.u64(80, hello.recv_limit);
  frame.u64(88, hello.unix_us);
  frame.u16(96, static_cast<std::uint16_t>(ticket_bytes));
  if (hello.ticket) frame.bytes(100, hello.ticket->raw);
  return frame.take();
}

ByteVector encode(Welcome& welcome, const Hash& hello_hash, const crypto::KeyPair& relay) {
  constexpr std::size_t signed_bytes = 96;
  welcome.relay_key = relay.public_key();
  Writer frame(FrameType::welcome, 160);
  frame.u16(0, welcome.version);
  frame.u8(3, welcome.load_pct);
  frame.u32(4, welcome.features);
  frame.bytes(8, welcome.relay_key.view());
  frame.bytes(40, welcome.nonce.view());
  frame.u64(72, welcome.unix_us);
  frame.u64(80, welcome.recv_limit);
  frame.u32(88, welcome.window);
  std::array<std::uint8_t, 32 + signed_bytes> message;
  std::memcpy(message.data(), hello_hash.data(), 32);
  std::memcpy(message.data() + 32, frame.payload().data(), signed_bytes);
  welcome.signature = relay.sign(crypto::prefix::handshake_server, message);
  frame.bytes(signed_bytes, welcome.signature.view());
  return frame.take();
}

ByteVector encode(const Auth& auth) {
  Writer frame(FrameType::auth, 64);
  frame.bytes(0, auth.signature.view());
  return frame.take();
}

ByteVector encode(const Subscribe& subscribe, std::uint16_t sub) {
  Writer frame(FrameType::subscribe, 64, sub, subscribe.headers_only ? flag_headers_only : std::uint8_t{0});
  frame.bytes(0, subscribe.stream_id.view());
  frame.u64(32, subscribe.epoch);
  frame.u16(40, subscribe.track);
  frame.u8(42, static_cast<std::uint8_t>(subscribe.start));
  frame.u8(43, subscribe.priority);
  frame.u32(44, subscribe.max_latency_ms);
  frame.u64(48, subscribe.segment);
  frame.u16(56, subscribe.part);
  return frame.take();
}

ByteVector encode(const SubOk& ok, std::uint16_t sub) {
  Writer frame(FrameType::sub_ok, 232 + 8 * path_length(ok.path), sub);
  frame.u64(0, ok.epoch);
  frame.u64(8, ok.live_segment);
  frame.u16(16, ok.live_part);
  frame.u16(18, ok.track);
  frame.u32(20, ok.part_target_us);
  frame.u32(24, ok.kbps);
  frame.u32(28, ok.retain_ms);
  frame.u64(32, ok.oldest_segment);
  frame.u8(40, static_cast<std::uint8_t>(path_length(ok.path)));
  frame.u8(41, ok.target_duration_s);
  frame.u32(44, ok.discontinuity);
  frame.bytes(48, ok.certificate.raw);
  write_path(frame, 232, ok.path);
  return frame.take();
}

ByteVector encode(const SubEnd& end_of_sub, std::uint16_t sub) {
  Writer frame(FrameType::sub_end, 16, sub);
  frame.u16(0, static_cast<std::uint16_t>(end_of_sub.code));
  frame.u64(8, end_of_sub.last_segment);
  return frame.take();
}

ByteVector encode(const Chunk& chunk, std::uint16_t sub) {
  Writer frame(FrameType::chunk, 232 + 32 * chunk.leaves.size(), sub);
  frame.u32(0, chunk.chunk_ref);
  frame.bytes(8, chunk.header.raw);
  for (std::size_t i = 0; i < chunk.leaves.size(); ++i) frame.bytes(232 + 32 * i, chunk.leaves[i].view());
  return frame.take();
}

ByteVector encode(const Slice& slice, std::uint16_t sub) {
  Writer frame(FrameType::slice, 8 + slice.data.size(), sub);
  frame.u32(0, slice.chunk_ref);
  frame.u16(4, slice.index);
  frame.bytes(8, slice.data);
  return frame.take();
}

ByteVector encode(const Drop& drop, std::uint16_t sub) {
  Writer frame(FrameType::drop, 16, sub);
  frame.u32(0, drop.chunk_ref);
  frame.u16(4, static_cast<std::uint16_t>(drop.reason));
  frame.u16(6, drop.part);
  frame.u64(8, drop.segment);
  return frame.take();
}

ByteVector encode(const Fetch& fetch, std::uint16_t sub) {
  Writer frame(FrameType::fetch, 24, sub);
  frame.u64(0, fetch.epoch);
  frame.u64(8, fetch.segment);
  frame.u16(16, fetch.part);
  frame.u16(18, fetch.first);
  frame.u16(20, fetch.count);
  return frame.take();
}

ByteVector encode(const Credit& credit) {
  Writer frame(FrameType::credit, 8);
  frame.u64(0, credit.limit);
  return frame.take();
}

ByteVector encode(const ReceiptFrame& receipt) {
  Writer frame(FrameType::receipt, Receipt::size);
  frame.bytes(0, receipt.receipt.raw);
  return frame.take();
}

ByteVector encode(const ReceiptAck& ack) {
  Writer frame(FrameType::receipt_ack, 16);
  frame.u32(0, ack.seq);
  frame.u32(4, ack.window);
  frame.u64(8, ack.counted);
  return frame.take();
}

ByteVector encode(const Ping& ping) {
  return encode_probe(FrameType::ping, ping);
}
ByteVector encode(const Pong& pong) {
  return encode_probe(FrameType::pong, pong);
}

// Half an address leads nowhere or elsewhere, so one that is too long is left out; half a sentence still helps.
ByteVector encode(const GoAway& goaway) {
  std::string_view uri = goaway.uri;
  if (uri.size() > limits::uri_bytes || !is_utf8(uri)) uri = {};
  Writer frame(FrameType::goaway, 8 + uri.size());
  frame.u16(0, static_cast<std::uint16_t>(goaway.code));
  frame.u16(2, static_cast<std::uint16_t>(uri.size()));
  frame.u32(4, goaway.drain_ms);
  frame.bytes(8, view_of(uri));
  return frame.take();
}

ByteVector encode(const ErrorFrame& error) {
  const std::string repaired = utf8_repaired(error.text);
  const std::string_view text = utf8_prefix(repaired, limits::text_bytes);
  Writer frame(FrameType::error, 8 + text.size());
  frame.u16(0, static_cast<std::uint16_t>(error.code));
  frame.u16(2, static_cast<std::uint16_t>(text.size()));
  frame.u32(4, error.chunk_ref);
  frame.bytes(8, view_of(text));
  return frame.take();
}

ByteVector encode(const Have& have) {
  constexpr std::size_t fixed = 64;
  const std::size_t paths = path_length(have.path);
  const std::size_t tracks = std::min<std::size_t>(have.tracks.size(), limits::tracks);
  const std::size_t tlv_at = fixed + 8 * paths;
  Writer frame(FrameType::have, tlv_at + (tracks == 0 ? 0 : 4 + 8 * tracks), 0,
               have.nothing_yet ? flag_nothing_yet : std::uint8_t{0});
  frame.u64(0, have.epoch);
  frame.u64(8, have.nothing_yet ? 0 : have.oldest);
  frame.u64(16, have.nothing_yet ? 0 : have.newest);
  frame.u16(24, have.newest_part);
  frame.u8(26, have.load_pct);
  frame.u8(27, static_cast<std::uint8_t>(paths));
  frame.u32(28, have.free_kbps);
  frame.bytes(32, have.stream_id.view());
  write_path(frame, fixed, have.path);
  if (tracks == 0) return frame.take();
  frame.u16(tlv_at, tlv_tracks);
  frame.u16(tlv_at + 2, static_cast<std::uint16_t>(8 * tracks));
  for (std::size_t i = 0; i < tracks; ++i) {
    const std::size_t at = tlv_at + 4 + 8 * i;
    const TrackInfo& info = have.tracks[i];
    frame.u16(at, info.track);
    frame.u8(at + 2, static_cast<std::uint8_t>(info.kind));
    frame.u8(at + 3, static_cast<std::uint8_t>(info.content_type));
    frame.u32(at + 4, info.kbps);
  }
  return frame.take();
}

ByteVector encode(const CertFrame& cert) {
  Writer frame(FrameType::cert, Certificate::size);
  frame.bytes(0, cert.certificate.raw);
  return frame.take();
}

ByteVector encode(const Revoke& revoke) {
  Writer frame(FrameType::revoke, Revocation::size);
  frame.bytes(0, revoke.revocation.raw);
  return frame.take();
}

std::array<std::uint8_t, 16> chunk_frame_prefix(std::uint16_t sub, std::uint32_t chunk_ref, std::size_t leaf_count) {
  std::array<std::uint8_t, 16> out{};
  write_frame_header(out.data(), FrameType::chunk, 0, sub, 232 + 32 * leaf_count);
  store_u32(out.data() + 8, chunk_ref);
  return out;
}

std::array<std::uint8_t, 16> slice_frame_prefix(std::uint16_t sub, std::uint32_t chunk_ref, std::uint16_t index,
                                                std::size_t data_bytes) {
  std::array<std::uint8_t, 16> out{};
  write_frame_header(out.data(), FrameType::slice, 0, sub, 8 + data_bytes);
  store_u32(out.data() + 8, chunk_ref);
  store_u16(out.data() + 12, index);
  return out;
}

}  // namespace streamr::proto
