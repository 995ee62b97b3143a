#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "delivery_fixture.hpp"

using namespace streamr;
using namespace streamr::core;
using namespace streamr::test;
using Relay = DeliveryFixture;

// ---- joins

TEST_CASE("a join at the edge sends the certificate and INIT, then begins with the next chunk") {
  Relay relay;
  relay.run(6);
  relay.subscribe(proto::Start::edge);
  CHECK(relay.drain() == Items{"cert", "10.init", "+0"});
  relay.run(1);
  CHECK(relay.drain() == Items{"11.2", "+0", "+1", "+2"});
}

TEST_CASE("a join at the newest independent chunk sends INIT, that chunk and all that follow") {
  Relay relay;
  relay.run(7);
  relay.subscribe(proto::Start::newest_independent, {}, 0, false, 100'000);
  CHECK(Relay::chunks(relay.drain()) == Items{"10.init", "11.0"});
  Items later;
  for (int i = 0; i < 20; ++i) {
    relay.now.mono_us += 10'000;
    for (std::string& item : relay.drain()) later.push_back(std::move(item));
  }
  CHECK(Relay::chunks(later) == Items{"11.1", "11.2"});
}

TEST_CASE("a join whose newest independent chunk is older than its latency begins at the edge") {
  Relay relay;
  relay.run(8);
  relay.now.unix_us += s_to_us(3);
  relay.subscribe(proto::Start::newest_independent, {}, 0, false, 0, /*max_latency_ms=*/2000);
  CHECK(Relay::chunks(relay.drain()) == Items{"10.init"});
}

TEST_CASE("a new INIT that comes while parts of the segment before still wait goes behind them") {
  Relay relay;
  relay.run(1);
  relay.subscribe(proto::Start::edge);
  relay.drain();
  relay.run(3);
  REQUIRE(relay.source.push(relay.init_part_of(0, 9), relay.store, relay.now).ok());
  relay.take(*relay.store.find(7, 0, {11, init_part}));
  relay.run(1);
  CHECK(Relay::chunks(relay.drain()) == Items{"10.1", "10.2", "10.3", "11.init", "11.0"});
}

TEST_CASE("what waits of a track that equivocated goes nowhere; a new epoch of it does") {
  Relay relay;
  relay.run(1);
  relay.subscribe(proto::Start::edge);
  relay.drain();
  relay.run(2);
  relay.delivery->on_stopped(6);
  relay.delivery->on_stopped(7);
  CHECK(relay.drain() == Items{"drop 10.1 revoked", "drop 10.2 revoked"});
  CHECK(relay.delivery->queued_bytes() == 0);
}

TEST_CASE("a join that states no latency begins in the newest segment, however rare key frames are") {
  Relay relay;
  relay.run(8);
  relay.now.unix_us += s_to_us(3);
  relay.subscribe(proto::Start::newest_independent, {}, 0, false, 100'000);
  CHECK(Relay::chunks(relay.drain()).at(1) == "11.0");
}

TEST_CASE("a join is paced to twice the bitrate until the edge is reached, then not at all") {
  Relay relay;
  relay.run(8, 62'500);  // 1000 kbit/s
  relay.now.unix_us -= part_us;
  relay.subscribe(proto::Start::newest_independent, {}, 0, false, 1000);
  std::uint64_t sent = 0, elapsed_ms = 0;
  for (; elapsed_ms < 2000; elapsed_ms += 10) {
    while (auto item = relay.poll()) {
      if (std::get_if<DeliverSlice>(&*item)) sent += 16'384;
      // 250 000 octets a second, one slice saved up and one frame ahead
      CHECK(sent <= 250 * elapsed_ms + 3 * 16'392);
    }
    if (relay.delivery->queued_bytes() == 0) break;
    CHECK(relay.delivery->deadline_us(relay.now) > relay.now.mono_us);
    relay.now.mono_us += 10'000;
  }
  CHECK(relay.delivery->queued_bytes() == 0);
  CHECK(elapsed_ms >= 800);
  CHECK(elapsed_ms <= 1100);
  relay.run(1, 500'000);
  CHECK(relay.drain().size() == 32);  // all at once
}

TEST_CASE("a join is paced to what the store holds where the publisher told less") {
  Relay relay;
  relay.run(8, 62'500);  // 1000 kbit/s
  relay.now.unix_us -= part_us;
  relay.subscribe(proto::Start::newest_independent, {}, 0, false, 64);
  std::uint64_t elapsed_ms = 0;
  for (; elapsed_ms < 5'000; elapsed_ms += 10) {
    while (relay.poll()) {}
    if (relay.delivery->queued_bytes() == 0) break;
    relay.now.mono_us += 10'000;
  }
  CHECK(elapsed_ms >= 800);
  CHECK(elapsed_ms <= 1100);
}

TEST_CASE("an exact join begins at its place, with the INIT that place needs") {
  Relay relay;
  relay.run(4);
  REQUIRE(relay.source.push(relay.init_part_of(0, 9), relay.store, relay.now).ok());
  relay.take(*relay.store.find(7, 0, {11, init_part}));
  relay.run(4);
  SUBCASE("where two INITs are needed each stands before the parts that it applies to") {
    relay.subscribe(proto::Start::exact, {10, 2});
    CHECK(Relay::chunks(relay.drain()) == Items{"10.init", "10.2", "10.3", "11.init", "11.0", "11.1", "11.2", "11.3"});
  }
  SUBCASE("where one is needed one is sent") {
    relay.subscribe(proto::Start::exact, {11, 1});
    CHECK(Relay::chunks(relay.drain()) == Items{"11.init", "11.1", "11.2", "11.3"});
  }
  SUBCASE("a place that is still to come is waited for") {
    relay.subscribe(proto::Start::exact, {12, 1});
    CHECK(Relay::chunks(relay.drain()) == Items{"11.init"});
    relay.run(2);
    CHECK(Relay::chunks(relay.drain()) == Items{"12.1"});
  }
}

TEST_CASE("a join at the oldest sends all that is kept, however late it is") {
  Relay relay;
  relay.run(12);
  relay.now.unix_us += s_to_us(30);
  relay.subscribe(proto::Start::oldest);
  CHECK(Relay::chunks(relay.drain()).size() == 13);
}

TEST_CASE("a certificate goes before the first chunk that uses it, also when a new epoch begins") {
  Relay relay;
  relay.run(1);
  relay.subscribe(proto::Start::edge);
  relay.drain();
  REQUIRE(relay.source.end(relay.store, relay.now).ok());
  relay.take(*relay.store.find(7, 0, {10, 1}));
  CHECK(relay.drain() == Items{"10.1"});  // END; the subscription stays open
  const auto next = relay.certificate(8);
  REQUIRE(relay.verifier.add_certificate(next, relay.now).ok());
  Publication again = relay.publication(next, 11);
  const auto init = *again.push(relay.init_part_of(0), relay.store, relay.now);
  const auto first = *again.push(relay.part(0), relay.store, relay.now);
  relay.take(*init);
  relay.take(*first);
  CHECK(relay.drain() == Items{"cert", "11.init", "+0", "11.0", "+0", "+1", "+2"});
}

TEST_CASE("a subscription to a fixed epoch ends with the stream's end, and hears of no other epoch") {
  Relay relay;
  relay.run(1);
  relay.subscribe(proto::Start::edge, {}, 7);
  relay.drain();
  REQUIRE(relay.source.end(relay.store, relay.now).ok());
  relay.take(*relay.store.find(7, 0, {10, 1}));
  CHECK(relay.drain() == Items{"10.1", "end 1 10"});
  const auto next = relay.certificate(8);
  REQUIRE(relay.verifier.add_certificate(next, relay.now).ok());
  Publication again = relay.publication(next, 11);
  relay.take(**again.push(relay.init_part_of(0), relay.store, relay.now));
  CHECK(relay.drain().empty());
}

TEST_CASE("a subscription to a fixed epoch that is over ends at once") {
  Relay relay;
  relay.run(1);
  REQUIRE(relay.source.end(relay.store, relay.now).ok());
  relay.take(*relay.store.find(7, 0, {10, 1}));
  relay.subscribe(proto::Start::edge, {}, 7);
  CHECK(relay.drain().back() == "end 1 10");
}

TEST_CASE("a standby gets CHUNK frames only, and slices once it becomes the source") {
  Relay relay;
  relay.run(1);
  relay.subscribe(proto::Start::edge, {}, 0, true);
  CHECK(relay.drain() == Items{"cert", "10.init"});
  relay.run(2);
  CHECK(relay.drain() == Items{"10.1", "10.2"});
  CHECK(relay.delivery->queued_bytes() == 0);
  DeliveryConfig config = relay.delivery->config();
  config.headers_only = false;
  config.start = proto::Start::exact;
  config.from = {10, 2};
  relay.delivery->change(config, relay.own, relay.now);
  CHECK(relay.drain() == Items{"10.init", "+0", "10.2", "+0", "+1", "+2"});
  relay.run(1);
  CHECK(relay.drain() == Items{"10.3", "+0", "+1", "+2"});
}

TEST_CASE("INIT is sent again on a join and says that it is a repeat, media says so only when it was sent before") {
  Relay relay;
  relay.run(2);
  relay.subscribe(proto::Start::exact, {10, 1});
  const auto repeats = [&] {
    std::string out;
    while (auto item = relay.poll())
      if (const auto* slice = std::get_if<DeliverSlice>(&*item)) out += slice->repeat ? 'r' : '.';
    return out;
  };
  CHECK(repeats() == "r...");
  relay.delivery->change(relay.delivery->config(), relay.own, relay.now);
  CHECK(repeats() == "rrrr");
  relay.delivery->on_fetch({7, 10, 0, 0, 0}, relay.own, relay.now);
  CHECK(repeats() == "...");
  relay.delivery->on_fetch({7, 10, 0, 1, 1}, relay.own, relay.now);
  CHECK(repeats() == "r");
}
