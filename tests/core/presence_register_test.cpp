// A node gets to know its coordinator: key, challenge, registration, and what happens when one of them fails.
#include <algorithm>

#include "core/presence_fixture.hpp"

using namespace streamr;
using namespace streamr::core;
using namespace streamr::core::testing;

TEST_CASE("a relay asks for the key, then for a challenge, then registers, and is told its name") {
  Talk talk;
  talk.start();
  const HttpCall key = talk.expect("/.well-known/streamr.json");
  CHECK(key.method == "GET");
  CHECK_FALSE(talk.call().has_value());
  talk.answer(key, 200, talk.key_json(talk.coordinator));
  REQUIRE(talk.presence.coordinator_key().has_value());
  CHECK(*talk.presence.coordinator_key() == talk.coordinator.public_key());

  const HttpCall challenge = talk.expect("/v1/nodes/challenge");
  CHECK(body_text(challenge) == R"({"public_key":")" + to_hex(talk.identity.public_key().view()) + R"("})");
  talk.answer(challenge, 200, talk.challenge_json());

  const HttpCall registration = talk.expect("/v1/nodes/register");
  CHECK_FALSE(talk.presence.registered());
  talk.answer(registration, 200, Talk::registered_json(1));
  CHECK(talk.presence.registered());
  const auto names = talk.events<Registered>();
  REQUIRE(names.size() == 1);
  CHECK(names[0].node_id == "n-1");
}

TEST_CASE("a registration is signed over nonce, coordinator key, public key and the hash of its body") {
  Talk talk;
  talk.start();
  talk.answer(talk.expect("/.well-known/streamr.json"), 200, talk.key_json(talk.coordinator));
  talk.answer(talk.expect("/v1/nodes/challenge"), 200, talk.challenge_json());
  const HttpCall call = talk.expect("/v1/nodes/register");

  const auto document = body_json(call);
  const auto root = document.root();
  CHECK(*root.get_string("challenge_id") == "c-1");
  CHECK(*root.get_string("role") == "relay");
  CHECK(*root.get_u64("capacity_kbps") == 50'000);
  const auto addresses = *root.get_array("addresses");
  REQUIRE(addresses.size() == 1);
  CHECK(*(*addresses.begin()).get_string("url") == "ws://192.0.2.7:9000/relay");
  CHECK(*(*addresses.begin()).get_string("kind") == "public");

  const auto parts = fields(header(call, "Streamr-Sig"));
  REQUIRE(parts.size() == 3);
  CHECK(parts[0] == "v1");
  CHECK(parts[1] == to_hex(talk.identity.public_key().view()));
  ByteVector bytes(32, 0x11);
  for (const ByteView part : {talk.coordinator.public_key().view(), talk.identity.public_key().view()})
    bytes.insert(bytes.end(), part.begin(), part.end());
  const Hash body_hash = crypto::sha256(call.body);
  bytes.insert(bytes.end(), body_hash.octets.begin(), body_hash.octets.end());
  CHECK(crypto::verify(talk.identity.public_key(), "streamr/register/v1", bytes, *fixed_from_hex<Signature>(parts[2])));
}

TEST_CASE("a name longer than 64 octets is cut between characters before it is registered") {
  PresenceConfig config = config_of("relay");
  config.name = std::string(63, 'a') + "\xc3\xa9";
  Talk talk(config);
  talk.start();
  talk.answer(talk.expect("/.well-known/streamr.json"), 200, talk.key_json(talk.coordinator));
  talk.answer(talk.expect("/v1/nodes/challenge"), 200, talk.challenge_json());
  const auto document = body_json(talk.expect("/v1/nodes/register"));
  CHECK(*document.root().get_string("name") == std::string(63, 'a'));
}

TEST_CASE("a coordinator that is down is asked again after 250 ms, later and later, never more than 10 s apart") {
  Talk talk;
  talk.start();
  std::uint64_t last_us = talk.now.mono_us;
  std::uint64_t longest_us = 0;
  for (int attempt = 0; attempt < 20; ++attempt) {
    talk.lose(talk.wait_for("/.well-known/streamr.json", 10'000));
    const std::uint64_t waited_us = talk.now.mono_us - last_us;
    if (attempt == 1) { CHECK(waited_us >= 125'000); CHECK(waited_us <= 375'000); }
    longest_us = std::max(longest_us, waited_us);
    last_us = talk.now.mono_us;
  }
  CHECK(longest_us > 4'000'000);
  CHECK(longest_us <= 10'000'000);
}

TEST_CASE("that the coordinator is away is said once, and once that it is back") {
  Talk talk;
  talk.start();
  for (int attempt = 0; attempt < 5; ++attempt) talk.lose(talk.wait_for("/.well-known/streamr.json", 10'000));
  auto said = talk.events<Reachable>();
  REQUIRE(said.size() == 1);
  CHECK_FALSE(said[0].reachable);
  CHECK(said[0].why.find("connection refused") != std::string::npos);
  talk.answer(talk.wait_for("/.well-known/streamr.json", 10'000), 200, talk.key_json(talk.coordinator));
  talk.answer(talk.expect("/v1/nodes/challenge"), 200, talk.challenge_json());
  said = talk.events<Reachable>();
  REQUIRE(said.size() == 1);
  CHECK(said[0].reachable);
}

TEST_CASE("Retry-After of a 429 or 503 is waited out before the next challenge") {
  for (const int status : {429, 503}) {
    CAPTURE(status);
    Talk talk;
    talk.start();
    talk.answer(talk.expect("/.well-known/streamr.json"), 200, talk.key_json(talk.coordinator));
    talk.answer(talk.expect("/v1/nodes/challenge"), status, R"({"error":{"code":"busy","message":"later"}})", 4);
    talk.pass_ms(3'999);
    CHECK_FALSE(talk.call().has_value());
    talk.wait_for("/v1/nodes/challenge", 300);
  }
}

TEST_CASE("a coordinator whose key is not the pinned one is refused, and the key is named") {
  PresenceConfig config = config_of("relay");
  config.coordinator_key = key_pair(9).public_key();
  Talk talk(config);
  talk.start();
  talk.answer(talk.expect("/.well-known/streamr.json"), 200, talk.key_json(talk.coordinator));
  CHECK_FALSE(talk.call().has_value());
  const auto said = talk.events<Reachable>();
  REQUIRE(said.size() == 1);
  CHECK_FALSE(said[0].reachable);
  CHECK(said[0].why.find(to_hex(talk.coordinator.public_key().view())) != std::string::npos);
  CHECK(*talk.presence.coordinator_key() == key_pair(9).public_key());
}

TEST_CASE("a challenge under another key than the known one is not answered") {
  Talk talk;
  talk.start();
  talk.answer(talk.expect("/.well-known/streamr.json"), 200, talk.key_json(key_pair(9)));
  talk.answer(talk.expect("/v1/nodes/challenge"), 200, talk.challenge_json());
  CHECK_FALSE(talk.call().has_value());
}

TEST_CASE("a key that the coordinator announced as its next one takes the place of the old one") {
  Talk talk;
  talk.start();
  const std::string rotating = R"({"coordinator_key":")" + to_hex(talk.coordinator.public_key().view()) + R"(","next_key":")" +
                               to_hex(key_pair(9).public_key().view()) + R"(","version":1,"time_us":1})";
  talk.answer(talk.expect("/.well-known/streamr.json"), 200, rotating);
  talk.answer(talk.expect("/v1/nodes/challenge"), 200, talk.challenge_json());
  talk.answer(talk.expect("/v1/nodes/register"), 200, Talk::registered_json(1));
  talk.answer(talk.expect("/v1/nodes/heartbeat"), 200, Talk::heartbeat_json(2));
  talk.events<CoordinatorKey>();
  // While a rotation is announced the key is looked at again within ten seconds.
  talk.now.mono_us = talk.presence.deadline_us();
  HttpCall next = *talk.call();
  if (next.url.ends_with("/heartbeat")) {
    talk.answer(next, 200, Talk::heartbeat_json(3));
    next = talk.wait_for("/.well-known/streamr.json", 10'000);
  }
  talk.answer(next, 200, talk.key_json(key_pair(9)));
  const auto keys = talk.events<CoordinatorKey>();
  REQUIRE(keys.size() == 1);
  CHECK(keys[0].key == key_pair(9).public_key());
}

TEST_CASE("a key that nobody announced does not take the place of the known one") {
  Talk talk;
  talk.register_and_beat();
  talk.events<CoordinatorKey>();
  for (;;) {   // the look for a rotating key comes within five minutes
    talk.now.mono_us = std::max(talk.now.mono_us, talk.presence.deadline_us());
    const auto call = talk.call();
    REQUIRE(call.has_value());
    REQUIRE(talk.now.mono_us < 400'000'000);
    if (call->url.ends_with("/heartbeat")) { talk.answer(*call, 200, Talk::heartbeat_json(3)); continue; }
    talk.answer(*call, 200, talk.key_json(key_pair(9)));
    break;
  }
  CHECK(*talk.presence.coordinator_key() == talk.coordinator.public_key());
  CHECK(talk.events<CoordinatorKey>().empty());
}

TEST_CASE("an expired challenge leads to a new one") {
  Talk talk;
  talk.start();
  talk.answer(talk.expect("/.well-known/streamr.json"), 200, talk.key_json(talk.coordinator));
  talk.answer(talk.expect("/v1/nodes/challenge"), 200, talk.challenge_json());
  talk.answer(talk.expect("/v1/nodes/register"), 401, R"({"error":{"code":"challenge_expired","message":"too late"}})");
  talk.answer(talk.wait_for("/.well-known/streamr.json", 500), 200, talk.key_json(talk.coordinator));
  talk.expect("/v1/nodes/challenge");
}

TEST_CASE("an origin that the operator did not name says so once and asks again half a minute later") {
  Talk talk(config_of("origin"));
  talk.start();
  talk.answer(talk.expect("/.well-known/streamr.json"), 200, talk.key_json(talk.coordinator));
  talk.events<Reachable>();
  for (int attempt = 0; attempt < 3; ++attempt) {
    talk.answer(talk.wait_for("/v1/nodes/challenge", 30'000), 200, talk.challenge_json());
    talk.answer(talk.expect("/v1/nodes/register"), 403, R"({"error":{"code":"not_owner","message":"name it with --origin"}})");
    talk.pass_ms(29'000);
    CHECK_FALSE(talk.call().has_value());
  }
  const auto said = talk.events<Reachable>();
  REQUIRE(said.size() == 1);
  CHECK_FALSE(said[0].reachable);
  CHECK(said[0].why.find("not_owner") != std::string::npos);
}

TEST_CASE("a clock more than ten minutes off is told with the coordinator's own sentence") {
  Talk talk;
  talk.register_node();
  talk.events<Reachable>();
  talk.answer(talk.expect("/v1/nodes/heartbeat"), 425, R"({"error":{"code":"clock_off","message":"11 minutes ahead"}})");
  const auto said = talk.events<Reachable>();
  REQUIRE(said.size() == 1);
  CHECK(said[0].why.find("11 minutes ahead") != std::string::npos);
  talk.wait_for("/v1/nodes/heartbeat", 1'000);
}

TEST_CASE("a viewer learns the key and never registers") {
  Talk talk(config_of("viewer"));
  talk.start();
  talk.answer(talk.expect("/.well-known/streamr.json"), 200, talk.key_json(talk.coordinator));
  CHECK(talk.presence.coordinator_key().has_value());
  talk.pass_ms(60'000);
  CHECK_FALSE(talk.call().has_value());
  CHECK_FALSE(talk.presence.registered());
}

TEST_CASE("answers that are no JSON, or lack what they must have, lead to another try") {
  for (const std::string body : {"", "{", "[]", R"({"challenge_id":"c"})", R"({"challenge_id":1,"nonce":"00","coordinator_key":""})"}) {
    CAPTURE(body);
    Talk talk;
    talk.start();
    talk.answer(talk.expect("/.well-known/streamr.json"), 200, talk.key_json(talk.coordinator));
    talk.answer(talk.expect("/v1/nodes/challenge"), 200, body);
    talk.answer(talk.wait_for("/v1/nodes/challenge", 1'000), 200, talk.challenge_json());
    talk.answer(talk.expect("/v1/nodes/register"), 200, body);
    CHECK_FALSE(talk.presence.registered());
    talk.wait_for("/v1/nodes/challenge", 1'000);
  }
}

TEST_CASE("an answer to a call that was never made, or was answered before, changes nothing") {
  Talk talk;
  talk.start();
  const HttpCall key = talk.expect("/.well-known/streamr.json");
  talk.presence.on_answer(99, 200, std::nullopt, view_of(talk.key_json(key_pair(9))), "", talk.now);
  CHECK_FALSE(talk.presence.coordinator_key().has_value());
  talk.answer(key, 200, talk.key_json(talk.coordinator));
  talk.answer(key, 200, talk.key_json(key_pair(9)));
  CHECK(*talk.presence.coordinator_key() == talk.coordinator.public_key());
}
