// The dialler against servers that are not ours: each octet of theirs is written out, well-formed or not.
#include <doctest/doctest.h>
#include <openssl/ssl.h>

#include <optional>
#include <set>

#include "certificates.hpp"
#include "io/dialer.hpp"
#include "io/ws_handshake.hpp"
#include "raw_client.hpp"
#include "server_fixture.hpp"

using namespace streamr;
using namespace streamr::io;
using namespace streamr::io::test;

namespace {

struct Outside : Loop {
  Recorder seen;
  Dialer dialer;
  RawListener listener;
  std::unique_ptr<RawClient> server;
  explicit Outside(DialerOptions options = {}) : dialer(&loop, sockets, seen, options) {
    each_turn = [this] { dialer.flush(); };
  }
  ~Outside() {
    dialer.close_all();
    CHECK(until([this] { return dialer.idle(); }));
  }
  // Dials as link 1 and gives the request that came.
  std::string requested() {
    dialer.dial(1, "ws://127.0.0.1:" + std::to_string(listener.port()) + "/relay");
    REQUIRE(until([&] { return server || (server = listener.accept()); }));
    REQUIRE(until([&] { return server->heard().ends_with("\r\n\r\n"); }));
    return server->heard();
  }
  static std::string answer_to(const std::string& request) {
    const std::string name = "Sec-WebSocket-Key: ";
    const auto at = request.find(name) + name.size();
    return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
           websocket_accept_value(std::string_view(request).substr(at, 24)) +
           "\r\nSec-WebSocket-Protocol: streamr.relay.v1\r\n\r\n";
  }
  void open() {
    const auto request = requested();
    server->forget();
    server->say(answer_to(request));
    REQUIRE(until([&] { return seen.dialed.size() == 1; }));
  }
  std::string why_closed() {
    REQUIRE(until([&] { return seen.closed.contains(1); }));
    return seen.closed[1];
  }
};

// A server's frame: never masked.
std::string plain(unsigned char first, std::string_view payload) {
  return frame(first, payload, false);
}

// A masked frame of less than 126 octets, read back.
std::string unmasked(const std::string& octets) {
  std::string out = octets.substr(6);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<char>(out[i] ^ octets[2 + i % 4]);
  return out;
}

std::string reason_of(const std::string& answer) {
  Outside world;
  world.requested();
  world.server->say(answer);
  CHECK(world.seen.dialed.empty());
  return world.why_closed();
}

}  // namespace

TEST_CASE("a relay that answers anything but the right 101 is refused with a sentence") {
  CHECK(reason_of("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n") ==
        "the other side does not open a WebSocket, it answers \"HTTP/1.1 503 Service Unavailable\"");
  CHECK(reason_of(Outside::answer_to(std::string(200, 'x'))) ==
        "Sec-WebSocket-Accept does not answer the key that was sent");
  CHECK(reason_of("SSH-2.0-OpenSSH_9.2\r\n\r\n") == "the other side does not answer in HTTP/1.1");
  CHECK(reason_of("HTTP/1.1 101 X\r\nX: " + std::string(9000, 'x')).find("8192") != std::string::npos);
}

TEST_CASE("a relay that hangs up before its answer is told as that") {
  Outside world;
  world.requested();
  world.server->close();
  CHECK(world.why_closed() == "the relay closed the connection before it answered");
}

TEST_CASE("each request has a key of its own, each frame a mask of its own") {
  Outside world;
  const auto first = world.requested();
  Outside other;
  const auto key_of = [](const std::string& request) { return request.substr(request.find("Key: ") + 5, 24); };
  CHECK(key_of(first) != key_of(other.requested()));
  world.server->forget();
  world.server->say(Outside::answer_to(first));
  for (int i = 0; i < 100; ++i) world.dialer.send(1, {SharedBytes::copy(view_of("abcd"))});
  REQUIRE(world.until([&] { return world.server->heard().size() == 1000; }));
  std::set<std::string> masks;
  for (std::size_t i = 0; i < 100; ++i) {
    const auto one = world.server->heard().substr(i * 10, 10);
    CHECK(one.starts_with("\x82\x84"));
    CHECK(unmasked(one) == "abcd");
    masks.insert(one.substr(2, 4));
  }
  CHECK(masks.size() == 100);
}

TEST_CASE("frames that come with the answer, in fragments and with pings between, are messages") {
  Outside world;
  const auto request = world.requested();
  world.server->forget();
  world.server->say(Outside::answer_to(request) + plain(0x82, "one") + plain(0x02, "tw") + plain(0x89, "hi") +
                    plain(0x80, "o"));
  REQUIRE(world.until([&] { return world.seen.messages.size() == 2; }));
  const auto second = world.seen.messages[1].second.view();
  CHECK(std::string(second.begin(), second.end()) == "two");
  REQUIRE(world.until([&] { return world.server->heard().size() == 8; }));
  CHECK(world.server->heard().starts_with("\x8A\x82"));
  CHECK(unmasked(world.server->heard()) == "hi");
}

TEST_CASE("text and oversized messages are told, and the connection goes on") {
  Outside world;
  world.open();
  world.server->say(plain(0x81, "text"));
  world.server->say(plain(0x82, std::string(131'072, 'a')));
  REQUIRE(world.until([&] { return world.seen.messages.size() == 1; }));
  CHECK(world.seen.messages[0].second.size() == 131'072);
  std::string octets = plain(0x82, std::string(131'073, 'b')) + plain(0x82, "ok");
  REQUIRE(world.until([&] {
    const auto block = std::min<std::size_t>(octets.size(), 20'000);
    world.server->say(octets.substr(0, block));
    octets.erase(0, block);
    return world.seen.messages.size() == 2;
  }));
  CHECK(world.seen.texts == std::vector<LinkId>{1});
  CHECK(world.seen.oversized == std::vector<LinkId>{1});
}

TEST_CASE("a masked frame of a server is a breach: close 1002, and the reason is told") {
  Outside world;
  world.open();
  world.server->say(frame(0x82, "x"));
  CHECK(world.why_closed() == "a server never masks its frames, this one is masked");
  REQUIRE(world.until([&] { return world.server->ended(); }));
  CHECK(unmasked(world.server->heard()) == "\x03\xEA");
}

TEST_CASE("a close frame is answered with its code and told once") {
  Outside world;
  world.open();
  world.server->say(plain(0x88, "\x03\xF3going"));
  CHECK(world.why_closed() == "the relay closed the WebSocket with code 1011");
  REQUIRE(world.until([&] { return world.server->ended(); }));
  CHECK(unmasked(world.server->heard()) == "\x03\xF3");
}

TEST_CASE("closing waits for the other side's end, but not for ever") {
  DialerOptions options;
  options.close_within_ms = 300;
  Outside world(options);
  world.open();
  world.dialer.send(1, {SharedBytes::copy(view_of("last"))});
  world.dialer.close_link(1);
  REQUIRE(world.until([&] { return world.server->ended(); }));
  CHECK(unmasked(world.server->heard().substr(0, 10)) == "last");
  CHECK(unmasked(world.server->heard().substr(10)) == "\x03\xE8");
  CHECK(world.why_closed() == "closed by this side");
}

TEST_CASE("a quiet relay is pinged, a silent one is given up") {
  DialerOptions options;
  options.ping_after_ms = 100;
  options.silence_ms = 1'000;
  Outside world(options);
  world.open();
  REQUIRE(world.until([&] { return world.server->heard().size() >= 6; }));
  CHECK(world.server->heard().starts_with("\x89\x80"));
  CHECK(world.why_closed() == "the relay was silent for 1000 ms");
}

TEST_CASE("a relay that pings without end and reads nothing is given up") {
  DialerOptions options;
  options.queue_bytes = 100'000;
  Outside world(options);
  world.open();
  std::string pings;
  for (int i = 0; i < 100; ++i) pings += plain(0x89, std::string(125, 'p'));
  REQUIRE(world.until([&] {
    world.server->say(pings);
    return world.seen.closed.contains(1);
  }));
  CHECK(world.seen.closed[1] == "the relay pings and does not read");
}

TEST_CASE("a name with several addresses is tried until one answers") {
  ServerFixture world;  // on 127.0.0.1 only; localhost may be ::1 first
  Recorder outside;
  Dialer dialer(&world.loop, world.sockets, outside);
  world.each_turn = [&] {
    world.server.flush();
    dialer.flush();
  };
  dialer.dial(1, "ws://localhost:" + std::to_string(world.port()) + "/relay");
  CHECK(world.until([&] { return outside.dialed.size() == 1; }));
  dialer.close_all();
  CHECK(world.until([&] { return dialer.idle(); }));
}

// ---- wss

namespace {

struct Secure {
  Certificates certificates;
  Recorder outside;
  std::optional<ServerFixture> world;
  std::optional<Dialer> dialer;

  Secure(const CertificateWish& wish, bool trusts_authority) {
    ServerOptions options;
    options.tls = *TlsServer::open(certificates.make("relay", wish));
    world.emplace(options);
    DialerOptions dialing;
    if (trusts_authority) dialing.extra_authorities = certificates.authority_file();
    dialer.emplace(&world->loop, world->sockets, outside, dialing);
    world->each_turn = [this] {
      world->server.flush();
      dialer->flush();
    };
  }
  ~Secure() {
    dialer->close_all();
    CHECK(world->until([this] { return dialer->idle(); }));
    world->each_turn = [server = &world->server] { server->flush(); };
  }
  std::string dial(const std::string& host) {
    dialer->dial(1, "wss://" + host + ":" + std::to_string(world->port()) + "/relay");
    REQUIRE(world->until([&] { return outside.dialed.size() + outside.closed.size() == 1; }));
    return outside.closed.empty() ? "open" : outside.closed[1];
  }
};

std::string dial_with(const CertificateWish& wish, const std::string& host, bool trusts_authority = true) {
  return Secure(wish, trusts_authority).dial(host);
}

}  // namespace

TEST_CASE("wss opens where the certificate names the host and an authority of the house signed it") {
  CHECK(dial_with({}, "localhost") == "open");
  CHECK(dial_with({}, "127.0.0.1") == "open");
}

TEST_CASE("wss is refused where the certificate is not to be trusted, and the reason is told") {
  const std::string refused = "the relay cannot be reached: the certificate of the other side is not accepted: ";
  CHECK(dial_with({.names = "DNS:other.example"}, "localhost") == refused + "hostname mismatch");
  CHECK(dial_with({.names = "DNS:*.localhost"}, "localhost") == refused + "hostname mismatch");
  CHECK(dial_with({.names = "DNS:127.0.0.1"}, "127.0.0.1") == refused + "IP address mismatch");
  CHECK(dial_with({.self_signed = true}, "localhost") == refused + "self-signed certificate");
  CHECK(dial_with({}, "localhost", false) == refused + "unable to get local issuer certificate");
}

TEST_CASE("wss is refused once the certificate has expired, also by a node that trusts its authority") {
  Certificates certificates;
  Outside world([&] {
    DialerOptions options;
    options.extra_authorities = certificates.authority_file();
    return options;
  }());
  // Our own server would not take such a certificate, so OpenSSL shows it.
  const auto files = certificates.make("expired", {.begins_s = -7200, .ends_s = -3600});
  const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
  REQUIRE(SSL_CTX_use_certificate_file(context.get(), files.chain.c_str(), SSL_FILETYPE_PEM) == 1);
  REQUIRE(SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM) == 1);
  const std::unique_ptr<SSL, void (*)(SSL*)> ssl(SSL_new(context.get()), &SSL_free);
  SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_accept_state(ssl.get());
  world.dialer.dial(1, "wss://127.0.0.1:" + std::to_string(world.listener.port()) + "/relay");
  REQUIRE(world.until([&] {
    if (!world.server) world.server = world.listener.accept();
    if (!world.server) return false;
    const std::string heard = world.server->heard();
    world.server->forget();
    BIO_write(SSL_get_rbio(ssl.get()), heard.data(), static_cast<int>(heard.size()));
    SSL_do_handshake(ssl.get());
    char block[8192];
    for (int got = 0; (got = BIO_read(SSL_get_wbio(ssl.get()), block, sizeof block)) > 0;)
      world.server->say({block, static_cast<std::size_t>(got)});
    return world.seen.closed.contains(1);
  }));
  CHECK(world.seen.closed[1].find("certificate has expired") != std::string::npos);
  CHECK(world.seen.dialed.empty());
}

TEST_CASE("wss to a port that speaks plain HTTP fails in the handshake") {
  ServerFixture world;
  Recorder outside;
  Dialer dialer(&world.loop, world.sockets, outside);
  world.each_turn = [&] {
    world.server.flush();
    dialer.flush();
  };
  dialer.dial(1, "wss://127.0.0.1:" + std::to_string(world.port()) + "/relay");
  REQUIRE(world.until([&] { return outside.closed.contains(1); }));
  CHECK(outside.closed[1].find("the TLS handshake failed") != std::string::npos);
  dialer.close_all();
  CHECK(world.until([&] { return dialer.idle(); }));
}

TEST_CASE("a file of authorities that cannot be read is told by the first wss") {
  DialerOptions options;
  options.extra_authorities = "/nowhere/authorities.pem";
  Outside world(options);
  world.dialer.dial(1, "wss://127.0.0.1:" + std::to_string(world.listener.port()) + "/relay");
  CHECK(world.why_closed().find("/nowhere/authorities.pem") != std::string::npos);
}

TEST_CASE("messages of every size go both ways through TLS unchanged") {
  Secure place({}, true);
  auto& world = *place.world;
  world.seen.message_hook = [&](LinkId link, const SharedBytes& message) {
    world.server.send(link, {message.slice(0, 10), message.slice(10, message.size())});
  };
  REQUIRE(place.dial("localhost") == "open");
  std::vector<ByteVector> sent;
  for (const std::size_t size : {1u, 125u, 126u, 16'384u, 16'400u, 65'536u, 131'072u, 131'071u}) {
    ByteVector message(size);
    for (std::size_t i = 0; i < size; ++i) message[i] = static_cast<std::uint8_t>(i * 7 + size);
    place.dialer->send(1, {SharedBytes::copy(message)});
    sent.push_back(std::move(message));
  }
  REQUIRE(world.until([&] { return place.outside.messages.size() == sent.size(); }));
  for (std::size_t i = 0; i < sent.size(); ++i) {
    const auto back = place.outside.messages[i].second.view();
    CHECK(std::equal(back.begin(), back.end(), sent[i].begin(), sent[i].end()));
  }
  CHECK(place.outside.outstanding[1] == 0);
  place.dialer->close_link(1);
  CHECK(world.until([&] { return world.seen.closed.size() == 1 && place.outside.closed.size() == 1; }));
  CHECK(place.outside.closed[1] == "closed by this side");
}
