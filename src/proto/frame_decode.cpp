#include <algorithm>

#include "base/text.hpp"
#include "proto/frames.hpp"
#include "proto/refusal.hpp"
#include "proto/tlv.hpp"

namespace streamr::proto {

namespace {

using Body = Result<FrameBody>;

constexpr std::uint8_t first_ignorable_type = 0x80;
constexpr std::size_t track_info_bytes = 8;

Status at_least(std::string_view name, ByteView payload, std::size_t fixed) {
  if (payload.size() >= fixed) return {};
  return malformed(std::string(name) + " payload: expected at least " + std::to_string(fixed) + " octets, came " +
                   std::to_string(payload.size()));
}

Status exactly(std::string_view name, ByteView payload, std::size_t size) {
  if (payload.size() == size) return {};
  return malformed(expected_came(std::string(name) + " payload", size, payload.size()));
}

// The payload has its fixed part, and what follows are TLVs none of which this version has to know.
Status fixed_then_tlvs(std::string_view name, ByteView payload, std::size_t fixed) {
  if (Status size = at_least(name, payload, fixed); !size) return size;
  const auto tlvs = read_tlvs(payload.subspan(fixed), {});
  if (!tlvs) return tlvs.error();
  return {};
}

// The fixed part, then `n` path entries, whose number is known from the fixed part.
Result<std::vector<PathEntry>> read_path(std::string_view name, ByteView payload, std::size_t fixed,
                                         std::uint8_t count) {
  if (count > limits::path_entries) {
    return over_limit(std::string(name) + " path: expected at most 4 entries, came " + std::to_string(count));
  }
  if (Status size = at_least(name, payload, fixed + std::size_t{8} * count); !size) return size.error();
  std::vector<PathEntry> path;
  for (std::size_t i = 0; i < count; ++i) path.push_back(PathEntry::copy(payload.data() + fixed + 8 * i));
  return path;
}

// GOAWAY and ERROR end with text whose length stands in the fixed part.
Result<std::string> read_text(std::string_view name, ByteView payload, std::uint16_t length, std::size_t limit) {
  if (length > limit) {
    return over_limit(std::string(name) + ": expected at most " + std::to_string(limit) + " octets, came " +
                      std::to_string(length));
  }
  if (Status form = fixed_then_tlvs(name, payload, 8 + std::size_t{length}); !form) return form.error();
  std::string text(reinterpret_cast<const char*>(payload.data() + 8), length);
  if (!is_utf8(text)) return malformed(std::string(name) + ": expected UTF-8, came other octets");
  return text;
}

Body decode_hello(ByteView payload) {
  constexpr std::size_t fixed = 100;
  if (Status size = at_least("HELLO", payload, fixed); !size) return size.error();
  const std::uint8_t* at = payload.data();
  if (std::memcmp(at, "SRW1", 4) != 0) return malformed("HELLO: expected the letters SRW1 at the start, came others");
  if (at[12] < 1 || at[12] > 3) return malformed("HELLO role: expected 1 to 3, came " + std::to_string(at[12]));
  const std::size_t ticket_bytes = load_u16(at + 96);
  if (ticket_bytes != 0 && ticket_bytes != Ticket::size) {
    return malformed("HELLO ticket length: expected 0 or 248, came " + std::to_string(ticket_bytes));
  }
  if (Status form = fixed_then_tlvs("HELLO", payload, fixed + ticket_bytes); !form) return form.error();
  Hello out;
  out.version_min = load_u16(at + 4);
  out.version_max = load_u16(at + 6);
  out.features = load_u32(at + 8);
  out.role = static_cast<Role>(at[12]);
  out.peer_key = Key::copy(at + 16);
  out.nonce = Nonce::copy(at + 48);
  out.recv_limit = load_u64(at + 80);
  out.unix_us = load_u64(at + 88);
  if (ticket_bytes != 0) {
    const auto ticket = parse_ticket(payload.subspan(fixed, ticket_bytes));
    if (!ticket) return ticket.error();
    out.ticket = *ticket;
  }
  return FrameBody(std::move(out));
}

Body decode_welcome(ByteView payload) {
  if (Status form = fixed_then_tlvs("WELCOME", payload, 160); !form) return form.error();
  const std::uint8_t* at = payload.data();
  Welcome out;
  out.version = load_u16(at);
  out.load_pct = at[3];
  out.features = load_u32(at + 4);
  out.relay_key = Key::copy(at + 8);
  out.nonce = Nonce::copy(at + 40);
  out.unix_us = load_u64(at + 72);
  out.recv_limit = load_u64(at + 80);
  out.window = load_u32(at + 88);
  out.signature = Signature::copy(at + 96);
  return FrameBody(out);
}

Body decode_auth(ByteView payload) {
  if (Status form = fixed_then_tlvs("AUTH", payload, 64); !form) return form.error();
  return FrameBody(Auth{Signature::copy(payload.data())});
}

Body decode_subscribe(const FrameHeader& header, ByteView payload) {
  if (Status form = fixed_then_tlvs("SUBSCRIBE", payload, 64); !form) return form.error();
  const std::uint8_t* at = payload.data();
  if (at[42] > 3) return malformed("SUBSCRIBE start: expected 0 to 3, came " + std::to_string(at[42]));
  Subscribe out;
  out.headers_only = (header.flags & flag_headers_only) != 0;
  out.stream_id = StreamId::copy(at);
  out.epoch = load_u64(at + 32);
  out.track = load_u16(at + 40);
  out.start = static_cast<Start>(at[42]);
  out.priority = at[43];
  out.max_latency_ms = load_u32(at + 44);
  out.segment = load_u64(at + 48);
  out.part = load_u16(at + 56);
  return FrameBody(out);
}

Body decode_sub_ok(ByteView payload) {
  constexpr std::size_t fixed = 232;
  if (Status size = at_least("SUB_OK", payload, fixed); !size) return size.error();
  const std::uint8_t* at = payload.data();
  auto path = read_path("SUB_OK", payload, fixed, at[40]);
  if (!path) return path.error();
  if (Status form = fixed_then_tlvs("SUB_OK", payload, fixed + 8 * path->size()); !form) return form.error();
  const auto certificate = parse_certificate(payload.subspan(48, Certificate::size));
  if (!certificate) return certificate.error();
  SubOk out;
  out.epoch = load_u64(at);
  out.live_segment = load_u64(at + 8);
  out.live_part = load_u16(at + 16);
  out.track = load_u16(at + 18);
  out.part_target_us = load_u32(at + 20);
  out.kbps = load_u32(at + 24);
  out.retain_ms = load_u32(at + 28);
  out.oldest_segment = load_u64(at + 32);
  out.target_duration_s = at[41];
  out.discontinuity = load_u32(at + 44);
  out.certificate = *certificate;
  out.path = std::move(*path);
  return FrameBody(std::move(out));
}

Body decode_sub_end(ByteView payload) {
  if (Status form = fixed_then_tlvs("SUB_END", payload, 16); !form) return form.error();
  return FrameBody(SubEnd{static_cast<SubEndCode>(load_u16(payload.data())), load_u64(payload.data() + 8)});
}

Body decode_chunk(ByteView payload) {
  constexpr std::size_t fixed = 8 + ChunkHeader::size;
  if (payload.size() > limits::chunk_frame_bytes) {
    return over_limit("CHUNK payload: expected at most 33000 octets, came " + std::to_string(payload.size()));
  }
  if (Status size = at_least("CHUNK", payload, fixed); !size) return size.error();
  const auto header = parse_chunk_header(payload.subspan(8, ChunkHeader::size));
  if (!header) return header.error();
  const std::size_t whole = fixed + std::size_t{32} * header->slice_count;
  if (Status size = exactly("CHUNK", payload, whole); !size) return size.error();
  Chunk out;
  out.chunk_ref = load_u32(payload.data());
  out.header = *header;
  out.leaves.reserve(header->slice_count);
  for (std::size_t at = fixed; at < whole; at += 32) out.leaves.push_back(Hash::copy(payload.data() + at));
  return FrameBody(std::move(out));
}

// An empty or wrongly sized slice is a lie about a chunk [10], which only the holder of its header can tell.
Body decode_slice(ByteView payload) {
  if (Status size = at_least("SLICE", payload, 8); !size) return size.error();
  return FrameBody(Slice{load_u32(payload.data()), load_u16(payload.data() + 4), payload.subspan(8)});
}

Body decode_drop(ByteView payload) {
  if (Status form = fixed_then_tlvs("DROP", payload, 16); !form) return form.error();
  const std::uint8_t* at = payload.data();
  return FrameBody(Drop{load_u32(at), static_cast<DropReason>(load_u16(at + 4)), load_u16(at + 6), load_u64(at + 8)});
}

Body decode_fetch(ByteView payload) {
  if (Status form = fixed_then_tlvs("FETCH", payload, 24); !form) return form.error();
  const std::uint8_t* at = payload.data();
  return FrameBody(Fetch{load_u64(at), load_u64(at + 8), load_u16(at + 16), load_u16(at + 18), load_u16(at + 20)});
}

Body decode_credit(ByteView payload) {
  if (Status form = fixed_then_tlvs("CREDIT", payload, 8); !form) return form.error();
  return FrameBody(Credit{load_u64(payload.data())});
}

Body decode_receipt(ByteView payload) {
  if (Status size = exactly("RECEIPT", payload, Receipt::size); !size) return size.error();
  const auto receipt = parse_receipt(payload);
  if (!receipt) return receipt.error();
  return FrameBody(ReceiptFrame{*receipt});
}

Body decode_receipt_ack(ByteView payload) {
  if (Status form = fixed_then_tlvs("RECEIPT_ACK", payload, 16); !form) return form.error();
  return FrameBody(ReceiptAck{load_u32(payload.data()), load_u32(payload.data() + 4), load_u64(payload.data() + 8)});
}

template <class Probe>
Body decode_probe(std::string_view name, ByteView payload) {
  if (Status form = fixed_then_tlvs(name, payload, 16); !form) return form.error();
  return FrameBody(Probe{load_u64(payload.data()), load_u64(payload.data() + 8)});
}

Body decode_goaway(ByteView payload) {
  if (Status size = at_least("GOAWAY", payload, 8); !size) return size.error();
  auto uri = read_text("GOAWAY uri", payload, load_u16(payload.data() + 2), limits::uri_bytes);
  if (!uri) return uri.error();
  const auto code = static_cast<GoAwayCode>(load_u16(payload.data()));
  return FrameBody(GoAway{code, load_u32(payload.data() + 4), std::move(*uri)});
}

Body decode_error(ByteView payload) {
  if (Status size = at_least("ERROR", payload, 8); !size) return size.error();
  auto text = read_text("ERROR text", payload, load_u16(payload.data() + 2), limits::text_bytes);
  if (!text) return text.error();
  const auto code = static_cast<Wire>(load_u16(payload.data()));
  return FrameBody(ErrorFrame{code, load_u32(payload.data() + 4), std::move(*text)});
}

Result<std::vector<TrackInfo>> read_tracks(ByteView value) {
  if (value.size() % track_info_bytes != 0) {
    return malformed("HAVE TRACKS: expected 8 octets a track, came " + std::to_string(value.size()) + " in all");
  }
  std::vector<TrackInfo> tracks;
  std::uint32_t seen = 0;
  for (; !value.empty(); value = value.subspan(track_info_bytes)) {
    const std::uint8_t* at = value.data();
    const std::uint16_t track = load_u16(at);
    if (track >= limits::tracks) {
      return malformed("HAVE TRACKS: expected a track from 0 to 31, came " + std::to_string(track));
    }
    if (at[2] < 1 || at[2] > 4) {
      return malformed("HAVE TRACKS: expected a kind from 1 to 4, came " + std::to_string(at[2]));
    }
    if (at[3] < 1 || at[3] > 3) {
      return malformed("HAVE TRACKS: expected a content type from 1 to 3, came " + std::to_string(at[3]));
    }
    if ((seen >> track) & 1u) {
      return malformed("HAVE TRACKS: expected track " + std::to_string(track) + " once, came twice");
    }
    seen |= 1u << track;
    tracks.push_back({track, static_cast<TrackKind>(at[2]), static_cast<ContentType>(at[3]), load_u32(at + 4)});
  }
  return tracks;
}

Body decode_have(const FrameHeader& header, ByteView payload) {
  constexpr std::size_t fixed = 64;
  if (Status size = at_least("HAVE", payload, fixed); !size) return size.error();
  const std::uint8_t* at = payload.data();
  Have out;
  out.nothing_yet = (header.flags & flag_nothing_yet) != 0;
  out.epoch = load_u64(at);
  out.oldest = load_u64(at + 8);
  out.newest = load_u64(at + 16);
  out.newest_part = load_u16(at + 24);
  out.load_pct = at[26];
  out.free_kbps = load_u32(at + 28);
  out.stream_id = StreamId::copy(at + 32);
  auto path = read_path("HAVE", payload, fixed, at[27]);
  if (!path) return path.error();
  const std::uint16_t known[] = {tlv_tracks};
  const auto tlvs = read_tlvs(payload.subspan(fixed + 8 * path->size()), known);
  if (!tlvs) return tlvs.error();
  for (const Tlv& tlv : *tlvs) {
    auto tracks = read_tracks(tlv.value);
    if (!tracks) return tracks.error();
    out.tracks = std::move(*tracks);
  }
  if (out.newest < out.oldest) {
    return malformed("HAVE newest: expected at least " + std::to_string(out.oldest) + ", came " +
                     std::to_string(out.newest));
  }
  if (out.nothing_yet) out.oldest = out.newest = 0;
  out.path = std::move(*path);
  return FrameBody(std::move(out));
}

Body decode_cert(ByteView payload) {
  if (Status size = exactly("CERT", payload, Certificate::size); !size) return size.error();
  const auto certificate = parse_certificate(payload);
  if (!certificate) return certificate.error();
  return FrameBody(CertFrame{*certificate});
}

Body decode_revoke(ByteView payload) {
  if (Status size = exactly("REVOKE", payload, Revocation::size); !size) return size.error();
  const auto revocation = parse_revocation(payload);
  if (!revocation) return revocation.error();
  return FrameBody(Revoke{*revocation});
}

bool carries_sub(FrameType type) {
  switch (type) {
    case FrameType::subscribe:
    case FrameType::sub_ok:
    case FrameType::sub_end:
    case FrameType::chunk:
    case FrameType::slice:
    case FrameType::drop:
    case FrameType::fetch: return true;
    default: return false;
  }
}

Body decode_body(const FrameHeader& header, ByteView payload) {
  switch (static_cast<FrameType>(header.type)) {
    case FrameType::hello: return decode_hello(payload);
    case FrameType::welcome: return decode_welcome(payload);
    case FrameType::auth: return decode_auth(payload);
    case FrameType::subscribe: return decode_subscribe(header, payload);
    case FrameType::sub_ok: return decode_sub_ok(payload);
    case FrameType::sub_end: return decode_sub_end(payload);
    case FrameType::chunk: return decode_chunk(payload);
    case FrameType::slice: return decode_slice(payload);
    case FrameType::drop: return decode_drop(payload);
    case FrameType::fetch: return decode_fetch(payload);
    case FrameType::credit: return decode_credit(payload);
    case FrameType::receipt: return decode_receipt(payload);
    case FrameType::receipt_ack: return decode_receipt_ack(payload);
    case FrameType::ping: return decode_probe<Ping>("PING", payload);
    case FrameType::pong: return decode_probe<Pong>("PONG", payload);
    case FrameType::goaway: return decode_goaway(payload);
    case FrameType::error: return decode_error(payload);
    case FrameType::have: return decode_have(header, payload);
    case FrameType::cert: return decode_cert(payload);
    case FrameType::revoke: return decode_revoke(payload);
  }
  if (header.type >= first_ignorable_type) return FrameBody(Ignored{});
  return Error{STREAMR_E_MALFORMED, Wire::unknown_critical,
               "frame type: expected one that this version knows, came " + std::to_string(header.type)};
}

}  // namespace

Result<Frame> decode_frame(const RawFrame& raw) {
  if (raw.payload.size() > limits::frame_payload_bytes) {
    return over_limit("frame payload: expected at most 65544 octets, came " + std::to_string(raw.payload.size()));
  }
  if (raw.header.sub == 0 && carries_sub(static_cast<FrameType>(raw.header.type))) {
    return malformed("frame sub: expected one above 0 on type " + std::to_string(raw.header.type) + ", came 0");
  }
  auto body = decode_body(raw.header, raw.payload);
  if (!body) return body.error();
  return Frame{raw.header, raw.payload, std::move(*body)};
}

}  // namespace streamr::proto
