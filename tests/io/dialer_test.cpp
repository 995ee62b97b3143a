#include <doctest/doctest.h>

#include <csignal>

#include "io/dialer.hpp"
#include "raw_client.hpp"
#include "server_fixture.hpp"

using namespace streamr;
using namespace streamr::io;
using namespace streamr::io::test;

namespace {

struct Pair : ServerFixture {
  Recorder outside;
  Dialer dialer;
  explicit Pair(DialerOptions options = {}) : dialer(&loop, sockets, outside, options) {
    each_turn = [this] {
      server.flush();
      dialer.flush();
    };
  }
  ~Pair() {
    dialer.close_all();
    CHECK(until([this] { return dialer.idle(); }));
  }
  std::string url() const { return "ws://127.0.0.1:" + std::to_string(port()) + "/relay"; }
};

}  // namespace

TEST_CASE("messages of every size go both ways unchanged") {
  Pair world;
  world.seen.message_hook = [&](LinkId link, const SharedBytes& message) {
    world.server.send(link, {message.slice(0, 10), message.slice(10, message.size())});
  };
  world.dialer.dial(7, world.url());
  REQUIRE(world.until([&] { return world.outside.dialed.size() == 1; }));
  std::vector<ByteVector> sent;
  for (const std::size_t size : {1u, 125u, 126u, 65'535u, 65'536u, 131'072u}) {
    ByteVector message(size);
    for (std::size_t i = 0; i < size; ++i) message[i] = static_cast<std::uint8_t>(i * 7 + size);
    world.dialer.send(7, {SharedBytes::copy(message)});
    sent.push_back(std::move(message));
  }
  REQUIRE(world.until([&] { return world.outside.messages.size() == sent.size(); }));
  for (std::size_t i = 0; i < sent.size(); ++i) {
    const auto back = world.outside.messages[i].second.view();
    CHECK(std::equal(back.begin(), back.end(), sent[i].begin(), sent[i].end()));
  }
  CHECK(world.outside.outstanding[7] == 0);
}

TEST_CASE("what is queued before the connection stands goes out when it does") {
  Pair world;
  world.dialer.dial(7, world.url());
  world.dialer.send(7, {SharedBytes::copy(view_of("hello"))});
  CHECK(world.until([&] { return world.seen.messages.size() == 1; }));
}

TEST_CASE("closing sends what waits, then both sides are told once") {
  Pair world;
  world.dialer.dial(7, world.url());
  REQUIRE(world.until([&] { return world.outside.dialed.size() == 1; }));
  world.dialer.send(7, {SharedBytes::copy(view_of("bye"))});
  world.dialer.close_link(7);
  CHECK(world.until([&] { return world.seen.closed.size() == 1 && world.outside.closed.size() == 1; }));
  CHECK(world.seen.messages.size() == 1);
}

TEST_CASE("a relay that closes is told") {
  Pair world;
  world.dialer.dial(7, world.url());
  REQUIRE(world.until([&] { return world.seen.accepted.size() == 1 && world.outside.dialed.size() == 1; }));
  world.server.close_link(world.seen.accepted[0]);
  CHECK(world.until([&] { return world.outside.closed.contains(7); }));
}

TEST_CASE("nobody there, a bad address and a relay that refuses are failures with a sentence") {
  Pair world;
  const auto port = [&] {
    ServerFixture other;
    return other.port();
  }();
  world.dialer.dial(1, "ws://127.0.0.1:" + std::to_string(port) + "/relay");
  world.dialer.dial(2, "http://127.0.0.1/relay");
  world.dialer.dial(3, "ws://127.0.0.1:" + std::to_string(world.port()) + "/other");
  world.dialer.dial(4, "ws://name.invalid:80/relay");
  CHECK(world.until([&] { return world.outside.closed.size() == 4; }));
  for (const auto& [link, why] : world.outside.closed) CHECK_FALSE(why.empty());
  CHECK(world.outside.dialed.empty());
}

TEST_CASE("a relay that takes the connection and stays silent is given up") {
  DialerOptions options;
  options.connect_within_ms = 300;
  Pair world(options);
  RawListener listener;
  world.dialer.dial(1, "ws://127.0.0.1:" + std::to_string(listener.port()) + "/relay");
  CHECK(world.until([&] { return world.outside.closed.contains(1); }));
  CHECK(world.outside.closed[1] == "the relay did not answer within 300 ms");
}

TEST_CASE("wss to a relay without a certificate of the system's trust is refused") {
  Pair world;
  world.dialer.dial(1, "wss://127.0.0.1:" + std::to_string(world.port()) + "/relay");
  CHECK(world.until([&] { return world.outside.closed.contains(1); }));
}

TEST_CASE("dialling leaves the process's SIGPIPE as it was") {
  struct sigaction before {
  }, after{};
  sigaction(SIGPIPE, nullptr, &before);
  Pair world;
  world.dialer.dial(7, world.url());
  REQUIRE(world.until([&] { return world.outside.dialed.size() == 1; }));
  sigaction(SIGPIPE, nullptr, &after);
  CHECK((before.sa_handler == after.sa_handler));
}

TEST_CASE("stopping while connections are being made gives everything back") {
  for (const int turns : {0, 1, 2, 5}) {
    Pair world;
    world.dialer.dial(1, world.url());
    world.dialer.dial(2, "ws://127.0.0.1:1/relay");
    world.dialer.dial(3, "wss://127.0.0.1:" + std::to_string(world.port()) + "/relay");
    world.dialer.dial(4, "ws://localhost:" + std::to_string(world.port()) + "/relay");
    int turned = 0;
    world.until([&] { return ++turned > turns; });
    world.dialer.close_all();
    CHECK(world.until([&] { return world.dialer.idle(); }));
    CHECK(world.outside.closed.size() == 4);
  }
}

TEST_CASE("links come and go without leaving anything behind") {
  Pair world;
  for (LinkId link = 1; link <= 100; ++link) {
    world.dialer.dial(link, world.url());
    REQUIRE(world.until([&] { return world.outside.dialed.size() == link; }));
    world.dialer.send(link, {SharedBytes::copy(view_of("hello"))});
    if (link % 2 == 0)
      world.dialer.close_link(link);
    else
      world.server.close_link(world.seen.accepted.back());
    REQUIRE(world.until([&] { return world.outside.closed.contains(link); }));
  }
  CHECK(world.until([&] { return world.server.connection_count() == 0; }));
}
