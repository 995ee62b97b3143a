#include <doctest/doctest.h>

#include "raw_client.hpp"
#include "server_fixture.hpp"

using namespace streamr;
using namespace streamr::io;
using namespace streamr::io::test;

namespace {

// Says `request` to a fresh server and gives all that it answers until it closes.
std::string answer_to(std::string_view request, ServerOptions options = {}) {
  ServerFixture world(options);
  RawClient client(world.port());
  client.say(request);
  world.until([&] { return client.ended(); });
  CHECK_FALSE(client.was_reset());
  return client.heard();
}

bool refused_with(std::string_view request, int status) {
  const std::string answer = answer_to(request);
  INFO(answer);
  const bool right = answer.starts_with("HTTP/1.1 " + std::to_string(status) + " ");
  return right && answer.find("\r\nConnection: close\r\n") != std::string::npos && answer.ends_with("\n");
}

std::size_t count_of(const std::string& text, std::string_view what) {
  std::size_t count = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + what.size())) ++count;
  return count;
}

}  // namespace

TEST_CASE("a request is handed on whole and its answer keeps the connection open") {
  ServerFixture world;
  RawClient client(world.port());
  client.say("POST /v1/receipts?a=b HTTP/1.1\r\nHost: me\r\nX-Two:  words here \r\nContent-Length: 3\r\n\r\nabc");
  REQUIRE(world.until([&] { return client.heard().ends_with("hello /v1/receipts?a=b"); }));
  REQUIRE(world.seen.requests.size() == 1);
  const auto& request = world.seen.requests[0];
  CHECK(request.method == "POST");
  CHECK(request.path() == "/v1/receipts");
  CHECK(request.query() == "a=b");
  CHECK(request.header("x-two") == "words here");
  CHECK(std::string(request.body.view().begin(), request.body.view().end()) == "abc");
  CHECK(request.peer_address == "127.0.0.1");
  CHECK(client.heard().find("Content-Length: 22\r\n") != std::string::npos);
  client.forget();
  client.say("GET /again HTTP/1.1\r\nHost: me\r\n\r\n");
  CHECK(world.until([&] { return client.heard().ends_with("hello /again"); }));
}

TEST_CASE("pipelined requests are answered in their order even when the first answer comes late") {
  ServerFixture world;
  std::vector<HttpId> asked;
  world.seen.request_hook = [&](const core::HttpRequest& request) { asked.push_back(request.id); };
  RawClient client(world.port());
  client.say("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\nGET /3 HTTP/1.1\r\nHost: x\r\n\r\n");
  REQUIRE(world.until([&] { return asked.size() == 1; }));
  for (std::size_t i = 0; i < 3; ++i) {
    REQUIRE(world.until([&] { return asked.size() == i + 1; }));
    world.server.reply(asked[i], text_response("answer " + std::to_string(i)));
  }
  REQUIRE(world.until([&] { return client.heard().ends_with("answer 2"); }));
  const auto& heard = client.heard();
  CHECK(heard.find("answer 0") < heard.find("answer 1"));
  CHECK(heard.find("answer 1") < heard.find("answer 2"));
}

TEST_CASE("HEAD is answered with the length and without the body") {
  ServerFixture world;
  RawClient client(world.port());
  client.say("HEAD /x HTTP/1.1\r\nHost: x\r\n\r\nGET /y HTTP/1.1\r\nHost: x\r\n\r\n");
  REQUIRE(world.until([&] { return client.heard().ends_with("hello /y"); }));
  CHECK(count_of(client.heard(), "Content-Length: 8\r\n") == 2);
  CHECK(count_of(client.heard(), "hello") == 1);
}

TEST_CASE("HTTP/1.0 is answered and closed unless it asks to be kept") {
  const auto plain = answer_to("GET /old HTTP/1.0\r\n\r\n");
  CHECK(plain.ends_with("hello /old"));
  CHECK(plain.find("Connection: close\r\n") != std::string::npos);
  ServerFixture world;
  RawClient client(world.port());
  client.say("GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  REQUIRE(world.until([&] { return client.heard().ends_with("hello /old"); }));
  CHECK(client.heard().find("Connection: keep-alive\r\n") != std::string::npos);
  client.forget();
  client.say("GET /more HTTP/1.0\r\n\r\n");
  CHECK(world.until([&] { return client.ended() && client.heard().ends_with("hello /more"); }));
}

TEST_CASE("a body that waits for permission gets it") {
  ServerFixture world;
  RawClient client(world.port());
  client.say("POST /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  REQUIRE(world.until([&] { return client.heard() == "HTTP/1.1 100 Continue\r\n\r\n"; }));
  client.say("ok");
  CHECK(world.until([&] { return client.heard().ends_with("hello /x"); }));
}

TEST_CASE("a chunked body is put together, and its trailers are read over") {
  ServerFixture world;
  RawClient client(world.port());
  client.say(
      "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nLate: "
      "1\r\n\r\nGET /y HTTP/1.1\r\nHost: x\r\n\r\n");
  REQUIRE(world.until([&] { return client.heard().ends_with("hello /y"); }));
  CHECK(world.seen.requests[0].body.size() == 5);
  CHECK(world.seen.requests[1].body.empty());
}

TEST_CASE("an open answer goes out in chunks, to HTTP/1.0 as it is") {
  for (const bool modern : {true, false}) {
    ServerFixture world;
    world.seen.request_hook = {};
    RawClient client(world.port());
    client.say(modern ? "GET /x HTTP/1.1\r\nHost: x\r\n\r\n" : "GET /x HTTP/1.0\r\n\r\n");
    REQUIRE(world.until([&] { return world.seen.requests.size() == 1; }));
    const HttpId id = world.seen.requests[0].id;
    auto response = text_response("first");
    response.open = true;
    world.server.reply(id, std::move(response));
    world.server.pieces(id, {SharedBytes::copy(view_of("sec")), SharedBytes::copy(view_of("ond"))}, false);
    world.server.pieces(id, {}, true);
    if (modern) {
      CHECK(world.until([&] { return client.heard().ends_with("\r\n\r\n5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n"); }));
    } else {
      CHECK(world.until([&] { return client.ended() && client.heard().ends_with("\r\n\r\nfirstsecond"); }));
    }
  }
}

TEST_CASE("HEAD of an open answer ends at its head and tells that no pieces are wanted") {
  ServerFixture world;
  world.seen.request_hook = {};
  RawClient client(world.port());
  client.say("HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n");
  REQUIRE(world.until([&] { return world.seen.requests.size() == 1; }));
  auto response = text_response("first");
  response.open = true;
  world.server.reply(world.seen.requests[0].id, std::move(response));
  CHECK(world.until([&] { return client.heard().ends_with("\r\n\r\n"); }));
  CHECK(world.seen.gone == std::vector<HttpId>{world.seen.requests[0].id});
}

TEST_CASE("a client that closes its sending half still gets its answer") {
  ServerFixture world;
  RawClient client(world.port());
  client.say("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
  client.end_sending();
  CHECK(world.until([&] { return client.ended(); }));
  CHECK(client.heard().ends_with("hello /x"));
}

TEST_CASE("a client that goes before its answer is told to the handler") {
  ServerFixture world;
  world.seen.request_hook = {};
  RawClient client(world.port());
  client.say("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
  REQUIRE(world.until([&] { return world.seen.requests.size() == 1; }));
  client.close();
  const HttpId id = world.seen.requests[0].id;
  // The end of the client shows when the answer meets a socket that nobody holds any more.
  auto response = text_response(std::string(100'000, 'x'));
  response.open = true;
  world.server.reply(id, std::move(response));
  CHECK(world.until([&] {
    world.server.pieces(id, {SharedBytes::copy(view_of("more"))}, false);
    return !world.seen.gone.empty();
  }));
}

TEST_CASE("requests that two readers could understand differently are refused with 400") {
  CHECK(refused_with("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400));
  CHECK(refused_with("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400));
  CHECK(refused_with("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc", 400));
  CHECK(refused_with("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc", 400));
  CHECK(refused_with("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400));
  CHECK(refused_with("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400));
  CHECK(refused_with("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400));
  CHECK(refused_with("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400));
  CHECK(refused_with("GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", 400));
  CHECK(refused_with("GET / HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n", 400));
  CHECK(refused_with("GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n folded\r\n\r\n", 400));
  CHECK(refused_with("GET / HTTP/1.1\nHost: x\n\n", 400));
  CHECK(refused_with("GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", 400));
  CHECK(refused_with(std::string_view("GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n", 35), 400));
  CHECK(refused_with("GET / HTTP/1.1\r\n\r\n", 400));
  CHECK(refused_with("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400));
  CHECK(refused_with("GET x HTTP/1.1\r\nHost: x\r\n\r\n", 400));
  CHECK(refused_with("GET /\r\n\r\n", 400));
  CHECK(refused_with("rubbish\r\n\r\n", 400));
  CHECK(refused_with("\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 400));
}

TEST_CASE("a chunked body that is not framed to the letter is refused") {
  const std::string start = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const char* body : {"3\r\nabcXX0\r\n\r\n", "3\rXabc\r\n0\r\n\r\n", "3\nabc\r\n0\r\n\r\n",
                           "3 \r\nabc\r\n0\r\n\r\n", "\r\n", "0x3\r\nabc\r\n", "3\r\nabc\r\n0\r\nA: b\nC: d\r\n\r\n",
                           "3\r\nabc\r\n0\r\n\rX", "000000003\r\nabc\r\n", "3;a\x01\r\nabc\r\n", "-3\r\nabc\r\n"}) {
    INFO(body);
    CHECK(refused_with(start + body, 400));
  }
}

TEST_CASE("every other refusal has its own status") {
  CHECK(refused_with("DELETE / HTTP/1.1\r\nHost: x\r\n\r\n", 405));
  CHECK(refused_with("BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 501));
  CHECK(refused_with("GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505));
  CHECK(refused_with("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501));
  CHECK(refused_with("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n", 413));
  CHECK(refused_with("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999999\r\n\r\n", 413));
  CHECK(refused_with("GET /" + std::string(8200, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n", 414));
  CHECK(refused_with("GET / HTTP/1.1\r\nHost: x\r\nBig: " + std::string(17'000, 'a') + "\r\n\r\n", 431));
  CHECK(refused_with("GET /relay HTTP/1.1\r\nHost: x\r\n\r\n", 426));
  std::string many = "GET / HTTP/1.1\r\nHost: x\r\n";
  for (int i = 0; i < 64; ++i) many += "A" + std::to_string(i) + ": b\r\n";
  CHECK(refused_with(many + "\r\n", 431));
  std::string chunked = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 5; ++i) chunked += "4000\r\n" + std::string(0x4000, 'x') + "\r\n";
  CHECK(refused_with(chunked, 413));
}

TEST_CASE("the largest request that is allowed is answered") {
  std::string request = "POST /" + std::string(8191, 'a') + " HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n";
  for (int i = 0; i < 62; ++i) request += "A" + std::to_string(i) + ": " + std::string(200, 'b') + "\r\n";
  ServerFixture world;
  RawClient client(world.port());
  client.say(request + "\r\n" + std::string(65536, 'x'));
  CHECK(world.until([&] { return client.heard().starts_with("HTTP/1.1 200 OK\r\n"); }));
}

TEST_CASE("a head or a body that trickles gets 408, an idle connection is closed without a word") {
  ServerOptions options;
  options.header_within_ms = options.body_within_ms = 60;
  CHECK(answer_to("GET / HTTP/1.1\r\nHost:", options).starts_with("HTTP/1.1 408 "));
  CHECK(answer_to("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab", options).starts_with("HTTP/1.1 408 "));
  CHECK(answer_to("", options).empty());
  options.idle_ms = 60;
  const auto kept = answer_to("GET /x HTTP/1.1\r\nHost: x\r\n\r\n", options);
  CHECK(kept.ends_with("hello /x"));
}

TEST_CASE("the connections of one address have a limit, and a place is free again when one closes") {
  ServerOptions options;
  options.http_an_address = 2;
  ServerFixture world(options);
  auto first = std::make_unique<RawClient>(world.port());
  RawClient second(world.port());
  REQUIRE(world.until([&] { return world.server.connection_count() == 2; }));
  RawClient third(world.port());
  CHECK(world.until([&] { return third.ended(); }));
  CHECK(third.heard().starts_with("HTTP/1.1 503 "));
  CHECK(third.heard().find("Retry-After: 2\r\n") != std::string::npos);
  first.reset();
  REQUIRE(world.until([&] { return world.server.connection_count() == 1; }));
  RawClient fourth(world.port());
  fourth.say("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(world.until([&] { return fourth.heard().ends_with("hello /x"); }));
}

TEST_CASE("a reader that takes nothing is closed, and what it left does not stay in memory") {
  ServerOptions options;
  options.stuck_ms = 100;
  ServerFixture world(options);
  const auto big = SharedBytes::take(ByteVector(8 * 1024 * 1024));
  world.seen.request_hook = [&](const core::HttpRequest& request) {
    core::HttpResponse response;
    response.pieces.push_back(big);
    world.server.reply(request.id, std::move(response));
  };
  RawClient client(world.port(), 4096);
  client.say("GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
  REQUIRE(world.until([&] { return world.server.connection_count() == 1; }));
  CHECK(world.until([&] { return world.server.connection_count() == 0; }));
}

TEST_CASE("a client that asks on without reading is not read on either") {
  ServerFixture world;
  world.seen.request_hook = [&](const core::HttpRequest& request) {
    world.server.reply(request.id, text_response(std::string(4'000'000, 'x')));
  };
  RawClient client(world.port(), 4096);
  for (int i = 0; i < 50; ++i) client.say("GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
  int turns = 0;
  world.until([&] { return ++turns > 200; });
  CHECK(world.seen.requests.size() <= 2);
}

TEST_CASE("a port in use is said so") {
  ServerFixture world;
  Server second(&world.loop, world.sockets, world.seen);
  const auto bound = second.listen({"127.0.0.1", world.port()});
  REQUIRE_FALSE(bound);
  CHECK(bound.error().status == STREAMR_E_INUSE);
  second.close_all();
  CHECK(world.until([&] { return second.idle(); }));
}
