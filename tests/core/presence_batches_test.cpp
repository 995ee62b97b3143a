// A relay's receipts reach the coordinator: every minute, soon after a FINAL, chained, none lost and none doubled.
#include <algorithm>

#include "core/presence_fixture.hpp"

using namespace streamr;
using namespace streamr::core;
using namespace streamr::core::testing;

namespace {

constexpr const char* route = "/v1/receipts/batch";

proto::Receipt receipt(std::uint8_t session, std::uint32_t seq, bool final = false) {
  proto::Receipt fields;
  fields.flags = final ? 1 : 0;
  fields.session_id.octets.fill(session);
  fields.seq = seq;
  fields.bytes_ok = seq * 1000;
  return proto::issue_receipt(fields, key_pair(8));
}

std::string settled_json(const HttpCall& call, std::uint64_t settled) {
  return R"({"batch_hash":")" + to_hex(crypto::sha256(call.body).view()) + R"(","settled":)" + std::to_string(settled) +
         R"(,"stale":0,"refused":[]})";
}

struct Relay : Talk {
  explicit Relay(PresenceConfig config = config_of("relay")) : Talk(std::move(config)) {
    register_and_beat();
    events<Registered>();
  }
  // The next batch; heartbeats and key look-ups on the way are answered.
  std::optional<HttpCall> batch_within(std::uint64_t ms) {
    const std::uint64_t limit_us = now.mono_us + ms * 1000;
    for (;;) {
      while (auto made = call()) {
        if (made->url.ends_with(route)) return made;
        if (made->url.ends_with("/heartbeat")) answer(*made, 200, heartbeat_json(++lease));
        else answer(*made, 200, key_json(coordinator));
      }
      const std::uint64_t to_us = std::min(limit_us, presence.deadline_us());
      if (to_us > now.mono_us) { now.unix_us += to_us - now.mono_us; now.mono_us = to_us; }
      else if (now.mono_us >= limit_us) return std::nullopt;
    }
  }
  HttpCall expect_batch(std::uint64_t within_ms) {
    auto made = batch_within(within_ms);
    REQUIRE(made.has_value());
    return *made;
  }
  std::uint8_t lease = 0x02;
};

std::uint64_t interval_of(const HttpCall& call) { return *body_json(call).root().get_u64("interval"); }
std::string prev_of(const HttpCall& call) { return std::string(*body_json(call).root().get_string("prev_batch_hash")); }

std::vector<proto::Receipt> receipts_of(const HttpCall& call) {
  std::vector<proto::Receipt> out;
  const auto document = body_json(call);
  for (const auto entry : *document.root().get_array("receipts")) out.push_back(*proto::parse_receipt(*entry.as_hex("receipt", 272)));
  return out;
}

}  // namespace

TEST_CASE("after a minute the newest receipt of each session goes out, sorted by session, under an RFC 9162 root") {
  Relay talk;
  talk.presence.report_receipt(receipt(9, 1), false, talk.now);
  talk.presence.report_receipt(receipt(3, 1), false, talk.now);
  talk.presence.report_receipt(receipt(9, 2), false, talk.now);
  talk.presence.report_receipt(receipt(9, 1), false, talk.now);   // an older one never replaces a newer one
  CHECK_FALSE(talk.batch_within(59'900).has_value());
  const HttpCall call = talk.expect_batch(200);
  CHECK(counter_if_signed(call, route, talk.lease).has_value());
  CHECK(prev_of(call) == hex_of(0, 32));
  CHECK(interval_of(call) == talk.now.unix_us / 60'000'000);
  const auto sent = receipts_of(call);
  REQUIRE(sent.size() == 2);
  CHECK(sent[0].session_id.octets[0] == 3);
  CHECK(sent[1].session_id.octets[0] == 9);
  CHECK(sent[1].seq == 2);
  crypto::Hasher hasher;
  const std::vector<Hash> leaves = {crypto::leaf_hash(hasher, sent[0].raw), crypto::leaf_hash(hasher, sent[1].raw)};
  CHECK(*body_json(call).root().get_string("root") == to_hex(crypto::merkle_root(hasher, leaves).view()));
}

TEST_CASE("a final receipt is on its way within 30 s") {
  Relay talk;
  talk.presence.report_receipt(receipt(1, 5, true), true, talk.now);
  talk.expect_batch(30'000);
}

TEST_CASE("each batch names the one before, and what was settled is told with its hash") {
  Relay talk;
  talk.presence.report_receipt(receipt(1, 1), false, talk.now);
  const HttpCall first = talk.expect_batch(60'000);
  talk.answer(first, 200, settled_json(first, 1));
  const auto settled = talk.events<BatchSettled>();
  REQUIRE(settled.size() == 1);
  CHECK(settled[0].batch_hash == crypto::sha256(first.body));
  CHECK(settled[0].settled == 1);
  CHECK_FALSE(talk.batch_within(120'000).has_value());    // nothing new, no batch
  talk.presence.report_receipt(receipt(1, 2), false, talk.now);
  const HttpCall second = talk.expect_batch(60'000);
  CHECK(prev_of(second) == to_hex(crypto::sha256(first.body).view()));
  CHECK(interval_of(second) > interval_of(first));
}

TEST_CASE("a batch whose reply got lost is sent again octet for octet, newly signed") {
  Relay talk;
  talk.presence.report_receipt(receipt(1, 1), false, talk.now);
  const HttpCall first = talk.expect_batch(60'000);
  talk.presence.report_receipt(receipt(1, 2), false, talk.now);
  talk.lose(first);
  const HttpCall again = talk.expect_batch(1'000);
  CHECK(body_text(again) == body_text(first));
  CHECK(header(again, "Streamr-Sig") != header(first, "Streamr-Sig"));
  talk.answer(again, 200, settled_json(again, 1));
  const HttpCall next = talk.expect_batch(60'000);
  CHECK(receipts_of(next).at(0).seq == 2);
}

TEST_CASE("a broken chain goes on where the coordinator says, with another minute so that no interval has two batches") {
  Relay talk;
  talk.presence.report_receipt(receipt(1, 1), false, talk.now);
  const HttpCall first = talk.expect_batch(60'000);
  talk.answer(first, 409, R"({"error":{"code":"chain_broken","message":"", "expected_prev":")" + hex_of(0xab, 32) + R"("}})");
  const HttpCall second = talk.expect_batch(60'000);
  CHECK(prev_of(second) == hex_of(0xab, 32));
  CHECK(receipts_of(second).size() == 1);
  CHECK(interval_of(second) > interval_of(first));
  CHECK(interval_of(second) <= talk.now.unix_us / 60'000'000 + 2);
  talk.answer(second, 409, R"({"error":{"code":"chain_broken","message":""},"expected_prev":")" + hex_of(0xcd, 32) + R"("})");
  CHECK(prev_of(talk.expect_batch(180'000)) == hex_of(0xcd, 32));
}

TEST_CASE("a broken chain that expects the very batch we sent means that it was settled") {
  Relay talk;
  talk.presence.report_receipt(receipt(1, 1), false, talk.now);
  const HttpCall first = talk.expect_batch(60'000);
  talk.answer(first, 409, R"({"error":{"code":"chain_broken","message":""},"expected_prev":")" + to_hex(crypto::sha256(first.body).view()) + R"("})");
  CHECK(talk.events<BatchSettled>().size() == 1);
  CHECK_FALSE(talk.batch_within(120'000).has_value());
}

TEST_CASE("a relay that remembers its last batch goes on from it") {
  PresenceConfig config = config_of("relay");
  config.batch_chain.octets.fill(0xee);
  Relay talk(config);
  talk.presence.report_receipt(receipt(1, 1), false, talk.now);
  CHECK(prev_of(talk.expect_batch(60'000)) == hex_of(0xee, 32));
}

TEST_CASE("two batches never name the same minute and none runs more than two ahead, however many viewers leave") {
  Relay talk;
  std::vector<std::uint64_t> intervals;
  for (std::uint32_t n = 0; n < 40; ++n) {
    talk.presence.report_receipt(receipt(static_cast<std::uint8_t>(n), 1, true), true, talk.now);
    if (auto call = talk.batch_within(15'000)) {
      intervals.push_back(interval_of(*call));
      CHECK(intervals.back() <= talk.now.unix_us / 60'000'000 + 2);
      talk.answer(*call, 200, settled_json(*call, 1));
    }
  }
  CHECK(intervals.size() >= 8);
  CHECK(std::adjacent_find(intervals.begin(), intervals.end(), std::greater_equal<>()) == intervals.end());
}

TEST_CASE("while the coordinator is away receipts wait, only the newest of each session, and settle when it is back") {
  Relay talk;
  for (std::uint32_t minute = 1; minute <= 60; ++minute) {
    talk.presence.report_receipt(receipt(1, minute), false, talk.now);
    talk.presence.report_receipt(receipt(2, minute), false, talk.now);
    while (auto call = talk.call()) talk.lose(*call);
    talk.pass_ms(60'000);
  }
  std::vector<proto::Receipt> delivered;
  for (int n = 0; n < 2; ++n) {
    const HttpCall call = talk.expect_batch(180'000);
    for (const auto& one : receipts_of(call)) delivered.push_back(one);
    talk.answer(call, 200, settled_json(call, 2));
  }
  REQUIRE(delivered.size() == 4);
  CHECK(delivered[2].seq == 60);
  CHECK(delivered[3].seq == 60);
}

TEST_CASE("two thousand viewers make two batches of at most 1 MiB each") {
  Relay talk;
  proto::Receipt one = receipt(1, 1);
  for (std::uint16_t n = 0; n < 2'000; ++n) {
    store_u16(one.session_id.data(), n);
    talk.presence.report_receipt(one, false, talk.now);
  }
  const HttpCall first = talk.expect_batch(60'000);
  CHECK(first.body.size() <= 1024 * 1024);
  talk.answer(first, 200, settled_json(first, 1900));
  const HttpCall second = talk.expect_batch(60'000);
  CHECK(receipts_of(first).size() + receipts_of(second).size() == 2'000);
}

TEST_CASE("a body that the coordinator finds too large is cut in two") {
  Relay talk;
  proto::Receipt one = receipt(1, 1);
  for (std::uint16_t n = 0; n < 1'200; ++n) {
    store_u16(one.session_id.data(), n);
    talk.presence.report_receipt(one, false, talk.now);
  }
  talk.answer(talk.expect_batch(60'000), 413, R"({"error":{"code":"too_large","message":""}})");
  CHECK(receipts_of(talk.expect_batch(180'000)).size() == 950);
}

TEST_CASE("a batch that finds the lease unknown waits for the new registration and goes out unchanged") {
  Relay talk;
  talk.presence.report_receipt(receipt(1, 1), false, talk.now);
  const HttpCall first = talk.expect_batch(60'000);
  talk.answer(first, 401, R"({"error":{"code":"lease_unknown","message":""}})");
  CHECK_FALSE(talk.presence.registered());
  talk.answer(talk.wait_for("/.well-known/streamr.json", 30'000), 200, talk.key_json(talk.coordinator));
  talk.answer(talk.expect("/v1/nodes/challenge"), 200, talk.challenge_json());
  talk.answer(talk.expect("/v1/nodes/register"), 200, Talk::registered_json(0x55));
  talk.lease = 0x55;
  const HttpCall again = talk.expect_batch(1'000);
  CHECK(body_text(again) == body_text(first));
  CHECK(counter_if_signed(again, route, 0x56).has_value());   // the first heartbeat after it brought the next lease
}

TEST_CASE("only one signed request is under way at a time, so counters arrive in their order") {
  Relay talk;
  talk.presence.report_receipt(receipt(1, 1), false, talk.now);
  const HttpCall batch = talk.expect_batch(60'000);
  talk.presence.heartbeat_soon(talk.now);
  talk.pass_ms(5'000);
  while (auto call = talk.call()) CHECK_FALSE(call->url.ends_with("/heartbeat"));
  talk.answer(batch, 200, settled_json(batch, 1));
  CHECK(talk.call()->url.ends_with("/heartbeat"));
}

TEST_CASE("a relay that ends sends what it owes at once, and is done when that is answered") {
  Relay talk;
  talk.presence.report_receipt(receipt(1, 1), false, talk.now);
  CHECK_FALSE(talk.call().has_value());
  talk.presence.flush(talk.now);
  CHECK_FALSE(talk.presence.flushed());
  const HttpCall call = talk.expect_batch(0);
  CHECK_FALSE(talk.presence.flushed());
  talk.answer(call, 200, settled_json(call, 1));
  CHECK(talk.presence.flushed());
  CHECK(talk.events<BatchSettled>().size() == 1);
}

TEST_CASE("a relay that ends without its coordinator tries once and does not wait") {
  Relay talk;
  talk.presence.report_receipt(receipt(1, 1), false, talk.now);
  talk.presence.flush(talk.now);
  talk.lose(talk.expect_batch(0));
  CHECK(talk.presence.flushed());
}

TEST_CASE("a relay that owes nothing is done at once") {
  Relay talk;
  talk.presence.flush(talk.now);
  CHECK(talk.presence.flushed());
}
