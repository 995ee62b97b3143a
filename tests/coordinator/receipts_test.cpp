#include "coordinator/rules/receipts.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace coordinator;

namespace {

constexpr uint64_t kStartUs = 1'700'000'000'000'000;

struct Fixture {
  streamr_key_t* viewer = nullptr;
  std::string viewer_key = std::string(32, '\0');
  std::string relay = std::string(32, 'r');
  std::string stream = std::string(32, 's');
  std::string session_id = std::string(16, 'i');
  SessionRecord session;

  Fixture() {
    const std::string seed(32, 'v');
    REQUIRE(streamr_key_from_seed(reinterpret_cast<const uint8_t*>(seed.data()), 32, &viewer) == STREAMR_OK);
    streamr_key_public(viewer, reinterpret_cast<uint8_t*>(viewer_key.data()));
    session.id = session_id;
    session.relay = relay;
    session.viewer = viewer_key;
    session.stream = stream;
    session.not_before_us = kStartUs;
    session.not_after_us = kStartUs + 3'600'000'000;
    session.max_rate = 1'000'000;
    session.window_max = 1 << 20;
  }
  ~Fixture() { streamr_key_destroy(viewer); }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  std::string receipt(uint32_t seq, uint64_t bytes_ok, uint64_t last_us = kStartUs + 1) const {
    streamr_receipt_t fields = STREAMR_RECEIPT_INIT;
    std::copy_n(stream.begin(), 32, fields.stream_id);
    std::copy_n(relay.begin(), 32, fields.relay_key);
    std::copy_n(viewer_key.begin(), 32, fields.viewer_key);
    std::copy_n(session_id.begin(), 16, fields.session_id);
    fields.epoch = 1;
    fields.seq = seq;
    fields.bytes_ok = bytes_ok;
    fields.first_us = kStartUs;
    fields.last_us = last_us;
    std::string out(STREAMR_RECEIPT_BYTES, '\0');
    REQUIRE(streamr_receipt_issue(viewer, &fields, reinterpret_cast<uint8_t*>(out.data())) == STREAMR_OK);
    return out;
  }
};

}  // namespace

TEST_CASE("a receipt counts its bytes up to the ticket's rate over the time it was open") {
  const Fixture f;
  const uint64_t now = kStartUs + 2'000'000;
  const Judged small = judge_receipt(f.receipt(1, 1000), {{f.session}, {}}, f.relay, now);
  CHECK(small.verdict == ReceiptVerdict::settled);
  CHECK(small.new_bytes == 1000);
  const Judged huge = judge_receipt(f.receipt(1, UINT64_MAX), {{f.session}, {}}, f.relay, now);
  CHECK(huge.new_bytes == 2'000'000 + (1 << 20));
}

TEST_CASE("only what is new counts, and what other relays of the session have is taken off") {
  const Fixture f;
  ReceiptRecord kept;
  kept.relay = f.relay;
  kept.seq = 3;
  kept.bytes_ok = kept.counted = 700;
  ReceiptRecord other;
  other.relay = std::string(32, 'x');
  other.counted = 1 << 20;
  const Judged judged =
      judge_receipt(f.receipt(4, 1'000'000), {{f.session}, {kept, other}}, f.relay, kStartUs + 100'000);
  CHECK(judged.verdict == ReceiptVerdict::settled);
  CHECK(judged.record.counted == 100'000);
  CHECK(judged.new_bytes == 99'300);
}

TEST_CASE("a lower or equal seq is stale, a falling counter is refused") {
  const Fixture f;
  ReceiptRecord kept;
  kept.relay = f.relay;
  kept.seq = 3;
  kept.bytes_ok = 700;
  CHECK(judge_receipt(f.receipt(3, 900), {{f.session}, {kept}}, f.relay, kStartUs).verdict == ReceiptVerdict::stale);
  const Judged falling = judge_receipt(f.receipt(4, 699), {{f.session}, {kept}}, f.relay, kStartUs);
  CHECK(falling.code == "receipt_refused");
}

TEST_CASE("a receipt is refused for each thing that its ticket did not say") {
  Fixture f;
  CHECK(judge_receipt("short", {}, f.relay, kStartUs).code == "receipt_refused");
  CHECK(judge_receipt(f.receipt(1, 1), {}, f.relay, kStartUs).code == "session_unknown");
  std::string forged = f.receipt(1, 1);
  forged[140] = static_cast<char>(forged[140] ^ 1);
  CHECK(judge_receipt(forged, {{f.session}, {}}, f.relay, kStartUs).code == "signature_wrong");
  CHECK(judge_receipt(f.receipt(1, 1), {{f.session}, {}}, std::string(32, 'y'), kStartUs).code == "receipt_refused");
  SessionRecord other = f.session;
  other.stream = std::string(32, 't');
  CHECK(judge_receipt(f.receipt(1, 1), {{other}, {}}, f.relay, kStartUs).code == "receipt_refused");
  other = f.session;
  other.viewer = std::string(32, 't');
  CHECK(judge_receipt(f.receipt(1, 1), {{other}, {}}, f.relay, kStartUs).code == "receipt_refused");
  const uint64_t end = f.session.not_after_us + 60'000'000;
  CHECK(judge_receipt(f.receipt(1, 1, end), {{f.session}, {}}, f.relay, kStartUs).verdict == ReceiptVerdict::settled);
  CHECK(judge_receipt(f.receipt(1, 1, end + 1), {{f.session}, {}}, f.relay, kStartUs).code == "receipt_refused");
}

TEST_CASE("after the cut of its last hour a session adds nothing more") {
  const Fixture f;
  const uint64_t end = f.session.not_after_us + 60'000'000;
  const uint64_t cut = (end / 3'600'000'000 + 1) * 3'600'000'000 + 120'000'000;
  CHECK(judge_receipt(f.receipt(1, 500), {{f.session}, {}}, f.relay, cut).new_bytes == 500);
  CHECK(judge_receipt(f.receipt(1, 500), {{f.session}, {}}, f.relay, cut + 1).new_bytes == 0);
}

TEST_CASE("a batch is ordered by session, one receipt each") {
  std::string a(STREAMR_RECEIPT_BYTES, 'a');
  std::string b(STREAMR_RECEIPT_BYTES, 'b');
  CHECK(strictly_ascending({a, b}));
  CHECK(strictly_ascending({}));
  CHECK_FALSE(strictly_ascending({b, a}));
  CHECK_FALSE(strictly_ascending({a, a}));
}
