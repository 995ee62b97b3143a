// A registered node tells that it lives: rhythm, leases, counters, and what it learns from the answers.
#include <algorithm>

#include "core/presence_fixture.hpp"

using namespace streamr;
using namespace streamr::core;
using namespace streamr::core::testing;

namespace {
constexpr const char* beat = "/v1/nodes/heartbeat";
}

TEST_CASE("the first heartbeat goes out at once, the next ones every interval give or take a fifth") {
  Talk talk;
  talk.register_and_beat();
  std::uint64_t shortest_us = UINT64_MAX, longest_us = 0;
  for (int n = 0; n < 60; ++n) {
    const std::uint64_t before_us = talk.now.mono_us;
    auto call = talk.call();
    while (!call) {
      talk.now.mono_us = talk.presence.deadline_us();
      call = talk.call();
    }
    if (!call->url.ends_with("/heartbeat")) { talk.answer(*call, 200, talk.key_json(talk.coordinator)); --n; talk.now.mono_us = before_us; continue; }
    shortest_us = std::min(shortest_us, talk.now.mono_us - before_us);
    longest_us = std::max(longest_us, talk.now.mono_us - before_us);
    talk.answer(*call, 200, Talk::heartbeat_json(static_cast<std::uint8_t>(3 + n)));
  }
  CHECK(shortest_us >= 8'000'000);
  CHECK(shortest_us < 9'500'000);
  CHECK(longest_us <= 12'000'000);
  CHECK(longest_us > 10'500'000);
}

TEST_CASE("a heartbeat is signed under the newest lease with a rising counter") {
  Talk talk;
  talk.register_node(0x01);
  const HttpCall first = talk.expect(beat);
  const auto first_counter = counter_if_signed(first, beat, 0x01);
  REQUIRE(first_counter.has_value());
  talk.answer(first, 200, Talk::heartbeat_json(0x02));
  const HttpCall second = talk.wait_for(beat, 12'000);
  const auto second_counter = counter_if_signed(second, beat, 0x02);
  REQUIRE(second_counter.has_value());
  CHECK(*second_counter > *first_counter);
  CHECK_FALSE(counter_if_signed(second, beat, 0x01).has_value());
}

TEST_CASE("the path of the coordinator's address is part of the signed request-target") {
  PresenceConfig config = config_of("relay");
  config.coordinator_url = "http://coordinator.test:8080/streamr/";
  Talk talk(config);
  talk.start();
  talk.answer(talk.expect("/streamr/.well-known/streamr.json"), 200, talk.key_json(talk.coordinator));
  talk.answer(talk.expect("/streamr/v1/nodes/challenge"), 200, talk.challenge_json());
  talk.answer(talk.expect("/streamr/v1/nodes/register"), 200, Talk::registered_json(1));
  CHECK(counter_if_signed(talk.expect("/streamr/v1/nodes/heartbeat"), "/streamr/v1/nodes/heartbeat", 1).has_value());
}

TEST_CASE("after a lost reply the heartbeat is repeated under the same lease with a new counter") {
  Talk talk;
  talk.register_node(0x01);
  const HttpCall lost = talk.expect(beat);
  talk.lose(lost);
  const HttpCall again = talk.wait_for(beat, 1'000);
  const auto counter = counter_if_signed(again, beat, 0x01);
  REQUIRE(counter.has_value());
  CHECK(*counter > *counter_if_signed(lost, beat, 0x01));
  talk.answer(again, 200, Talk::heartbeat_json(0x03));
  CHECK(counter_if_signed(talk.wait_for(beat, 12'000), beat, 0x03).has_value());
}

TEST_CASE("a node whose lease is unknown registers again within 30 s, and not all nodes at once") {
  std::vector<std::uint64_t> waits_us;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    PresenceConfig config = config_of("relay");
    config.seed = seed;
    Talk talk(config);
    talk.register_node();
    talk.answer(talk.expect(beat), 401, R"({"error":{"code":"lease_unknown","message":"register again"}})");
    CHECK_FALSE(talk.presence.registered());
    const std::uint64_t from_us = talk.now.mono_us;
    const HttpCall call = talk.wait_for("/.well-known/streamr.json", 30'000);
    waits_us.push_back(talk.now.mono_us - from_us);
    talk.answer(call, 200, talk.key_json(talk.coordinator));
    talk.answer(talk.expect("/v1/nodes/challenge"), 200, talk.challenge_json());
    talk.answer(talk.expect("/v1/nodes/register"), 200, Talk::registered_json(0x07));
    CHECK(counter_if_signed(talk.expect(beat), beat, 0x07).has_value());
  }
  std::sort(waits_us.begin(), waits_us.end());
  CHECK(waits_us.front() < 5'000'000);
  CHECK(waits_us.back() > 25'000'000);
}

TEST_CASE("a replayed counter is answered with the next one, not with a new registration") {
  Talk talk;
  talk.register_node(0x01);
  talk.answer(talk.expect(beat), 401, R"({"error":{"code":"counter_replayed","message":"expected a higher one"}})");
  CHECK(talk.presence.registered());
  CHECK(counter_if_signed(talk.wait_for(beat, 1'000), beat, 0x01).has_value());
}

TEST_CASE("a 429 or 503 leaves the lease as it was and is repeated after Retry-After") {
  for (const int status : {429, 503}) {
    CAPTURE(status);
    Talk talk;
    talk.register_node(0x01);
    talk.answer(talk.expect(beat), status, "", 3);
    talk.pass_ms(2'900);
    CHECK_FALSE(talk.call().has_value());
    CHECK(counter_if_signed(talk.wait_for(beat, 400), beat, 0x01).has_value());
  }
}

TEST_CASE("while a coordinator is away the node keeps asking and says it once") {
  Talk talk;
  talk.register_and_beat();
  talk.events<Reachable>();
  for (int n = 0; n < 10; ++n) talk.lose(talk.wait_for(beat, 12'000));
  CHECK(talk.events<Reachable>().size() == 1);
  talk.answer(talk.wait_for(beat, 10'000), 200, Talk::heartbeat_json(0x05));
  const auto said = talk.events<Reachable>();
  REQUIRE(said.size() == 1);
  CHECK(said[0].reachable);
  CHECK(talk.presence.registered());
}

TEST_CASE("a heartbeat that is wanted soon comes at once, but never two in one second") {
  Talk talk;
  talk.register_and_beat();
  talk.pass_ms(400);
  talk.presence.heartbeat_soon(talk.now);
  talk.presence.heartbeat_soon(talk.now);
  CHECK_FALSE(talk.call().has_value());
  talk.pass_ms(599);
  CHECK_FALSE(talk.call().has_value());
  talk.pass_ms(1);
  const HttpCall call = talk.expect(beat);
  talk.presence.heartbeat_soon(talk.now);            // while one is under way: once more after it
  CHECK_FALSE(talk.call().has_value());
  talk.answer(call, 200, Talk::heartbeat_json(3));
  CHECK_FALSE(talk.call().has_value());
  talk.pass_ms(1'000);
  talk.expect(beat);
}

TEST_CASE("a heartbeat tells streams, load and counters in whole numbers of JSON") {
  Talk talk;
  StreamReport row;
  row.stream = key_pair(3).public_key();
  row.epoch = 113'600'000'000'000'000ull;
  row.newest = 1'800'000'000;
  row.lag_ms = 12;
  row.viewers = 4;
  talk.report = {{row}, 30'000, 250, {{"chunks", UINT64_MAX}}};
  talk.register_node();
  const auto document = body_json(talk.expect(beat));
  const auto root = document.root();
  CHECK(*root.get_u64("seq") == 1);
  CHECK(*root.get_u64("assignments_version") == 0);
  CHECK(*root.get_u64("free_kbps") == 30'000);
  CHECK(*root.get_u64("load_pct") == 100);
  CHECK_FALSE(root.has("addresses"));
  const auto stream = *(*root.get_array("streams")).begin();
  CHECK(*stream.get_string("stream") == to_hex(row.stream.view()));
  CHECK(*stream.get_decimal_u64("epoch") == row.epoch);
  CHECK(*stream.get_u64("newest") == row.newest);
  CHECK(*stream.get_u64("lag_ms") == 12);
  CHECK(*stream.get_u64("viewers") == 4);
  CHECK(*stream.get_string("head") == hex_of(0, 32));
  CHECK(*(*root.get_object("counters")).get_u64("chunks") == 9'007'199'254'740'991ull);
}

TEST_CASE("a node with more than 24 streams tells them in turn, in requests of at most 8 KiB") {
  Talk talk;
  for (std::uint8_t n = 0; n < 30; ++n) {
    StreamReport row;
    row.stream.octets.fill(n);
    row.epoch = UINT64_MAX;
    row.newest = UINT64_MAX;
    row.lag_ms = UINT64_MAX;
    row.viewers = UINT32_MAX;
    talk.report.streams.push_back(row);
  }
  for (int n = 0; n < 200; ++n) talk.report.counters.emplace_back("a_counter_with_a_long_name_" + std::to_string(n), UINT64_MAX);
  talk.register_node();
  std::vector<std::string> told;
  for (int n = 0; n < 2; ++n) {
    const HttpCall call = talk.wait_for(beat, 12'000);
    CHECK(call.body.size() <= 8 * 1024);
    const auto document = body_json(call);
    const auto streams = *document.root().get_array("streams");
    CHECK(streams.size() == 24);
    for (const auto stream : streams) told.emplace_back(*stream.get_string("stream"));
    talk.answer(call, 200, Talk::heartbeat_json(static_cast<std::uint8_t>(2 + n)));
  }
  std::sort(told.begin(), told.end());
  CHECK(std::unique(told.begin(), told.end()) - told.begin() == 30);
}

TEST_CASE("an address that changed is told with the next heartbeat, and only until it was heard") {
  Talk talk;
  talk.register_and_beat();
  talk.presence.set_addresses("ws://192.0.2.8:9000/relay");
  HttpCall call = talk.wait_for(beat, 12'000);
  CHECK(body_text(call).find("192.0.2.8") != std::string::npos);
  talk.lose(call);
  call = talk.wait_for(beat, 1'000);
  CHECK(body_text(call).find("192.0.2.8") != std::string::npos);
  talk.answer(call, 200, Talk::heartbeat_json(3));
  CHECK(body_text(talk.wait_for(beat, 12'000)).find("addresses") == std::string::npos);
}

TEST_CASE("assignments are told when they come, and their version is echoed") {
  Talk talk;
  talk.register_node();
  proto::Ticket fields;
  fields.relay_key = key_pair(4).public_key();
  const proto::Ticket ticket = proto::issue_ticket(fields, talk.coordinator);
  const std::string stream = to_hex(key_pair(3).public_key().view());
  const std::string list = R"(,"assignments":[{"stream":")" + stream + R"(","alias":"show","upstreams":[{"url":"ws://192.0.2.1:1/relay","relay_key":")" +
                           to_hex(key_pair(4).public_key().view()) + R"(","ticket":")" + to_hex(ticket.raw) + R"("}]},{"stream":")" +
                           hex_of(5, 32) + R"(","alias":"","upstreams":[]}])";
  talk.answer(talk.expect(beat), 200, Talk::heartbeat_json(2, list));
  const auto told = talk.events<Assignments>();
  REQUIRE(told.size() == 1);
  REQUIRE(told[0].assignments.size() == 2);
  CHECK(told[0].assignments[0].alias == "show");
  REQUIRE(told[0].assignments[0].upstreams.size() == 1);
  CHECK(told[0].assignments[0].upstreams[0].url == "ws://192.0.2.1:1/relay");
  REQUIRE(told[0].assignments[0].upstreams[0].ticket.has_value());
  CHECK(told[0].assignments[0].upstreams[0].ticket->raw == ticket.raw);
  CHECK(told[0].assignments[1].upstreams.empty());

  const HttpCall next = talk.wait_for(beat, 12'000);
  const auto document = body_json(next);
  CHECK(*document.root().get_u64("assignments_version") == 3);
  talk.answer(next, 200, Talk::heartbeat_json(3));
  CHECK(talk.events<Assignments>().empty());
}

TEST_CASE("an assignment whose upstreams cannot be read does not make the relay an origin") {
  Talk talk;
  talk.register_node();
  talk.answer(talk.expect(beat), 200,
              Talk::heartbeat_json(2, R"(,"assignments":[{"stream":")" + hex_of(5, 32) + R"(","alias":"","upstreams":[{"url":""}]}])"));
  const auto told = talk.events<Assignments>();
  REQUIRE(told.size() == 1);
  CHECK(told[0].assignments.empty());
}

TEST_CASE("after a new registration assignments are asked for from the beginning") {
  Talk talk;
  talk.register_node();
  talk.answer(talk.expect(beat), 200, Talk::heartbeat_json(2, R"(,"assignments":[])"));
  talk.answer(talk.wait_for(beat, 12'000), 401, R"({"error":{"code":"lease_unknown","message":""}})");
  talk.answer(talk.wait_for("/.well-known/streamr.json", 30'000), 200, talk.key_json(talk.coordinator));
  talk.answer(talk.expect("/v1/nodes/challenge"), 200, talk.challenge_json());
  talk.answer(talk.expect("/v1/nodes/register"), 200, Talk::registered_json(1));
  const auto document = body_json(talk.expect(beat));
  CHECK(*document.root().get_u64("assignments_version") == 0);
}

TEST_CASE("a revocation is told once, and only where the root key signed it") {
  Talk talk;
  talk.register_node();
  const proto::Revocation good = proto::issue_revocation({{}, 5, 100, {}, {}}, key_pair(3));
  proto::Revocation forged = proto::issue_revocation({{}, 6, 100, {}, {}}, key_pair(3));
  forged.raw[119] ^= 1;
  forged.raw[60] ^= 1;
  const auto reply = [&](std::uint8_t lease) {
    return R"({"lease":")" + hex_of(lease, 16) + R"(","server_time_us":1,"assignments_version":3,"revocations":[")" + to_hex(good.raw) +
           R"(",")" + to_hex(forged.raw) + R"(","00"],"min_version":1})";
  };
  talk.answer(talk.expect(beat), 200, reply(2));
  const auto told = talk.events<Revocations>();
  REQUIRE(told.size() == 1);
  REQUIRE(told[0].revocations.size() == 1);
  CHECK(told[0].revocations[0].serial_max == 5);
  talk.answer(talk.wait_for(beat, 12'000), 200, reply(3));
  CHECK(talk.events<Revocations>().empty());
}

TEST_CASE("a clock that is two minutes off is told once while the node goes on") {
  Talk talk;
  talk.register_node();
  talk.events<Reachable>();
  talk.answer(talk.expect(beat), 200, Talk::heartbeat_json(2, R"(,"warning":"clock")"));
  talk.answer(talk.wait_for(beat, 12'000), 200, Talk::heartbeat_json(3, R"(,"warning":"clock")"));
  const auto said = talk.events<Reachable>();
  REQUIRE(said.size() == 1);
  CHECK(said[0].reachable);
  CHECK(said[0].why.find("clock") != std::string::npos);
}

TEST_CASE("an answer without a lease is no heartbeat: it is repeated under the lease that holds") {
  Talk talk;
  talk.register_node(0x01);
  talk.answer(talk.expect(beat), 200, R"({"server_time_us":1})");
  CHECK(counter_if_signed(talk.wait_for(beat, 1'000), beat, 0x01).has_value());
}
