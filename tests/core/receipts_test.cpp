#include "core/receipts.hpp"

#include <doctest/doctest.h>

#include "media_fixture.hpp"

using namespace streamr;
using namespace streamr::core;
using namespace streamr::test;

namespace {

constexpr std::uint32_t kib = 1024;

struct Session {
  crypto::KeyPair viewer = test_key(3), relay = test_key(4);
  Now now{s_to_us(500), s_to_us(start_unix_s)};
  SessionTerms terms;

  explicit Session(std::uint32_t max_rate = 1'000'000) {
    terms.stream_id = test_key(1).public_key();
    terms.relay_key = relay.public_key();
    terms.viewer_key = viewer.public_key();
    terms.session_id.octets.fill(7);
    terms.max_rate_bps = max_rate;
    terms.window_start_bytes = 256 * kib;
    terms.window_max_bytes = 1024 * kib;
  }
  proto::Receipt receipt(std::uint32_t seq, std::uint64_t bytes_ok) const {
    proto::Receipt fields;
    fields.stream_id = terms.stream_id;
    fields.relay_key = terms.relay_key;
    fields.viewer_key = terms.viewer_key;
    fields.session_id = terms.session_id;
    fields.epoch = 7;
    fields.seq = seq;
    fields.bytes_ok = bytes_ok;
    return fields;
  }
  proto::Receipt signed_receipt(std::uint32_t seq, std::uint64_t bytes_ok) const {
    return proto::issue_receipt(receipt(seq, bytes_ok), viewer);
  }
  void pass(std::uint64_t ms) {
    now.mono_us += ms_to_us(ms);
    now.unix_us += ms_to_us(ms);
  }
};

Wire refusal(const Result<proto::ReceiptAck>& result) {
  return result.ok() ? Wire::none : result.error().wire;
}

}  // namespace

// ---- receiver

TEST_CASE("a receipt is due every half window or every second, whichever comes first, and only for something new") {
  Session session;
  ReceiptKeeper keeper(session.terms);
  keeper.on_welcome(256 * kib, session.now);
  session.pass(5000);
  CHECK_FALSE(keeper.due(session.now));
  CHECK(keeper.deadline_us() == UINT64_MAX);
  keeper.on_slice(7, 10, 16 * kib, session.now);
  CHECK(keeper.due(session.now));
  keeper.make(session.viewer, session.now);
  for (int i = 0; i < 7; ++i) keeper.on_slice(7, 10, 16 * kib, session.now);
  CHECK_FALSE(keeper.due(session.now));
  CHECK(keeper.deadline_us() == session.now.mono_us + s_to_us(1));
  keeper.on_slice(7, 10, 16 * kib, session.now);  // 128 KiB
  CHECK(keeper.due(session.now));
  keeper.make(session.viewer, session.now);
  keeper.on_slice(7, 10, 1, session.now);
  session.pass(999);
  CHECK_FALSE(keeper.due(session.now));
  session.pass(1);
  CHECK(keeper.due(session.now));
}

TEST_CASE("a grown window is receipted in larger steps, of a mebibyte at most") {
  Session session;
  ReceiptKeeper keeper(session.terms);
  keeper.on_welcome(256 * kib, session.now);
  keeper.on_slice(7, 10, 1, session.now);
  keeper.make(session.viewer, session.now);
  keeper.on_ack({1, 8 * 1024 * kib, 1});
  CHECK(keeper.window() == 8 * 1024 * kib);
  CHECK(keeper.counted() == 1);
  keeper.on_slice(7, 10, 1024 * kib - 1, session.now);
  CHECK_FALSE(keeper.due(session.now));
  keeper.on_slice(7, 10, 1, session.now);
  CHECK(keeper.due(session.now));
}

TEST_CASE("a receipt holds what came since the session began, and only the interval since the receipt before") {
  Session session;
  ReceiptKeeper keeper(session.terms);
  keeper.on_welcome(256 * kib, session.now);
  session.pass(120);
  const std::uint64_t first_us = session.now.unix_us;
  keeper.on_slice(7, 10, 1000, session.now);
  session.pass(380);
  const proto::Receipt first = keeper.make(session.viewer, session.now);
  keeper.on_slice(7, 11, 500, session.now);
  keeper.on_bad_or_late();
  keeper.add_stall(40);
  session.pass(700);
  keeper.on_slice(8, 12, 250, session.now);
  keeper.on_slice(8, 11, 250, session.now);
  const proto::Receipt second = keeper.make(session.viewer, session.now, true);
  CHECK(proto::verify_receipt(second).ok());
  CHECK(first.seq == 1);
  CHECK(first.interval_ms == 500);
  CHECK(first.flags == 0);
  CHECK(second.seq == 2);
  CHECK(second.flags == 1);
  CHECK(second.interval_ms == 700);
  CHECK(second.bytes_ok == 2000);
  CHECK(second.slices_ok == 4);
  CHECK(second.slices_bad_or_late == 1);
  CHECK(second.first_us == first_us);
  CHECK(second.last_us == session.now.unix_us);
  CHECK(second.last_segment == 12);
  CHECK(second.epoch == 8);
  CHECK(second.ttfb_ms == 120);
  CHECK(second.stall_ms == 40);
  CHECK(second.session_id == session.terms.session_id);
}

TEST_CASE("a second socket of the session goes on counting") {
  Session session;
  ReceiptKeeper keeper(session.terms);
  keeper.on_welcome(256 * kib, session.now);
  keeper.on_slice(7, 10, 1000, session.now);
  keeper.make(session.viewer, session.now);
  session.pass(3000);
  keeper.on_welcome(256 * kib, session.now);
  keeper.on_slice(7, 10, 1000, session.now);
  const proto::Receipt next = keeper.make(session.viewer, session.now);
  CHECK(next.seq == 2);
  CHECK(next.bytes_ok == 2000);
  CHECK(next.ttfb_ms == 1);
}

TEST_CASE("an acknowledgement of a receipt that was never made is not believed") {
  Session session;
  ReceiptKeeper keeper(session.terms);
  keeper.on_welcome(256 * kib, session.now);
  keeper.on_ack({9, 1024 * kib, 5000});
  CHECK(keeper.window() == 256 * kib);
  CHECK(keeper.counted() == 0);
}

// ---- sender

TEST_CASE("no more than the window goes out without a receipt, and each good one doubles it up to its maximum") {
  Session session;
  ReceiptWindow window(session.terms, session.now);
  CHECK(window.available(session.now) == 256 * kib);
  window.on_sent(256 * kib, session.now);
  session.pass(60'000);
  CHECK(window.available(session.now) == 0);
  const auto ack = window.check(session.signed_receipt(1, 200 * kib), session.now);
  REQUIRE(ack.ok());
  CHECK(ack->seq == 1);
  CHECK(ack->window == 512 * kib);
  CHECK(ack->counted == 200 * kib);
  CHECK(window.window_room() == 512 * kib - 56 * kib);
  CHECK(window.check(session.signed_receipt(2, 256 * kib), session.now)->window == 1024 * kib);
  CHECK(window.check(session.signed_receipt(3, 256 * kib), session.now)->window == 1024 * kib);
  CHECK(window.newest()->seq == 3);
}

TEST_CASE("a session is paced to max_rate with a burst of the window") {
  Session session(100'000);
  session.terms.window_start_bytes = session.terms.window_max_bytes = 50'000;
  ReceiptWindow window(session.terms, session.now);
  window.on_sent(50'000, session.now);
  REQUIRE(window.check(session.signed_receipt(1, 50'000), session.now).ok());
  CHECK(window.window_room() == 50'000);
  CHECK(window.available(session.now) == 0);
  CHECK(window.available_at_us(20'000, session.now) == session.now.mono_us + 200'000);
  session.pass(200);
  CHECK(window.available(session.now) == 20'000);
  CHECK(window.available_at_us(20'000, session.now) == session.now.mono_us);
  session.pass(10'000);
  CHECK(window.available(session.now) == 50'000);  // no more is saved up
  CHECK(window.available_at_us(50'001, session.now) == UINT64_MAX);
}

TEST_CASE("a session without a rate is not paced") {
  Session session(0);
  ReceiptWindow window(session.terms, session.now);
  CHECK(window.pace_room(session.now) == UINT64_MAX);
  CHECK(window.available(session.now) == 256 * kib);
}

TEST_CASE("a repeat waits for no receipt") {
  Session session;
  ReceiptWindow window(session.terms, session.now);
  window.on_sent(1000, session.now, true);
  CHECK(window.window_room() == 256 * kib);
  CHECK(window.sent() == 1000);
  CHECK(window.check(session.signed_receipt(1, 1000), session.now).ok());
  CHECK(window.window_room() >= 512 * kib);
}

TEST_CASE("after five seconds of pause a receipt is overdue; sending or a good receipt ends the pause") {
  Session session;
  ReceiptWindow window(session.terms, session.now);
  window.on_sent(250 * kib, session.now);
  window.on_queue(0, session.now);
  CHECK_FALSE(window.paused());  // nothing waits
  window.on_queue(500 * kib, session.now);
  CHECK(window.paused());
  CHECK(window.deadline_us() == session.now.mono_us + s_to_us(5));
  session.pass(4999);
  window.on_queue(600 * kib, session.now);
  CHECK_FALSE(window.overdue(session.now));
  session.pass(1);
  CHECK(window.overdue(session.now));
  REQUIRE(window.check(session.signed_receipt(1, 250 * kib), session.now).ok());
  CHECK_FALSE(window.overdue(session.now));
  CHECK(window.deadline_us() == UINT64_MAX);
}

TEST_CASE("when a socket closes, what was on its way is written off and the window begins again") {
  Session session;
  ReceiptWindow window(session.terms, session.now);
  window.on_sent(200 * kib, session.now);
  REQUIRE(window.check(session.signed_receipt(1, 150 * kib), session.now).ok());
  window.on_socket_closed(session.now);
  CHECK(window.window() == 256 * kib);
  CHECK(window.window_room() == 256 * kib);
  CHECK(window.counted() == 150 * kib);
  CHECK(refusal(window.check(session.signed_receipt(2, 200 * kib), session.now)) ==
        Wire::none);  // it had arrived after all
}

TEST_CASE("a receipt whose signature does not hold is refused as authentication") {
  Session session;
  ReceiptWindow window(session.terms, session.now);
  window.on_sent(1000, session.now);
  proto::Receipt bent = session.signed_receipt(1, 1000);
  bent.raw[271] ^= 1;
  bent.signature.octets[63] ^= 1;
  CHECK(refusal(window.check(bent, session.now)) == Wire::authentication);
  CHECK(refusal(window.check(proto::issue_receipt(session.receipt(1, 1000), session.relay), session.now)) ==
        Wire::authentication);
  CHECK(window.counted() == 0);
  CHECK(window.window() == 256 * kib);
  CHECK_FALSE(window.newest().has_value());
}

TEST_CASE("a receipt for another relay, viewer, session or stream is refused as authentication") {
  Session session;
  ReceiptWindow window(session.terms, session.now);
  window.on_sent(1000, session.now);
  proto::Receipt other = session.receipt(1, 1000);
  other.relay_key = test_key(9).public_key();
  CHECK(refusal(window.check(proto::issue_receipt(other, session.viewer), session.now)) == Wire::authentication);
  CHECK(refusal(window.check(proto::issue_receipt(session.receipt(1, 1000), test_key(9)), session.now)) ==
        Wire::authentication);
  other = session.receipt(1, 1000);
  other.session_id.octets[0] ^= 1;
  CHECK(refusal(window.check(proto::issue_receipt(other, session.viewer), session.now)) == Wire::authentication);
  other = session.receipt(1, 1000);
  other.stream_id = test_key(9).public_key();
  CHECK(refusal(window.check(proto::issue_receipt(other, session.viewer), session.now)) == Wire::authentication);
  CHECK(refusal(window.check(session.signed_receipt(1, 1000), session.now)) == Wire::none);
}

TEST_CASE("a session's receipts are numbered from 1: a seq of 0 is refused as authentication") {
  Session session;
  ReceiptWindow window(session.terms, session.now);
  window.on_sent(1000, session.now);
  CHECK(refusal(window.check(session.signed_receipt(0, 500), session.now)) == Wire::authentication);
  CHECK(refusal(window.check(session.signed_receipt(1, 500), session.now)) == Wire::none);
}

TEST_CASE("a receipt whose seq does not rise is refused as authentication") {
  Session session;
  ReceiptWindow window(session.terms, session.now);
  window.on_sent(1000, session.now);
  REQUIRE(window.check(session.signed_receipt(5, 500), session.now).ok());
  CHECK(refusal(window.check(session.signed_receipt(5, 600), session.now)) == Wire::authentication);
  CHECK(refusal(window.check(session.signed_receipt(4, 600), session.now)) == Wire::authentication);
  CHECK(refusal(window.check(session.signed_receipt(6, 600), session.now)) == Wire::none);
}

TEST_CASE("a receipt with fewer octets than the last one or more than were sent is refused as authentication") {
  Session session;
  ReceiptWindow window(session.terms, session.now);
  window.on_sent(1000, session.now);
  REQUIRE(window.check(session.signed_receipt(1, 500), session.now).ok());
  CHECK(refusal(window.check(session.signed_receipt(2, 499), session.now)) == Wire::authentication);
  CHECK(refusal(window.check(session.signed_receipt(2, 1001), session.now)) == Wire::authentication);
  CHECK(refusal(window.check(session.signed_receipt(2, 1000), session.now)) == Wire::none);
}

TEST_CASE("a receipt of more octets than the rate allows in its time is refused as authentication") {
  Session session(100'000);
  session.terms.window_start_bytes = session.terms.window_max_bytes = 50'000;
  ReceiptWindow window(session.terms, session.now);
  window.on_sent(400'000, session.now, true);
  session.pass(1000);  // 100 000 x (1 s + 1 s) + 50 000
  CHECK(refusal(window.check(session.signed_receipt(1, 250'001), session.now)) == Wire::authentication);
  CHECK(refusal(window.check(session.signed_receipt(1, 250'000), session.now)) == Wire::none);
}

TEST_CASE("keeper and window agree on every octet") {
  Session session;
  ReceiptKeeper keeper(session.terms);
  ReceiptWindow window(session.terms, session.now);
  keeper.on_welcome(window.window(), session.now);
  std::uint64_t sent = 0;
  for (int tick = 0; tick < 2000; ++tick) {
    session.pass(5);
    while (window.available(session.now) >= 16 * kib) {
      window.on_sent(16 * kib, session.now);
      keeper.on_slice(7, 10, 16 * kib, session.now);
      sent += 16 * kib;
      if (!keeper.due(session.now)) continue;
      const auto ack = window.check(keeper.make(session.viewer, session.now), session.now);
      REQUIRE(ack.ok());
      keeper.on_ack(*ack);
    }
    window.on_queue(1 << 20, session.now);
    REQUIRE_FALSE(window.overdue(session.now));
  }
  CHECK(keeper.bytes_ok() == sent);
  CHECK(sent >= 9'900'000);  // 10 s at a million octets a second
  CHECK(sent <= 10'000'000 + 1024 * kib);
  CHECK(keeper.window() == 1024 * kib);
}
