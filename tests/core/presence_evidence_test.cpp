// What peers did reaches the coordinator: a viewer's receipts once a minute, evidence at most sixty times an hour.
#include "core/presence_fixture.hpp"

using namespace streamr;
using namespace streamr::core;
using namespace streamr::core::testing;

namespace {

proto::Receipt receipt(std::uint8_t session, std::uint32_t seq, bool final = false) {
  proto::Receipt fields;
  fields.flags = final ? 1 : 0;
  fields.session_id.octets.fill(session);
  fields.seq = seq;
  return proto::issue_receipt(fields, key_pair(8));
}

struct Viewer : Talk {
  Viewer() : Talk(config_of("viewer")) {
    start();
    answer(expect("/.well-known/streamr.json"), 200, key_json(coordinator));
  }
};

Evidence evidence(std::uint8_t fill, std::size_t octets = 100) { return {"late", key_pair(9).public_key(), {ByteVector(octets, fill)}}; }

}  // namespace

TEST_CASE("a viewer posts the newest receipt as raw octets, at most once a minute for each session") {
  Viewer talk;
  talk.presence.post_viewer_receipt(receipt(1, 1), talk.now);
  talk.presence.post_viewer_receipt(receipt(1, 2), talk.now);
  const HttpCall first = talk.wait_for("/v1/receipts", 10'000);
  CHECK(first.method == "POST");
  CHECK(header(first, "Content-Type") == "application/octet-stream");
  CHECK(header(first, "Streamr-Sig").empty());
  CHECK(body_text(first) == std::string(reinterpret_cast<const char*>(receipt(1, 2).raw.data()), 272));
  talk.answer(first, 204, "");
  const std::uint64_t posted_us = talk.now.mono_us;
  talk.presence.post_viewer_receipt(receipt(1, 3), talk.now);
  talk.wait_for("/v1/receipts", 60'000);
  CHECK(talk.now.mono_us - posted_us >= 60'000'000);
}

TEST_CASE("a session that ends before its first post is posted at once") {
  Viewer talk;
  talk.presence.post_viewer_receipt(receipt(1, 1), talk.now);
  CHECK_FALSE(talk.call().has_value());
  talk.presence.post_viewer_receipt(receipt(1, 2, true), talk.now);
  const HttpCall call = talk.expect("/v1/receipts");
  CHECK(proto::parse_receipt(call.body)->seq == 2);
  talk.answer(call, 204, "");
  talk.pass_ms(600'000);
  while (auto other = talk.call()) CHECK_FALSE(other->url.ends_with("/v1/receipts"));
}

TEST_CASE("a receipt that the coordinator refuses is not posted again") {
  Viewer talk;
  talk.presence.post_viewer_receipt(receipt(1, 1, true), talk.now);
  talk.answer(talk.expect("/v1/receipts"), 403, R"({"error":{"code":"session_unknown","message":""}})");
  talk.pass_ms(600'000);
  while (auto other = talk.call()) CHECK_FALSE(other->url.ends_with("/v1/receipts"));
}

TEST_CASE("a viewer's receipt that found no coordinator is posted a minute later") {
  Viewer talk;
  talk.presence.post_viewer_receipt(receipt(1, 1, true), talk.now);
  talk.lose(talk.expect("/v1/receipts"));
  talk.pass_ms(59'999);
  CHECK_FALSE(talk.call().has_value());
  talk.pass_ms(1);
  CHECK(talk.expect("/v1/receipts").body.size() == 272);
}

TEST_CASE("evidence is signed and names the peer, the kind and the objects") {
  Talk talk;
  talk.register_and_beat();
  talk.presence.report_evidence(evidence(0x42, 3), talk.now);
  const HttpCall call = talk.expect("/v1/evidence");
  CHECK(counter_if_signed(call, "/v1/evidence", 0x02).has_value());
  CHECK(body_text(call) == R"({"kind":"late","relay_key":")" + to_hex(key_pair(9).public_key().view()) + R"(","objects":["424242"]})");
}

TEST_CASE("the same evidence is queued once and lost evidence is sent again") {
  Talk talk;
  talk.register_and_beat();
  talk.presence.report_evidence(evidence(1), talk.now);
  talk.presence.report_evidence(evidence(1), talk.now);
  talk.lose(talk.expect("/v1/evidence"));
  talk.answer(talk.wait_for("/v1/evidence", 1'000), 200, R"({"evidence_id":"e"})");
  talk.pass_ms(5'000);
  CHECK_FALSE(talk.call().has_value());
}

TEST_CASE("the sixty-first piece of evidence waits until the hour is over") {
  Talk talk;
  talk.register_and_beat();
  std::uint8_t lease = 2;
  std::size_t sent = 0;
  const std::uint64_t from_us = talk.now.mono_us;
  for (int n = 0; n < 100; ++n) talk.presence.report_evidence(evidence(static_cast<std::uint8_t>(n), 10), talk.now);
  for (int n = 0; n < 36; ++n) talk.presence.report_evidence(evidence(static_cast<std::uint8_t>(n), 11), talk.now);
  std::uint64_t late_us = 0;
  while (talk.now.mono_us - from_us < 3'700'000'000ull) {
    while (auto call = talk.call()) {
      if (call->url.ends_with("/v1/evidence")) {
        if (++sent == 61) late_us = talk.now.mono_us - from_us;
        talk.answer(*call, 200, "{}");
      } else {
        talk.answer(*call, 200, call->url.ends_with("/heartbeat") ? Talk::heartbeat_json(++lease) : talk.key_json(talk.coordinator));
      }
    }
    talk.now.mono_us = std::max(talk.now.mono_us + 1, talk.presence.deadline_us());
  }
  CHECK(sent == 64);                                      // what was more than the queue holds is left out
  CHECK(late_us >= 3'600'000'000ull);
}

TEST_CASE("evidence larger than 256 KiB is not sent, and a viewer without a lease sends none") {
  Talk talk;
  talk.register_and_beat();
  talk.presence.report_evidence(evidence(1, 130'000), talk.now);
  talk.presence.report_evidence(evidence(1, 131'072), talk.now);
  talk.answer(talk.expect("/v1/evidence"), 200, "{}");
  CHECK_FALSE(talk.call().has_value());
  Viewer viewer;
  viewer.presence.report_evidence(evidence(1), viewer.now);
  CHECK_FALSE(viewer.call().has_value());
}

TEST_CASE("a viewer that ends posts what it never posted, and lets go what the minute forbids") {
  Viewer talk;
  talk.presence.post_viewer_receipt(receipt(1, 1), talk.now);
  talk.presence.flush(talk.now);
  CHECK_FALSE(talk.presence.flushed());
  talk.answer(talk.expect("/v1/receipts"), 204, "");
  CHECK(talk.presence.flushed());
  Viewer other;
  other.presence.post_viewer_receipt(receipt(1, 1), other.now);
  other.answer(other.wait_for("/v1/receipts", 10'000), 204, "");
  other.presence.post_viewer_receipt(receipt(1, 2, true), other.now);
  other.presence.flush(other.now);
  CHECK(other.presence.flushed());
  CHECK_FALSE(other.call().has_value());
}
