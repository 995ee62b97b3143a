#include <doctest/doctest.h>

#include <fstream>

#include "certificates.hpp"
#include "server_fixture.hpp"
#include "tls_client.hpp"

using namespace streamr;
using namespace streamr::io;
using namespace streamr::io::test;

namespace {

ServerOptions with_tls(std::shared_ptr<TlsServer> tls, ServerOptions options = {}) {
  options.tls = std::move(tls);
  return options;
}

struct TlsFixture {
  Certificates certificates;
  TlsFiles files = certificates.make("own");
  std::shared_ptr<TlsServer> tls = *TlsServer::open(files);
  ServerFixture world;
  explicit TlsFixture(ServerOptions options = {}) : world(with_tls(tls, options)) {}

  std::uint16_t port() const { return world.port(); }
  bool until_heard(TlsClient& client, std::string_view text) {
    return world.until([&] {
      client.turn();
      return client.heard().find(text) != std::string::npos;
    });
  }
  bool until_established(TlsClient& client) {
    return world.until([&] {
      client.turn();
      return client.established();
    });
  }
  bool until_ended(TlsClient& client) {
    return world.until([&] { return client.turn(); });
  }
};

const std::string hello = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";

}  // namespace

TEST_CASE("requests and answers pass through TLS 1.3, the answer of many pieces unchanged") {
  TlsFixture place;
  ByteVector large(3'000'001);
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<std::uint8_t>(i * 31 + i / 251);
  place.world.seen.request_hook = [&](const core::HttpRequest& request) {
    core::HttpResponse response;
    response.status = 200;
    const auto all = SharedBytes::copy(large);
    std::size_t at = 0;
    for (std::size_t step = 1; at < large.size(); step = step % 70'000 * 2 + 1) {
      response.pieces.push_back(all.slice(at, step));
      at += step;
    }
    place.world.server.reply(request.id, std::move(response));
  };
  TlsClient client(place.port());
  REQUIRE(place.until_established(client));
  CHECK(std::string(SSL_get_version(client.ssl())) == "TLSv1.3");
  CHECK(std::string(SSL_get_cipher(client.ssl())).starts_with("TLS_"));
  client.say(hello);
  REQUIRE(place.world.until([&] {
    client.turn();
    return client.heard().size() > large.size() &&
           client.heard().size() >= client.heard().find("\r\n\r\n") + 4 + large.size();
  }));
  const auto body = client.heard().substr(client.heard().find("\r\n\r\n") + 4);
  CHECK(body == std::string(large.begin(), large.end()));
}

TEST_CASE("TLS 1.2 is spoken with forward secrecy, TLS 1.1 and ciphers without it are not") {
  TlsFixture place;
  TlsClient client(place.port(), [](SSL* ssl) { SSL_set_max_proto_version(ssl, TLS1_2_VERSION); });
  REQUIRE(place.until_established(client));
  CHECK(std::string(SSL_get_cipher(client.ssl())).starts_with("ECDHE-"));
  client.say(hello);
  CHECK(place.until_heard(client, "hello /x"));

  TlsClient old(place.port(), [](SSL* ssl) {
    SSL_set_security_level(ssl, 0);
    SSL_set_min_proto_version(ssl, TLS1_VERSION);
    SSL_set_max_proto_version(ssl, TLS1_1_VERSION);
  });
  CHECK(place.until_ended(old));
  CHECK_FALSE(old.established());

  TlsClient weak(place.port(), [](SSL* ssl) {
    SSL_set_max_proto_version(ssl, TLS1_2_VERSION);
    SSL_set_cipher_list(ssl, "AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA");
  });
  CHECK(place.until_ended(weak));
  CHECK_FALSE(weak.established());
}

TEST_CASE("http/1.1 is agreed on; who offers other protocols only is refused") {
  TlsFixture place;
  TlsClient both(place.port(), [](SSL* ssl) {
    SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>("\x02h2\x08http/1.1"), 12);
  });
  REQUIRE(place.until_established(both));
  const unsigned char* chosen = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(both.ssl(), &chosen, &size);
  CHECK(std::string(reinterpret_cast<const char*>(chosen), size) == "http/1.1");

  TlsClient other(place.port(),
                  [](SSL* ssl) { SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>("\x02h2"), 3); });
  CHECK(place.until_ended(other));
  CHECK_FALSE(other.established());
}

TEST_CASE("plain HTTP on a TLS port is told so in plain text") {
  TlsFixture place;
  RawClient client(place.port());
  client.say(hello);
  REQUIRE(place.world.until([&] { return client.ended(); }));
  CHECK(client.heard().starts_with("HTTP/1.1 400 "));
  CHECK(client.heard().find("this port speaks TLS") != std::string::npos);
  CHECK_FALSE(client.was_reset());
  CHECK(place.world.seen.requests.empty());
}

TEST_CASE("a session is resumed by its ticket, in both versions, also after the certificate was changed") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsFixture place;
    const auto at_version = [version](SSL* ssl) { SSL_set_max_proto_version(ssl, version); };
    TlsClient first(place.port(), at_version);
    REQUIRE(place.until_established(first));
    first.say(hello);
    REQUIRE(place.until_heard(first, "hello /x"));
    REQUIRE(first.session() != nullptr);
    CHECK(SSL_session_reused(first.ssl()) == 0);

    const TlsFiles fresh = place.certificates.make("fresh");
    std::filesystem::rename(fresh.chain, place.files.chain);
    std::filesystem::rename(fresh.key, place.files.key);
    REQUIRE(place.tls->reload());

    TlsClient again(place.port(), [&](SSL* ssl) {
      at_version(ssl);
      SSL_set_session(ssl, first.session());
    });
    REQUIRE(place.until_established(again));
    CHECK(SSL_session_reused(again.ssl()) == 1);
    again.say(hello);
    CHECK(place.until_heard(again, "hello /x"));
  }
}

TEST_CASE("a changed certificate is shown to who connects next, and drops nobody") {
  TlsFixture place;
  TlsClient before(place.port());
  REQUIRE(place.until_established(before));
  const TlsFiles fresh = place.certificates.make("fresh", {.ends_s = 90 * 24 * 3600});
  const auto ended = place.tls->not_after_unix_s();
  std::filesystem::rename(fresh.chain, place.files.chain);
  std::filesystem::rename(fresh.key, place.files.key);
  REQUIRE(place.tls->reload());
  CHECK(place.tls->not_after_unix_s() > ended + 24 * 3600);
  TlsClient after(place.port());
  REQUIRE(place.until_established(after));
  CHECK(before.peer_name() != after.peer_name());
  before.say(hello);
  CHECK(place.until_heard(before, "hello /x"));
}

TEST_CASE("files that cannot serve are refused with what is wrong, and the certificate in use stays") {
  TlsFixture place;
  const auto refusal = [&](const TlsFiles& files) {
    const auto opened = TlsServer::open(files);
    return opened ? std::string("accepted") : opened.error().text;
  };
  const TlsFiles other = place.certificates.make("other");
  const TlsFiles expired = place.certificates.make("expired", {.begins_s = -7200, .ends_s = -3600});
  const TlsFiles early = place.certificates.make("early", {.begins_s = 3600});
  const std::string missing = place.certificates.directory().path("missing.pem");
  const std::string text = place.certificates.directory().path("text.pem");
  std::ofstream(text) << "this is no certificate\n";
  chmod(text.c_str(), 0600);

  CHECK(refusal({place.files.chain, other.key}).find("does not belong to the certificate") != std::string::npos);
  CHECK(refusal(expired).find("has expired") != std::string::npos);
  CHECK(refusal(early).find("not valid yet") != std::string::npos);
  CHECK(refusal({missing, place.files.key}) ==
        "the certificate file " + missing + " cannot be read: No such file or directory");
  CHECK(refusal({text, place.files.key}).find("holds no certificate in PEM") != std::string::npos);
  CHECK(refusal({place.files.chain, text}).find("holds no private key in PEM") != std::string::npos);
  chmod(text.c_str(), 0644);
  CHECK(refusal({place.files.chain, text}).find("open to every user") != std::string::npos);
  CHECK(refusal({place.certificates.directory().path(""), place.files.key}).find("no file of PEM") !=
        std::string::npos);

  TlsClient before(place.port());
  REQUIRE(place.until_established(before));
  std::filesystem::rename(expired.chain, place.files.chain);
  CHECK_FALSE(place.tls->reload());
  TlsClient after(place.port());
  REQUIRE(place.until_established(after));
  CHECK(after.peer_name() == before.peer_name());
}

TEST_CASE("a handshake that never ends is given up within the limit of a request head") {
  ServerOptions options;
  options.header_within_ms = 200;
  TlsFixture place(options);
  RawClient silent(place.port()), half(place.port());
  half.say("\x16\x03\x01\x02\x00\x01");
  REQUIRE(place.world.until([&] { return silent.ended() && half.ended(); }));
  CHECK(place.world.until([&] { return place.world.server.connection_count() == 0; }));
}

TEST_CASE("octets that are no handshake, an endless one and a broken record end the connection alone") {
  TlsFixture place;
  TlsClient good(place.port());
  REQUIRE(place.until_established(good));
  RawClient garbage(place.port());
  garbage.say(std::string("\x16\x03\x01\x00\x10", 5) + std::string(16, 'x'));
  CHECK(place.world.until([&] { return garbage.ended(); }));
  TlsClient broken(place.port());
  REQUIRE(place.until_established(broken));
  broken.socket().say(std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x'));
  CHECK(place.world.until([&] { return broken.socket().ended(); }));
  good.say(hello);
  CHECK(place.until_heard(good, "hello /x"));
}

TEST_CASE("a second handshake on the same connection is refused") {
  TlsFixture place;
  TlsClient client(place.port(), [](SSL* ssl) { SSL_set_max_proto_version(ssl, TLS1_2_VERSION); });
  REQUIRE(place.until_established(client));
  SSL_renegotiate(client.ssl());
  SSL_do_handshake(client.ssl());
  client.push();
  bool refused = false;
  CHECK(place.world.until([&] {
    client.turn();
    refused = refused || ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_NO_RENEGOTIATION;
    return refused;
  }));
}

TEST_CASE("a few key updates are followed, a flood of them ends the connection") {
  TlsFixture place;
  TlsClient client(place.port());
  REQUIRE(place.until_established(client));
  for (int i = 0; i < 3; ++i) {
    SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED);
    client.say(hello);
  }
  REQUIRE(place.world.until([&] {
    client.turn();
    return place.world.seen.requests.size() == 3;
  }));
  CHECK(place.until_heard(client, "hello /x"));
  for (int i = 0; i < 40; ++i) {
    SSL_key_update(client.ssl(), SSL_KEY_UPDATE_NOT_REQUESTED);
    SSL_do_handshake(client.ssl());
    client.push();
  }
  CHECK(place.until_ended(client));
}

TEST_CASE("a client that says good-bye gets its answers first") {
  TlsFixture place;
  TlsClient client(place.port());
  REQUIRE(place.until_established(client));
  client.say(hello);
  SSL_shutdown(client.ssl());
  client.push();
  CHECK(place.until_heard(client, "hello /x"));
  CHECK(place.until_ended(client));
  CHECK((SSL_get_shutdown(client.ssl()) & SSL_RECEIVED_SHUTDOWN) != 0);
}

TEST_CASE("too many connections of one address are closed before a handshake is paid for") {
  ServerOptions options;
  options.http_an_address = 1;
  TlsFixture place(options);
  TlsClient first(place.port());
  REQUIRE(place.until_established(first));
  TlsClient second(place.port());
  CHECK(place.until_ended(second));
  CHECK_FALSE(second.established());
}
