#include <doctest/doctest.h>

#include "raw_client.hpp"
#include "server_fixture.hpp"

using namespace streamr;
using namespace streamr::io;
using namespace streamr::io::test;

namespace {

// A server and a client whose handshake is done.
struct Opened : ServerFixture {
  RawClient client;
  explicit Opened(ServerOptions options = {}) : ServerFixture(options), client(port()) {
    client.say(upgrade_request());
    REQUIRE(until([&] { return client.heard().ends_with("\r\n\r\n"); }));
    answer = client.heard();
    client.forget();
    REQUIRE(seen.accepted.size() == 1);
  }
  LinkId link() const { return seen.accepted[0]; }
  std::string answer;
};

std::string text_of(const SharedBytes& bytes) {
  return std::string(bytes.view().begin(), bytes.view().end());
}

bool closes_with_1002(std::string_view octets) {
  Opened world;
  world.client.say(octets);
  world.until([&] { return world.client.ended(); });
  return world.client.heard() == std::string("\x88\x02\x03\xEA", 4) && world.seen.closed.size() == 1 &&
         world.seen.messages.empty();
}

}  // namespace

TEST_CASE("the handshake of RFC 6455 is answered with the subprotocol") {
  Opened world;
  CHECK(world.answer.starts_with("HTTP/1.1 101 "));
  CHECK(world.answer.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") != std::string::npos);
  CHECK(world.answer.find("Sec-WebSocket-Protocol: streamr.relay.v1\r\n") != std::string::npos);
}

TEST_CASE("another subprotocol, version or key is refused with 400") {
  const auto status_of = [](const std::string& request) {
    ServerFixture world;
    RawClient client(world.port());
    client.say(request);
    world.until([&] { return client.ended(); });
    CHECK(world.seen.accepted.empty());
    return client.heard().substr(0, 12);
  };
  CHECK(status_of(upgrade_request("mqtt")) == "HTTP/1.1 400");
  CHECK(status_of(upgrade_request("streamr.relay.v2, other")) == "HTTP/1.1 400");
  CHECK(status_of(upgrade_request("streamr.relay.v1", "8")) == "HTTP/1.1 400");
  std::string bad_key = upgrade_request();
  bad_key.replace(bad_key.find("dGhlIHNhbXBsZSBub25jZQ=="), 24, "short");
  CHECK(status_of(bad_key) == "HTTP/1.1 400");
  std::string no_connection = upgrade_request();
  no_connection.replace(no_connection.find("keep-alive, Upgrade"), 19, "keep-alive");
  CHECK(status_of(no_connection) == "HTTP/1.1 400");
}

TEST_CASE("one of several offered subprotocols is enough, and octets after the handshake are frames") {
  ServerFixture world;
  RawClient client(world.port());
  client.say(upgrade_request("other, streamr.relay.v1") + frame(0x82, "early"));
  REQUIRE(world.until([&] { return world.seen.messages.size() == 1; }));
  CHECK(text_of(world.seen.messages[0].second) == "early");
}

TEST_CASE("messages arrive whole, also in fragments with a ping between them") {
  Opened world;
  world.client.say(frame(0x82, "one") + frame(0x02, "tw") + frame(0x89, "hi") + frame(0x80, "o") + frame(0x82, ""));
  REQUIRE(world.until([&] { return world.seen.messages.size() == 3; }));
  CHECK(text_of(world.seen.messages[0].second) == "one");
  CHECK(text_of(world.seen.messages[1].second) == "two");
  CHECK(world.seen.messages[2].second.empty());
  CHECK(world.until([&] { return world.client.heard() == std::string("\x8A\x02hi", 4); }));
}

TEST_CASE("what is sent goes out as one binary message of all its pieces") {
  Opened world;
  world.server.send(world.link(), {SharedBytes::copy(view_of("ab")), SharedBytes::copy(view_of("cd"))});
  const std::string middle(300, 'm'), large(70'000, 'l');
  world.server.send(world.link(), {SharedBytes::copy(view_of(middle))});
  world.server.send(world.link(), {SharedBytes::copy(view_of(large))});
  const std::string expected =
      "\x82\x04"
      "abcd" +
      std::string("\x82\x7E\x01\x2C", 4) + middle + std::string("\x82\x7F\0\0\0\0\0\x01\x11\x70", 10) + large;
  CHECK(world.until([&] { return world.client.heard().size() == expected.size(); }));
  CHECK(world.client.heard() == expected);
  CHECK(world.until(
      [&] { return world.seen.outstanding.contains(world.link()) && world.seen.outstanding[world.link()] == 0; }));
}

TEST_CASE("a text message is told once and never handed on") {
  Opened world;
  world.client.say(frame(0x01, "te") + frame(0x80, "xt") + frame(0x82, "next"));
  REQUIRE(world.until([&] { return world.seen.messages.size() == 1; }));
  CHECK(world.seen.texts == std::vector<LinkId>{world.link()});
  CHECK(text_of(world.seen.messages[0].second) == "next");
}

TEST_CASE("a message of 128 KiB is taken, one octet more is told and not kept") {
  Opened world;
  world.client.say(frame(0x82, std::string(131'072, 'x')));
  REQUIRE(world.until([&] { return world.seen.messages.size() == 1; }));
  CHECK(world.seen.messages[0].second.size() == 131'072);
  world.client.say(frame(0x82, std::string(131'073, 'x')));
  REQUIRE(world.until([&] { return world.seen.oversized.size() == 1; }));
  world.client.say(frame(0x02, std::string(131'072, 'x')) + frame(0x80, "x"));
  REQUIRE(world.until([&] { return world.seen.oversized.size() == 2; }));
  CHECK(world.seen.messages.size() == 1);
}

TEST_CASE("a breach of the framing closes with 1002") {
  CHECK(closes_with_1002(frame(0x82, "not masked", false)));
  CHECK(closes_with_1002(frame(0xC2, "reserved bit")));
  CHECK(closes_with_1002(frame(0x83, "unknown opcode")));
  CHECK(closes_with_1002(frame(0x8B, "unknown control")));
  CHECK(closes_with_1002(frame(0x80, "continues nothing")));
  CHECK(closes_with_1002(frame(0x02, "first") + frame(0x82, "second before the first ended")));
  CHECK(closes_with_1002(frame(0x09, "a fragmented ping")));
  CHECK(closes_with_1002(frame(0x89, std::string(126, 'p'))));
  CHECK(closes_with_1002(frame(0x88, "1")));
}

TEST_CASE("a peer's close is answered and told once") {
  Opened world;
  world.client.say(frame(0x88, std::string("\x03\xE9", 2)));
  CHECK(world.until([&] { return world.client.ended(); }));
  CHECK(world.client.heard() == std::string("\x88\x02\x03\xE9", 4));
  CHECK(world.seen.closed.size() == 1);
}

TEST_CASE("closing a link sends what was queued, says good-bye and discards what still comes") {
  Opened world;
  world.server.send(world.link(), {SharedBytes::copy(view_of("last words"))});
  world.server.close_link(world.link());
  world.client.say(frame(0x82, "too late"));
  CHECK(world.until([&] { return world.client.ended(); }));
  CHECK(world.client.heard() == "\x82\x0Alast words" + std::string("\x88\x02\x03\xE8", 4));
  CHECK_FALSE(world.client.was_reset());
  CHECK(world.seen.messages.empty());
  CHECK(world.seen.closed.size() == 1);
}

TEST_CASE("a peer that vanishes is told") {
  Opened world;
  world.client.close();
  CHECK(world.until([&] { return world.seen.closed.contains(world.link()); }));
}

TEST_CASE("pings go out, an answer counts as life, and silence is death") {
  ServerOptions options;
  options.ping_every_ms = 50;
  options.silence_ms = 250;
  Opened world(options);
  const auto pings = [&] { return world.client.heard().size() / 2; };
  // Alive as long as it answers, well over the limit.
  for (std::size_t i = 1; i <= 10; ++i) {
    REQUIRE(world.until([&] { return pings() >= i; }));
    world.client.say(frame(0x8A, ""));
  }
  CHECK(world.client.heard().starts_with(std::string("\x89\0", 2)));
  CHECK(world.seen.closed.empty());
  CHECK(world.until([&] { return world.seen.closed.contains(world.link()); }));
}

TEST_CASE("WebSockets of one address have a limit of their own, told before the upgrade") {
  ServerOptions options;
  options.websockets_an_address = 1;
  options.http_an_address = 2;
  Opened world(options);
  RawClient second(world.port());
  second.say(upgrade_request());
  CHECK(world.until([&] { return second.ended(); }));
  CHECK(second.heard().starts_with("HTTP/1.1 503 "));
  world.client.close();
  REQUIRE(world.until([&] { return world.server.connection_count() == 0; }));
  RawClient third(world.port());
  third.say(upgrade_request());
  CHECK(world.until([&] { return third.heard().starts_with("HTTP/1.1 101 "); }));
}

TEST_CASE("a WebSocket that does not read is closed before it fills the memory") {
  ServerOptions options;
  options.websocket_queue_bytes = 1024 * 1024;
  ServerFixture world(options);
  RawClient client(world.port(), 4096);
  client.say(upgrade_request());
  REQUIRE(world.until([&] { return world.seen.accepted.size() == 1; }));
  const auto slice = SharedBytes::take(ByteVector(65'536));
  CHECK(world.until([&] {
    world.server.send(world.seen.accepted[0], {slice});
    return world.seen.closed.size() == 1;
  }));
}

TEST_CASE("a flood of pings is answered once and keeps nobody waiting") {
  Opened world;
  std::string flood;
  for (int i = 0; i < 20'000; ++i) flood += frame(0x89, "");
  flood += frame(0x89, "last");
  world.client.say(flood);
  RawClient other(world.port());
  other.say("GET /between HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(world.until([&] { return other.heard().ends_with("hello /between"); }));
  CHECK(world.until([&] { return world.client.heard().ends_with(std::string("\x8A\x04") + "last"); }));
  CHECK(world.client.heard().size() < 4'000);
  CHECK(world.seen.closed.empty());
}

TEST_CASE("messages beyond what a turn takes all arrive, in order") {
  Opened world;
  std::string flood;
  for (int i = 0; i < 1'000; ++i) flood += frame(0x82, std::to_string(i));
  world.client.say(flood);
  CHECK(world.until([&] { return world.seen.messages.size() == 1'000; }));
  for (std::size_t i = 0; i < world.seen.messages.size(); ++i)
    if (text_of(world.seen.messages[i].second) != std::to_string(i)) FAIL("message ", i, " is another");
}
