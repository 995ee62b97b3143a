#include <doctest/doctest.h>

#include "base/prng.hpp"
#include "io/ws_client.hpp"
#include "io/ws_receiver.hpp"

using namespace streamr;
using namespace streamr::io;

namespace {

// The key of RFC 6455 §1.3, so that the right answer is known from there.
WsClientHandshake::Key known_key() {
  WsClientHandshake::Key key{};
  const std::string text = "the sample nonce";
  std::copy(text.begin(), text.end(), key.begin());
  return key;
}

const std::string good_head =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: streamr.relay.v1\r\n\r\n";

std::string with(std::string_view was, std::string_view becomes) {
  std::string head = good_head;
  const auto at = head.find(was);
  REQUIRE(at != std::string::npos);
  return head.replace(at, was.size(), becomes);
}

std::string verdict(const std::string& head) {
  WsClientHandshake handshake(known_key());
  ByteView octets = view_of(head);
  switch (handshake.feed(octets)) {
    case WsClientHandshake::Step::open: return "open";
    case WsClientHandshake::Step::more: return "more";
    case WsClientHandshake::Step::refused: return handshake.problem();
  }
  return "";
}

bool says(const std::string& text, std::string_view word) {
  CAPTURE(text);
  return text.find(word) != std::string::npos;
}

struct Told : WsReceiver::Sink {
  std::vector<SharedBytes> messages;
  std::vector<std::string> pings;
  int texts = 0, oversized = 0, pongs = 0;
  std::uint16_t close_code = 0;
  void on_ws_message(SharedBytes message) override { messages.push_back(std::move(message)); }
  void on_ws_text() override { ++texts; }
  void on_ws_oversized() override { ++oversized; }
  void on_ws_ping(ByteView payload) override { pings.emplace_back(payload.begin(), payload.end()); }
  void on_ws_pong() override { ++pongs; }
  void on_ws_close(std::uint16_t code) override { close_code = code; }
  bool ws_wanted() const override { return true; }
};

std::string problem_of(WsReads from, std::string_view octets) {
  Told told;
  WsReceiver receiver(told, from);
  CHECK_FALSE(receiver.feed(view_of(octets)));
  CHECK(told.messages.empty());
  return receiver.problem();
}

}  // namespace

TEST_CASE("the request names host, target and subprotocol; a usual port is left out") {
  const WsClientHandshake handshake(known_key());
  const auto request = [&](const char* url) { return handshake.request(*parse_ws_url(url)); };
  CHECK(request("ws://relay.example:8080/relay?a=1") ==
        "GET /relay?a=1 HTTP/1.1\r\nHost: relay.example:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: streamr.relay.v1\r\n\r\n");
  CHECK(says(request("wss://relay.example/relay"), "Host: relay.example\r\n"));
  CHECK(says(request("ws://[::1]/relay"), "Host: [::1]\r\n"));
  CHECK(says(request("wss://[::1]:80/relay"), "Host: [::1]:80\r\n"));
}

TEST_CASE("the right answer opens, however it is cut, and what follows is left for the frames") {
  CHECK(verdict(good_head) == "open");
  for (std::size_t cut = 1; cut < good_head.size(); ++cut) {
    WsClientHandshake handshake(known_key());
    ByteView first = view_of(good_head).subspan(0, cut);
    CHECK(handshake.feed(first) == WsClientHandshake::Step::more);
    const std::string rest = good_head.substr(cut) + "frames";
    ByteView second = view_of(rest);
    CHECK(handshake.feed(second) == WsClientHandshake::Step::open);
    CHECK(second.size() == 6);
  }
}

TEST_CASE("every other answer is refused with what is wrong") {
  CHECK(says(verdict(with("101 Switching Protocols", "503 Service Unavailable")), "503 Service Unavailable"));
  CHECK(says(verdict(with("101 Switching Protocols", "200 OK")), "does not open a WebSocket"));
  CHECK(says(verdict(with("HTTP/1.1", "HTTP/1.0")), "HTTP/1.1"));
  CHECK(says(verdict("220 mail.example ESMTP\r\n\r\n"), "HTTP/1.1"));
  CHECK(says(verdict(with("Upgrade: WebSocket", "Upgrade: h2c")), "Upgrade"));
  CHECK(says(verdict(with("Connection: keep-alive, upgrade", "Connection: keep-alive")), "Connection"));
  CHECK(says(verdict(with("s3pPLMBi", "S3pPLMBi")), "Sec-WebSocket-Accept"));
  CHECK(says(verdict(with("Sec-WebSocket-Accept", "X-Accept")), "Sec-WebSocket-Accept"));
  CHECK(says(verdict(with("relay.v1", "relay.v2")), "streamr.relay.v1"));
  CHECK(says(verdict(with("Sec-WebSocket-Protocol", "X-Protocol")), "streamr.relay.v1"));
  CHECK(says(verdict(with("\r\n\r\n", "\r\nSec-WebSocket-Protocol: streamr.relay.v1\r\n\r\n")), "streamr.relay.v1"));
  CHECK(says(verdict(with("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n")), "extension"));
  CHECK(says(verdict(with("\r\n\r\n", "\r\nContent-Length: 5\r\n\r\n")), "body"));
  CHECK(says(verdict(with("Upgrade: WebSocket\r\n", "Upgrade: WebSocket\n")), "HTTP/1.1"));
  CHECK(says(verdict(with("Connection:", " Connection:")), "HTTP/1.1"));
  CHECK(says(verdict(with("keep-alive", "keep\x01live")), "HTTP/1.1"));
  CHECK(says(verdict("HTTP/1.1 101 " + std::string(9000, 'x')), "8192"));
}

TEST_CASE("a client's frames carry messages of every size and shape under their mask") {
  Prng random(7);
  for (const std::size_t size : {0u, 1u, 7u, 8u, 9u, 125u, 126u, 127u, 16'400u, 65'535u, 65'536u, 131'072u}) {
    ByteVector octets(size);
    for (auto& octet : octets) octet = static_cast<std::uint8_t>(random.next());
    const auto all = SharedBytes::copy(octets);
    const std::vector<SharedBytes> pieces = {all.slice(0, 3), all.slice(3, 6), all.slice(9, size)};
    const auto frame = ws_client_frame(0x82, pieces, {0x12, 0x34, 0x56, 0x78});
    for (const std::size_t cut : {std::size_t{1}, std::size_t{1001}, frame.size()}) {
      Told told;
      WsReceiver receiver(told);
      for (std::size_t at = 0; at < frame.size(); at += cut) REQUIRE(receiver.feed(frame.slice(at, cut)));
      REQUIRE(told.messages.size() == 1);
      const auto view = told.messages[0].view();
      CHECK(std::equal(view.begin(), view.end(), octets.begin(), octets.end()));
    }
    if (size > 16) CHECK(frame.slice(frame.size() - 16, 16).view()[0] != octets[size - 16]);
  }
}

TEST_CASE("a server's frames are read unmasked, in fragments, with control frames between") {
  Told told;
  WsReceiver receiver(told, WsReads::server);
  const std::string octets("\x82\x03one\x02\x02tw\x89\x02hi\x80\x01o\x8A\x00\x81\x01t\x88\x02\x03\xE9", 26);
  for (const char octet : octets) REQUIRE(receiver.feed(view_of({&octet, 1})));
  REQUIRE(told.messages.size() == 2);
  CHECK(std::string(told.messages[1].view().begin(), told.messages[1].view().end()) == "two");
  CHECK(told.pings == std::vector<std::string>{"hi"});
  CHECK(told.pongs == 1);
  CHECK(told.texts == 1);
  CHECK(told.close_code == 1001);
}

TEST_CASE("a frame that breaks the framing is named") {
  CHECK(says(problem_of(WsReads::server, {"\x82\x81\0\0\0\0x", 7}), "never masks"));
  CHECK(says(problem_of(WsReads::client, "\x82\x01x"), "not masked"));
  CHECK(says(problem_of(WsReads::server, "\xC2\x01x"), "reserved bit"));
  CHECK(says(problem_of(WsReads::server, "\x83\x01x"), "opcode"));
  CHECK(says(problem_of(WsReads::server, {"\x8B\x00", 2}), "opcode"));
  CHECK(says(problem_of(WsReads::server, "\x80\x01x"), "continuation"));
  CHECK(says(problem_of(WsReads::server, "\x02\x01x\x82\x01y"), "before the one before it"));
  CHECK(says(problem_of(WsReads::server, {"\x82\x7E\x00\x7D", 4}), "shortest"));
  CHECK(says(problem_of(WsReads::server, {"\x82\x7F\0\0\0\0\0\0\xFF\xFF", 10}), "shortest"));
  CHECK(says(problem_of(WsReads::server, {"\x82\x7F\x80\0\0\0\0\1\0\0", 10}), "first bit"));
  CHECK(says(problem_of(WsReads::server, {"\x09\x00", 2}), "control frame"));
  CHECK(says(problem_of(WsReads::server, {"\x89\x7E\x00\x7E", 4}), "control frame"));
  CHECK(says(problem_of(WsReads::server, "\x88\x01x"), "close frame"));
}

TEST_CASE("a message over 128 KiB is told once and read over, in one frame or in many") {
  for (const bool fragments : {false, true}) {
    Told told;
    WsReceiver receiver(told, WsReads::server);
    const std::string block(fragments ? 65'536 : 131'073, 'x');
    std::string header("\x02\x7F\0\0\0\0\0\0\0\0", 10);
    store_u64(reinterpret_cast<std::uint8_t*>(header.data()) + 2, block.size());
    if (!fragments) header[0] = '\x82';
    REQUIRE(receiver.feed(view_of(header + block)));
    header[0] = '\0';
    if (fragments) REQUIRE(receiver.feed(view_of(header + block + header + block)));
    if (fragments) REQUIRE(receiver.feed(view_of({"\x80\x00", 2})));
    CHECK(told.oversized == 1);
    REQUIRE(receiver.feed(view_of("\x82\x02ok")));
    CHECK(told.messages.size() == 1);
  }
}
