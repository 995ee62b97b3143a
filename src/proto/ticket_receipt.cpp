#include <algorithm>

#include "proto/objects.hpp"
#include "proto/refusal.hpp"

namespace streamr::proto {

namespace {

constexpr std::size_t signed_ticket_bytes = 184;
constexpr std::size_t signed_receipt_bytes = 208;

void write_ticket(Ticket& ticket) {
  ticket.raw = {};
  std::uint8_t* at = ticket.raw.data();
  std::memcpy(at, "SRT1", 4);
  at[4] = 1;
  at[5] = ticket.flags;
  std::memcpy(at + 8, ticket.stream_id.data(), 32);
  store_u64(at + 40, ticket.epoch);
  std::memcpy(at + 48, ticket.relay_key.data(), 32);
  std::memcpy(at + 80, ticket.viewer_key.data(), 32);
  std::memcpy(at + 112, ticket.session_id.data(), 16);
  store_u64(at + 128, ticket.not_before_us);
  store_u64(at + 136, ticket.not_after_us);
  store_u32(at + 144, ticket.max_rate_bps);
  store_u32(at + 148, ticket.window_start_bytes);
  store_u32(at + 152, ticket.window_max_bytes);
}

void write_receipt(Receipt& receipt) {
  receipt.raw = {};
  std::uint8_t* at = receipt.raw.data();
  std::memcpy(at, "SRR1", 4);
  at[4] = 1;
  at[5] = receipt.flags;
  std::memcpy(at + 8, receipt.stream_id.data(), 32);
  store_u64(at + 40, receipt.epoch);
  std::memcpy(at + 48, receipt.relay_key.data(), 32);
  std::memcpy(at + 80, receipt.viewer_key.data(), 32);
  std::memcpy(at + 112, receipt.session_id.data(), 16);
  store_u32(at + 128, receipt.seq);
  store_u32(at + 132, receipt.interval_ms);
  store_u64(at + 136, receipt.bytes_ok);
  store_u64(at + 144, receipt.first_us);
  store_u64(at + 152, receipt.last_us);
  store_u64(at + 160, receipt.last_segment);
  store_u32(at + 168, receipt.slices_ok);
  store_u32(at + 172, receipt.slices_bad_or_late);
  store_u32(at + 176, receipt.ttfb_ms);
  store_u32(at + 180, receipt.stall_ms);
}

}  // namespace

Result<Ticket> parse_ticket(ByteView bytes) {
  if (Status start = check_start("ticket", bytes, Ticket::size, "SRT1"); !start) return start.error();
  const std::uint8_t* at = bytes.data();
  Ticket out;
  out.flags = at[5];
  out.stream_id = StreamId::copy(at + 8);
  out.epoch = load_u64(at + 40);
  out.relay_key = Key::copy(at + 48);
  out.viewer_key = Key::copy(at + 80);
  out.session_id = SessionId::copy(at + 112);
  out.not_before_us = load_u64(at + 128);
  out.not_after_us = load_u64(at + 136);
  out.max_rate_bps = load_u32(at + 144);
  out.window_start_bytes = load_u32(at + 148);
  out.window_max_bytes = load_u32(at + 152);
  out.signature = Signature::copy(at + signed_ticket_bytes);
  std::copy_n(at, Ticket::size, out.raw.begin());
  return out;
}

Status verify_ticket(const Ticket& ticket, const Key& coordinator_key) {
  const ByteView signed_bytes = ByteView(ticket.raw).first(signed_ticket_bytes);
  if (!crypto::verify(coordinator_key, crypto::prefix::ticket, signed_bytes, ticket.signature)) {
    return unsigned_by("ticket: expected the coordinator's signature, came another", Wire::ticket);
  }
  return {};
}

Ticket issue_ticket(Ticket fields, const crypto::KeyPair& coordinator) {
  write_ticket(fields);
  fields.signature = coordinator.sign(crypto::prefix::ticket, ByteView(fields.raw).first(signed_ticket_bytes));
  std::memcpy(fields.raw.data() + signed_ticket_bytes, fields.signature.data(), 64);
  return fields;
}

Result<Receipt> parse_receipt(ByteView bytes) {
  if (Status start = check_start("receipt", bytes, Receipt::size, "SRR1"); !start) return start.error();
  const std::uint8_t* at = bytes.data();
  Receipt out;
  out.flags = at[5];
  out.stream_id = StreamId::copy(at + 8);
  out.epoch = load_u64(at + 40);
  out.relay_key = Key::copy(at + 48);
  out.viewer_key = Key::copy(at + 80);
  out.session_id = SessionId::copy(at + 112);
  out.seq = load_u32(at + 128);
  out.interval_ms = load_u32(at + 132);
  out.bytes_ok = load_u64(at + 136);
  out.first_us = load_u64(at + 144);
  out.last_us = load_u64(at + 152);
  out.last_segment = load_u64(at + 160);
  out.slices_ok = load_u32(at + 168);
  out.slices_bad_or_late = load_u32(at + 172);
  out.ttfb_ms = load_u32(at + 176);
  out.stall_ms = load_u32(at + 180);
  out.signature = Signature::copy(at + signed_receipt_bytes);
  std::copy_n(at, Receipt::size, out.raw.begin());
  return out;
}

Status verify_receipt(const Receipt& receipt) {
  const ByteView signed_bytes = ByteView(receipt.raw).first(signed_receipt_bytes);
  if (!crypto::verify(receipt.viewer_key, crypto::prefix::receipt, signed_bytes, receipt.signature)) {
    return unsigned_by("receipt: expected the signature of the viewer that it names, came another");
  }
  return {};
}

Receipt issue_receipt(Receipt fields, const crypto::KeyPair& viewer) {
  if (fields.viewer_key.is_zero()) fields.viewer_key = viewer.public_key();
  write_receipt(fields);
  fields.signature = viewer.sign(crypto::prefix::receipt, ByteView(fields.raw).first(signed_receipt_bytes));
  std::memcpy(fields.raw.data() + signed_receipt_bytes, fields.signature.data(), 64);
  return fields;
}

}  // namespace streamr::proto
