#include <doctest/doctest.h>

#include <map>
#include <set>

#include "io/serving_group.hpp"
#include "raw_client.hpp"
#include "recorder.hpp"
#include "server_fixture.hpp"

using namespace streamr;
using namespace streamr::io;
using namespace streamr::io::test;

namespace {

// Four loops on one port; the handler answers everything with the target.
struct Group : Loop {
  Recorder seen;
  uv_async_t wake{};
  ServingGroup group;

  Group()
      : group(&loop, sockets, seen, ServerFixture::quick({}), 4, [this] { uv_async_send(&wake); }) {
    uv_async_init(&loop, &wake, [](uv_async_t*) {});
    each_turn = [this] {
      group.take_in();
      group.flush();
    };
    seen.request_hook = [this](const core::HttpRequest& request) { group.reply(request.id, text_response(request.target)); };
    const auto bound = group.listen({"127.0.0.1", 0});
    if (!bound) throw std::runtime_error(bound.error().text);
  }
  ~Group() {
    group.close_all();
    until([this] { return group.idle(); });
    uv_close(reinterpret_cast<uv_handle_t*>(&wake), nullptr);
  }
};

}  // namespace

TEST_CASE("connections are spread over the loops and every one is answered") {
  Group world;
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 40; ++i) {
    clients.push_back(std::make_unique<RawClient>(world.group.listening().port));
    clients.back()->say("GET /n" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  std::set<HttpId> loops;
  CHECK(world.until([&] { return world.seen.requests.size() == 40; }));
  for (const auto& request : world.seen.requests) loops.insert(request.id >> 48);
  CHECK(loops.size() > 1);
  for (int i = 0; i < 40; ++i) {
    CHECK(world.until([&] { return clients[i]->heard().ends_with("/n" + std::to_string(i)); }));
  }
}

TEST_CASE("an answer that is shared is asked for once a loop") {
  Group world;
  const auto freshness = std::make_shared<core::Freshness>();
  world.seen.request_hook = [&](const core::HttpRequest& request) {
    auto response = text_response("same");
    response.shared = freshness;
    world.group.reply(request.id, std::move(response));
  };
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 60; ++i) {
    clients.push_back(std::make_unique<RawClient>(world.group.listening().port));
    clients.back()->say("GET /live/x/0.m3u8 HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  for (const auto& client : clients) {
    CHECK(world.until([&] { return client->heard().ends_with("same"); }));
  }
  CHECK(world.seen.requests.size() <= 4);
  std::uint64_t shared = 0;
  CHECK(world.until([&] { return (shared += world.group.take_served().requests[2]) + world.seen.requests.size() == 60; }));
}

TEST_CASE("WebSockets of all loops are links of one node") {
  Group world;
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 24; ++i) {
    clients.push_back(std::make_unique<RawClient>(world.group.listening().port));
    clients.back()->say(upgrade_request());
  }
  CHECK(world.until([&] { return world.seen.accepted.size() == 24; }));
  for (const auto& client : clients) {
    CHECK(world.until([&] { return client->heard().ends_with("\r\n\r\n"); }));
    client->forget();
  }
  for (const LinkId link : world.seen.accepted) {
    CHECK(world.group.owns(link));
    world.group.send(link, {SharedBytes::copy(view_of("abc"))});
  }
  for (const auto& client : clients) {
    CHECK(world.until([&] { return client->heard().ends_with("\x82\x03" "abc"); }));
  }
  CHECK(world.until([&] {
    std::size_t told = 0;
    for (const LinkId link : world.seen.accepted)
      told += world.seen.outstanding.contains(link) && world.seen.outstanding[link] == 0;
    return told == 24;
  }));
  clients.clear();
  CHECK(world.until([&] { return world.seen.closed.size() == 24; }));
}

TEST_CASE("the limit of an address is one over all loops") {
  Group world;
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 300; ++i) clients.push_back(std::make_unique<RawClient>(world.group.listening().port));
  std::size_t refused = 0;
  CHECK(world.until([&] {
    refused = 0;
    for (std::size_t i = 0; i < clients.size(); ++i) refused += clients[i]->heard().starts_with("HTTP/1.1 503");
    return refused == 300 - limits::http_an_address;
  }));
}

TEST_CASE("a peer is not read on while the node has 64 of its messages ahead, and loses none") {
  Group world;
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 24; ++i) {
    clients.push_back(std::make_unique<RawClient>(world.group.listening().port));
    clients.back()->say(upgrade_request());
  }
  CHECK(world.until([&] { return world.seen.accepted.size() == 24; }));
  bool busy = true;  // the node: it takes nothing in
  world.each_turn = [&] {
    if (!busy) world.group.take_in();
    world.group.flush();
  };
  std::string flood;
  for (int i = 0; i < 1000; ++i) flood += frame(0x82, "message");
  for (const auto& client : clients) client->say(flood);
  int turns = 0;
  CHECK(world.until([&] { return ++turns > 100; }));
  const std::size_t own = world.seen.messages.size();  // the node's own loop hands over at once
  world.group.take_in();
  std::map<LinkId, std::size_t> told;
  for (std::size_t at = own; at < world.seen.messages.size(); ++at) ++told[world.seen.messages[at].first];
  CHECK_FALSE(told.empty());
  for (const auto& [link, count] : told) CHECK(count <= 64);
  busy = false;
  CHECK(world.until([&] { return world.seen.messages.size() == 24'000; }));
}
