// Decides when a receiver owes a receipt and what stands in it, and how far a sender trusts a session without one.
// Never sends and never touches credit: CREDIT limits transport, this limits trust; the caller obeys the smaller.
// Called by core/node: one ReceiptKeeper per session where we receive, one ReceiptWindow per session where we send.
#pragma once

#include <cstdint>
#include <optional>

#include "base/result.hpp"
#include "base/types.hpp"
#include "proto/frames.hpp"
#include "proto/objects.hpp"

namespace streamr::core {

// What a ticket says about a session. A session may have two sockets: keeper and window outlive a socket.
struct SessionTerms {
  StreamId stream_id;
  Key relay_key;                             // who sends media
  Key viewer_key;                            // who signs receipts
  SessionId session_id;
  std::uint32_t max_rate_bps = 0;            // bytes a second; 0 = not paced
  std::uint32_t window_start_bytes = 262'144;
  std::uint32_t window_max_bytes = 1'048'576;

  static SessionTerms of(const proto::Ticket& ticket);
};

// Receiver's side.
class ReceiptKeeper {
 public:
  explicit ReceiptKeeper(const SessionTerms& terms) : terms_(terms), window_(terms.window_start_bytes) {}

  // WELCOME came; the first one starts the clock of the session, each tells the sender's window.
  void on_welcome(std::uint32_t window, Now now);
  // A slice of this session was verified and is not a duplicate; `bytes` of its data.
  void on_slice(std::uint64_t epoch, std::uint64_t segment, std::size_t bytes, Now now);
  void on_bad_or_late() { ++bad_or_late_; }
  void add_stall(std::uint32_t ms) { stall_ms_ += ms; }
  void on_ack(const proto::ReceiptAck& ack);

  // Something new is unreceipted, and min(W/2, 1 MiB) of it or one second since the receipt before (or WELCOME) is over.
  bool due(Now now) const;
  std::uint64_t deadline_us() const;         // mono_us when it becomes due by time; UINT64_MAX = nothing new
  bool anything_new() const;
  // The next receipt, seq rising from 1. `final` sets FINAL; one is worth sending once at the end if anything ever came.
  proto::Receipt make(const crypto::KeyPair& viewer, Now now, bool final = false);

  const SessionTerms& terms() const { return terms_; }
  const std::optional<proto::Receipt>& newest() const { return newest_; }   // for POST /v1/receipts
  std::uint64_t bytes_ok() const { return bytes_ok_; }
  std::uint32_t slices_ok() const { return slices_ok_; }
  std::uint32_t bad_or_late() const { return bad_or_late_; }
  std::uint32_t ttfb_ms() const { return ttfb_ms_; }
  std::uint32_t stall_ms() const { return stall_ms_; }
  std::uint32_t window() const { return window_; }
  std::uint64_t counted() const { return counted_; }                        // what the sender last acknowledged

 private:
  SessionTerms terms_;
  std::uint32_t window_;
  bool welcomed_ = false;
  std::uint64_t welcome_mono_us_ = 0;
  std::uint64_t receipt_mono_us_ = 0;
  std::uint32_t seq_ = 0;
  std::uint64_t epoch_ = 0, last_segment_ = 0;
  std::uint64_t bytes_ok_ = 0, first_us_ = 0, last_us_ = 0;
  std::uint32_t slices_ok_ = 0, bad_or_late_ = 0, ttfb_ms_ = 0, stall_ms_ = 0;
  std::uint64_t counted_ = 0;
  std::optional<proto::Receipt> newest_;
};

// Sender's side. `now` of construction is the session's first WELCOME.
class ReceiptWindow {
 public:
  ReceiptWindow(const SessionTerms& terms, Now first_welcome);

  // Octets of slice data that may go out now: the smaller of what the window trusts and what the pace allows.
  std::uint64_t available(Now now);
  std::uint64_t window_room() const;         // counted + W − sent, never below 0
  std::uint64_t pace_room(Now now);          // max_rate with a burst of W
  // mono_us when the pace allows `bytes`; `now` if it does already, UINT64_MAX where only a receipt helps.
  std::uint64_t available_at_us(std::uint64_t bytes, Now now);

  // Slice data that went out. A repeat (INIT of a new join, a FETCH of what this session was sent before) is paced and
  // bounds bytes_ok but waits for no receipt, since a receiver counts unique bytes only.
  void on_sent(std::uint64_t bytes, Now now, bool repeat = false);
  // After a round of sending: octets that still wait. Waiting without room for the next slice is a pause.
  void on_queue(std::uint64_t queued_bytes, Now now);
  // A socket of the session closed: what was on its way is written off and W begins again at window_start.
  void on_socket_closed(Now now);

  // [5] signature, relay, viewer, session, stream, seq ≤ last, bytes_ok lower than last, higher than sent or than time
  // allows. A good one doubles W. A refused one changes nothing.
  Result<proto::ReceiptAck> check(const proto::Receipt& receipt, Now now);

  bool paused() const { return paused_; }
  bool overdue(Now now) const;               // paused for 5 s: ERROR 9 and close
  std::uint64_t deadline_us() const;         // mono_us when a pause becomes overdue; UINT64_MAX = not paused

  const SessionTerms& terms() const { return terms_; }
  std::uint32_t window() const { return window_; }                          // WELCOME's window
  std::uint64_t sent() const { return sent_; }
  std::uint64_t counted() const { return counted_; }
  const std::optional<proto::Receipt>& newest() const { return newest_; }   // newest good one, for the batch

 private:
  void refill(Now now);

  SessionTerms terms_;
  std::uint32_t window_;
  std::uint64_t welcome_mono_us_;
  std::uint64_t sent_ = 0;                   // all of it, what bytes_ok may reach
  std::uint64_t trusted_ = 0;                // of it: repeats and write-offs, for which no receipt is awaited
  std::uint64_t counted_ = 0;
  std::uint64_t tokens_;                     // pace, octets
  std::uint64_t token_rest_ = 0;             // octets × µs not yet a whole octet
  std::uint64_t refilled_mono_us_;
  bool paused_ = false;
  std::uint64_t paused_mono_us_ = 0;
  std::optional<proto::Receipt> newest_;
};

}  // namespace streamr::core
