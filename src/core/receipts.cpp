#include "core/receipts.hpp"

#include <algorithm>
#include <string>

namespace streamr::core {

namespace {

constexpr std::uint64_t largest_slice_bytes = 65'536;

std::uint32_t whole_ms(std::uint64_t us) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(us / 1000, UINT32_MAX));
}

Error refused(std::string text) {
  return refuse(Wire::authentication, "receipt: " + std::move(text));
}

// rate × time without overflow; a session lasts hours, so that seconds and their rest are kept apart.
std::uint64_t octets_in(std::uint64_t rate_bps, std::uint64_t us) {
  return rate_bps * (us / 1'000'000) + rate_bps * (us % 1'000'000) / 1'000'000;
}

}  // namespace

SessionTerms SessionTerms::of(const proto::Ticket& ticket) {
  SessionTerms terms;
  terms.stream_id = ticket.stream_id;
  terms.relay_key = ticket.relay_key;
  terms.viewer_key = ticket.viewer_key;
  terms.session_id = ticket.session_id;
  terms.max_rate_bps = ticket.max_rate_bps;
  terms.window_start_bytes = ticket.window_start_bytes;
  terms.window_max_bytes = std::max(ticket.window_max_bytes, ticket.window_start_bytes);
  return terms;
}

// ---- receiver

void ReceiptKeeper::on_welcome(std::uint32_t window, Now now) {
  if (window != 0) window_ = window;
  if (welcomed_) return;
  welcomed_ = true;
  welcome_mono_us_ = receipt_mono_us_ = now.mono_us;
}

void ReceiptKeeper::on_slice(std::uint64_t epoch, std::uint64_t segment, std::size_t bytes, Now now) {
  if (slices_ok_ == 0) {
    first_us_ = now.unix_us;
    // 0 says "not measured", so a slice within the first millisecond counts as one.
    if (welcomed_) ttfb_ms_ = std::max<std::uint32_t>(1, whole_ms(now.mono_us - welcome_mono_us_));
  }
  ++slices_ok_;
  bytes_ok_ += bytes;
  last_us_ = std::max(last_us_, now.unix_us);
  epoch_ = std::max(epoch_, epoch);
  last_segment_ = std::max(last_segment_, segment);
}

void ReceiptKeeper::on_ack(const proto::ReceiptAck& ack) {
  if (ack.seq > seq_) return;
  if (ack.window != 0) window_ = ack.window;
  counted_ = std::max(counted_, ack.counted);
}

bool ReceiptKeeper::anything_new() const {
  if (!newest_) return slices_ok_ != 0 || bad_or_late_ != 0;
  return bytes_ok_ != newest_->bytes_ok || slices_ok_ != newest_->slices_ok ||
         bad_or_late_ != newest_->slices_bad_or_late || stall_ms_ != newest_->stall_ms;
}

bool ReceiptKeeper::due(Now now) const {
  if (!anything_new()) return false;
  const std::uint64_t unreceipted = bytes_ok_ - (newest_ ? newest_->bytes_ok : 0);
  const std::uint64_t every = std::min<std::uint64_t>(window_ / 2, limits::receipt_every_bytes);
  return (unreceipted != 0 && unreceipted >= every) || now.mono_us >= receipt_mono_us_ + limits::receipt_every_us;
}

std::uint64_t ReceiptKeeper::deadline_us() const {
  return anything_new() ? receipt_mono_us_ + limits::receipt_every_us : never_us;
}

proto::Receipt ReceiptKeeper::make(const crypto::KeyPair& viewer, Now now, bool final) {
  proto::Receipt fields;
  fields.flags = final ? 1 : 0;
  fields.stream_id = terms_.stream_id;
  fields.epoch = epoch_;
  fields.relay_key = terms_.relay_key;
  fields.viewer_key = terms_.viewer_key;
  fields.session_id = terms_.session_id;
  fields.seq = ++seq_;
  fields.interval_ms = whole_ms(now.mono_us - receipt_mono_us_);
  fields.bytes_ok = bytes_ok_;
  fields.first_us = first_us_;
  fields.last_us = last_us_;
  fields.last_segment = last_segment_;
  fields.slices_ok = slices_ok_;
  fields.slices_bad_or_late = bad_or_late_;
  fields.ttfb_ms = ttfb_ms_;
  fields.stall_ms = stall_ms_;
  receipt_mono_us_ = now.mono_us;
  newest_ = proto::issue_receipt(fields, viewer);
  return *newest_;
}

// ---- sender

ReceiptWindow::ReceiptWindow(const SessionTerms& terms, Now first_welcome)
    : terms_(terms),
      window_(terms.window_start_bytes),
      welcome_mono_us_(first_welcome.mono_us),
      tokens_(terms.window_start_bytes),
      refilled_mono_us_(first_welcome.mono_us) {
  terms_.window_max_bytes = std::max(terms_.window_max_bytes, terms_.window_start_bytes);
}

std::uint64_t ReceiptWindow::window_room() const {
  const std::uint64_t settled = counted_ + trusted_ + window_;
  return settled > sent_ ? settled - sent_ : 0;
}

void ReceiptWindow::refill(Now now) {
  if (now.mono_us <= refilled_mono_us_) return;
  const std::uint64_t elapsed_us = now.mono_us - refilled_mono_us_;
  refilled_mono_us_ = now.mono_us;
  // A bucket that is long full needs no sum that might not fit.
  if (elapsed_us > s_to_us(3600)) {
    tokens_ = window_;
    token_rest_ = 0;
    return;
  }
  const std::uint64_t gained = std::uint64_t{terms_.max_rate_bps} * elapsed_us + token_rest_;
  tokens_ += gained / 1'000'000;
  token_rest_ = gained % 1'000'000;
  if (tokens_ >= window_) {
    tokens_ = window_;
    token_rest_ = 0;
  }
}

std::uint64_t ReceiptWindow::pace_room(Now now) {
  if (terms_.max_rate_bps == 0) return never_us;
  refill(now);
  return tokens_;
}

std::uint64_t ReceiptWindow::available(Now now) {
  return std::min(window_room(), pace_room(now));
}

std::uint64_t ReceiptWindow::available_at_us(std::uint64_t bytes, Now now) {
  if (window_room() < bytes || (terms_.max_rate_bps != 0 && bytes > window_)) return never_us;
  const std::uint64_t room = pace_room(now);
  if (room >= bytes) return now.mono_us;
  const std::uint64_t wanted = (bytes - room) * 1'000'000 - token_rest_;
  return refilled_mono_us_ + (wanted + terms_.max_rate_bps - 1) / terms_.max_rate_bps;
}

void ReceiptWindow::on_sent(std::uint64_t bytes, Now now, bool repeat) {
  refill(now);
  tokens_ -= std::min(tokens_, bytes);
  sent_ += bytes;
  if (repeat) trusted_ += bytes;
  paused_ = false;
}

void ReceiptWindow::on_queue(std::uint64_t queued_bytes, Now now) {
  const bool waits = queued_bytes != 0 && window_room() < std::min(queued_bytes, largest_slice_bytes) &&
                     window_room() < window_ / 2;  // half a window unreceipted: a receipt is due in any case
  // What waited and was dropped as late ends no pause: only a receipt does.
  const bool still = paused_ && queued_bytes == 0 && window_room() < window_ / 2;
  if (waits && !paused_) paused_mono_us_ = now.mono_us;
  paused_ = waits || still;
}

void ReceiptWindow::on_socket_closed(Now now) {
  const std::uint64_t settled = counted_ + trusted_;
  if (sent_ > settled) trusted_ += sent_ - settled;
  refill(now);
  window_ = terms_.window_start_bytes;
  tokens_ = std::min<std::uint64_t>(tokens_, window_);
  paused_ = false;
}

Result<proto::ReceiptAck> ReceiptWindow::check(const proto::Receipt& receipt, Now now) {
  if (receipt.session_id != terms_.session_id)
    return refused("expected session " + to_hex(terms_.session_id.view()) + ", came another");
  if (receipt.relay_key != terms_.relay_key)
    return refused("expected relay " + to_hex(terms_.relay_key.view()) + ", came another");
  if (receipt.viewer_key != terms_.viewer_key)
    return refused("expected viewer " + to_hex(terms_.viewer_key.view()) + ", came another");
  if (receipt.stream_id != terms_.stream_id)
    return refused("expected stream " + to_hex(terms_.stream_id.view()) + ", came another");
  const std::uint32_t last = newest_ ? newest_->seq : 0;
  if (receipt.seq <= last)
    return refused("expected a seq above " + std::to_string(last) + ", came " + std::to_string(receipt.seq));
  if (receipt.bytes_ok < counted_)
    return refused("expected at least the " + std::to_string(counted_) + " octets of the one before, came " +
                   std::to_string(receipt.bytes_ok));
  if (receipt.bytes_ok > sent_)
    return refused("expected at most the " + std::to_string(sent_) + " octets that were sent, came " +
                   std::to_string(receipt.bytes_ok));
  const std::uint64_t lasted_us = now.mono_us - std::min(now.mono_us, welcome_mono_us_) + 1'000'000;
  const std::uint64_t possible = octets_in(terms_.max_rate_bps, lasted_us) + window_;
  if (terms_.max_rate_bps != 0 && receipt.bytes_ok > possible)
    return refused("expected at most " + std::to_string(possible) + " octets in the time of the session, came " +
                   std::to_string(receipt.bytes_ok));
  if (Status sound = proto::verify_receipt(receipt); !sound) return refused(sound.error().text);

  newest_ = receipt;
  counted_ = receipt.bytes_ok;
  const std::uint32_t grown = window_ > terms_.window_max_bytes / 2 ? terms_.window_max_bytes : window_ * 2;
  refill(now);
  tokens_ += grown - std::min(grown, window_);  // the burst grows with W
  window_ = std::max(window_, grown);
  if (paused_) on_queue(largest_slice_bytes, now);
  return proto::ReceiptAck{receipt.seq, window_, counted_};
}

bool ReceiptWindow::overdue(Now now) const {
  return paused_ && now.mono_us >= paused_mono_us_ + limits::receipt_pause_us;
}

std::uint64_t ReceiptWindow::deadline_us() const {
  return paused_ ? paused_mono_us_ + limits::receipt_pause_us : never_us;
}

}  // namespace streamr::core
