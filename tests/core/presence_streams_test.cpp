// A publisher announces its stream until an origin is named; a viewer asks for a session and gets one answer.
#include "core/presence_fixture.hpp"

using namespace streamr;
using namespace streamr::core;
using namespace streamr::core::testing;

namespace {

StreamAnnouncement announcement(std::uint64_t serial = 1) {
  proto::Certificate fields;
  fields.session_key = key_pair(6).public_key();
  fields.epoch = 5;
  fields.not_before_s = 1'800'000'000;
  fields.not_after_s = 1'800'003'600;
  fields.track_mask = 1;
  fields.max_kbps = 10'000;
  fields.serial = serial;
  return {proto::issue_certificate(fields, key_pair(5)), key_pair(6), "show", "The show", "1000.0", ""};
}

std::string origins_json(const std::string& origins) {
  return R"({"stream_id":")" + to_hex(key_pair(5).public_key().view()) + R"(","origins":[)" + origins + "]}";
}

std::string relay_json(std::uint8_t fill) {
  return R"({"url":"ws://192.0.2.)" + std::to_string(fill) + R"(:9/relay","relay_key":")" + to_hex(key_pair(fill).public_key().view()) + R"("})";
}

struct Publisher : Talk {
  Publisher() : Talk(config_of("viewer")) {      // no registration between the calls that matter here
    start();
    answer(expect("/.well-known/streamr.json"), 200, key_json(coordinator));
  }
};

SessionRequest session_request(const std::string& stream = "show") { return {17, stream, key_pair(8).public_key(), 0}; }

}  // namespace

TEST_CASE("a stream is announced under its session key, bound to this coordinator and this moment") {
  Publisher talk;
  talk.presence.announce(announcement(), talk.now);
  const HttpCall call = talk.expect("/v1/streams");
  CHECK(call.method == "POST");
  const auto document = body_json(call);
  CHECK(*document.root().get_string("stream_id") == to_hex(key_pair(5).public_key().view()));
  CHECK(*document.root().get_string("alias") == "show");
  CHECK(*document.root().get_string("title") == "The show");
  CHECK(*document.root().get_string("pool") == "1000.0");
  CHECK(*document.root().get_string("certificate") == to_hex(announcement().certificate.raw));

  const auto parts = fields(header(call, "Streamr-Sig"));
  REQUIRE(parts.size() == 4);
  CHECK(parts[0] == "v1");
  CHECK(parts[1] == to_hex(key_pair(6).public_key().view()));
  CHECK(parts[2] == std::to_string(talk.now.unix_us));
  ByteVector bytes(talk.coordinator.public_key().octets.begin(), talk.coordinator.public_key().octets.end());
  bytes.resize(40);
  store_u64(bytes.data() + 32, talk.now.unix_us);
  const Hash body_hash = crypto::sha256(call.body);
  bytes.insert(bytes.end(), body_hash.octets.begin(), body_hash.octets.end());
  CHECK(crypto::verify(key_pair(6).public_key(), "streamr/stream/v1", bytes, *fixed_from_hex<Signature>(parts[3])));
  CHECK(header(call, "Authorization").empty());
}

TEST_CASE("a stream is not announced before the coordinator's key is known") {
  Talk talk(config_of("viewer"));
  talk.start();
  talk.presence.announce(announcement(), talk.now);
  const HttpCall key = talk.expect("/.well-known/streamr.json");
  CHECK_FALSE(talk.call().has_value());
  talk.answer(key, 200, talk.key_json(talk.coordinator));
  talk.expect("/v1/streams");
}

TEST_CASE("the account's token goes into the Authorization header and nowhere else") {
  Publisher talk;
  StreamAnnouncement owned = announcement();
  owned.bearer = "secret-token";
  talk.presence.announce(owned, talk.now);
  const HttpCall call = talk.expect("/v1/streams");
  CHECK(header(call, "Authorization") == "Bearer secret-token");
  CHECK(body_text(call).find("secret-token") == std::string::npos);
  CHECK(call.url.find("secret-token") == std::string::npos);
}

TEST_CASE("without an origin the publisher asks again after two seconds with the same body and a later time") {
  Publisher talk;
  talk.presence.announce(announcement(), talk.now);
  const HttpCall first = talk.expect("/v1/streams");
  talk.answer(first, 200, origins_json(""));
  auto told = talk.events<StreamAnnounced>();
  REQUIRE(told.size() == 1);
  CHECK(told[0].origins.empty());
  talk.pass_ms(1'999);
  CHECK_FALSE(talk.call().has_value());
  talk.pass_ms(1);
  const HttpCall second = talk.expect("/v1/streams");
  CHECK(body_text(second) == body_text(first));
  CHECK(std::stoull(fields(header(second, "Streamr-Sig"))[2]) > std::stoull(fields(header(first, "Streamr-Sig"))[2]));
  talk.answer(second, 200, origins_json(relay_json(9)));
  told = talk.events<StreamAnnounced>();
  REQUIRE(told.size() == 1);
  REQUIRE(told[0].origins.size() == 1);
  CHECK(told[0].origins[0].relay_key == key_pair(9).public_key());
  talk.pass_ms(60'000);
  CHECK_FALSE(talk.call().has_value());
}

TEST_CASE("the time in the signature rises even where the machine's clock stands still") {
  Publisher talk;
  talk.presence.announce(announcement(1), talk.now);
  const HttpCall first = talk.expect("/v1/streams");
  talk.answer(first, 200, origins_json(relay_json(9)));
  talk.presence.announce(announcement(2), talk.now);
  const HttpCall second = talk.expect("/v1/streams");
  CHECK(std::stoull(fields(header(second, "Streamr-Sig"))[2]) == std::stoull(fields(header(first, "Streamr-Sig"))[2]) + 1);
}

TEST_CASE("an announcement that got lost is repeated") {
  Publisher talk;
  talk.presence.announce(announcement(), talk.now);
  talk.lose(talk.expect("/v1/streams"));
  talk.wait_for("/v1/streams", 500);
}

TEST_CASE("a refused announcement is told with its word and not repeated") {
  Publisher talk;
  talk.presence.announce(announcement(), talk.now);
  talk.answer(talk.expect("/v1/streams"), 409, R"({"error":{"code":"alias_taken","message":"show belongs to another stream"}})");
  const auto told = talk.events<StreamRefused>();
  REQUIRE(told.size() == 1);
  CHECK(told[0].status == 409);
  CHECK(told[0].code == "alias_taken");
  talk.pass_ms(600'000);
  while (auto call = talk.call()) CHECK_FALSE(call->url.ends_with("/v1/streams"));
}

TEST_CASE("when the coordinator comes back the streams are announced again") {
  Talk talk(config_of("publisher"));
  talk.register_and_beat();
  talk.presence.announce(announcement(), talk.now);
  talk.answer(talk.expect("/v1/streams"), 200, origins_json(relay_json(9)));
  talk.lose(talk.wait_for("/v1/nodes/heartbeat", 12'000));
  talk.answer(talk.wait_for("/v1/nodes/heartbeat", 1'000), 200, Talk::heartbeat_json(3));
  talk.answer(talk.wait_for("/v1/streams", 2'000), 200, origins_json(relay_json(9)));
  CHECK(talk.events<StreamAnnounced>().size() == 1);      // the same origins are not told twice
}

TEST_CASE("a stream without a name goes by the start of its id") {
  Publisher talk;
  StreamAnnouncement unnamed = announcement();
  unnamed.alias = unnamed.title = unnamed.pool = "";
  talk.presence.announce(unnamed, talk.now);
  const auto document = body_json(talk.expect("/v1/streams"));
  CHECK(*document.root().get_string("alias") == "stream-" + to_hex(key_pair(5).public_key().view()).substr(0, 16));
  CHECK_FALSE(document.root().has("pool"));
}

TEST_CASE("a viewer asks for a session with its key and is given relays, first and standby") {
  Publisher talk;
  talk.presence.request_session(session_request(), talk.now);
  const HttpCall call = talk.expect("/v1/streams/show/sessions");
  CHECK(header(call, "Streamr-Sig").empty());
  const auto document = body_json(call);
  CHECK(*document.root().get_string("viewer_key") == to_hex(key_pair(8).public_key().view()));
  CHECK(document.root().get_array("kinds").ok());
  CHECK_FALSE(document.root().has("max_kbps"));

  proto::Ticket fields;
  fields.relay_key = key_pair(9).public_key();
  const std::string ticket = to_hex(proto::issue_ticket(fields, talk.coordinator).raw);
  std::string relays;
  for (const int n : {9, 10})
    relays += std::string(relays.empty() ? "" : ",") + R"({"url":"ws://192.0.2.)" + std::to_string(n) + R"(:9/relay","relay_key":")" +
              to_hex(key_pair(static_cast<std::uint8_t>(n)).public_key().view()) + R"(","ticket":")" + ticket + R"("})";
  talk.answer(call, 200, R"({"session_id":")" + hex_of(7, 16) + R"(","stream_id":")" + hex_of(5, 32) + R"(","relays":[)" + relays +
                             R"(],"steering_url":"http://c/steering/x","origin_url":""})");
  const auto granted = talk.events<SessionGranted>();
  REQUIRE(granted.size() == 1);
  CHECK(granted[0].request == 17);
  CHECK(to_hex(granted[0].session.view()) == hex_of(7, 16));
  REQUIRE(granted[0].relays.size() == 2);
  CHECK(granted[0].relays[0].relay_key == key_pair(9).public_key());
  CHECK(granted[0].relays[0].ticket.has_value());
  CHECK(granted[0].steering_url == "http://c/steering/x");
}

TEST_CASE("that no relay has the stream yet is told with the time to wait, and the next request goes out as asked") {
  for (const int status : {503, 429}) {
    CAPTURE(status);
    Publisher talk;
    talk.presence.request_session(session_request(), talk.now);
    talk.answer(talk.expect("/v1/streams/show/sessions"), status, R"({"error":{"code":"no_relay","message":"soon"}})", 2);
    const auto refused = talk.events<SessionRefused>();
    REQUIRE(refused.size() == 1);
    CHECK(refused[0].retry_after_s == 2);
    CHECK(refused[0].message == "soon");
    talk.presence.request_session(session_request(), talk.now);
    talk.expect("/v1/streams/show/sessions");
  }
}

TEST_CASE("while the coordinator is away a session is asked for again by itself") {
  Publisher talk;
  talk.presence.request_session(session_request(), talk.now);
  talk.lose(talk.expect("/v1/streams/show/sessions"));
  CHECK(talk.events<SessionRefused>().empty());
  talk.wait_for("/v1/streams/show/sessions", 400);
}

TEST_CASE("a stream that nobody knows is told once") {
  Publisher talk;
  talk.presence.request_session(session_request("no such"), talk.now);
  talk.answer(talk.expect("/v1/streams/no%20such/sessions"), 404, R"({"error":{"code":"stream_unknown","message":"no stream of that name"}})");
  const auto refused = talk.events<SessionRefused>();
  REQUIRE(refused.size() == 1);
  CHECK(refused[0].request == 17);
  CHECK(refused[0].status == 404);
  CHECK(refused[0].code == "stream_unknown");
  talk.pass_ms(60'000);
  CHECK_FALSE(talk.call().has_value());
}

TEST_CASE("the name of a stream cannot bend the request-target") {
  Publisher talk;
  talk.presence.request_session(session_request("../nodes?x#y"), talk.now);
  talk.expect("/v1/streams/%2E%2E%2Fnodes%3Fx%23y/sessions");
}

TEST_CASE("sessions are asked for one at a time, and a cancelled one is not told") {
  Publisher talk;
  talk.presence.request_session(session_request("one"), talk.now);
  SessionRequest other = session_request("two");
  other.request = 18;
  talk.presence.request_session(other, talk.now);
  const HttpCall first = talk.expect("/v1/streams/one/sessions");
  CHECK_FALSE(talk.call().has_value());
  talk.presence.cancel_session(17);
  talk.answer(first, 404, "");
  CHECK(talk.events<SessionRefused>().empty());
  talk.expect("/v1/streams/two/sessions");
}
