#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "delivery_fixture.hpp"

using namespace streamr;
using namespace streamr::core;
using namespace streamr::test;
using Relay = DeliveryFixture;

// ---- late

TEST_CASE("a chunk past its deadline before its first slice went out is dropped, the newest segment never is") {
  Relay relay;
  relay.run(4);
  relay.subscribe(proto::Start::edge);
  relay.drain();
  relay.run(4);  // segment 11
  SUBCASE("the newest segment waits for ever") {
    relay.now.unix_us += s_to_us(60);
    relay.delivery->apply_drop_rule(0, relay.now);
    CHECK(Relay::chunks(relay.drain()) == Items{"11.0", "11.1", "11.2", "11.3"});
  }
  SUBCASE("an older one is late two seconds after its capture") {
    relay.run(1);  // 2.5 s after the capture of 11.0
    CHECK(Relay::chunks(relay.drain()) == Items{"drop 11.0 late", "11.1", "11.2", "11.3", "12.0"});
    CHECK(relay.delivery->counters().dropped_late == 1);
  }
  SUBCASE("one whose first slice went out is finished") {
    CHECK(Relay::text(*relay.poll()) == "11.0");
    CHECK(Relay::text(*relay.poll()) == "+0");
    relay.run(1);
    CHECK(relay.drain().at(0) == "+1");
  }
  SUBCASE("announced, but without a slice, it is dropped by its ref") {
    CHECK(Relay::text(*relay.poll()) == "11.0");
    relay.run(1);
    CHECK(relay.drain().at(0) == "drop 11.0 late announced");
  }
}

TEST_CASE("the subscriber's own latency moves the deadline") {
  Relay relay;
  relay.run(4);
  DeliveryConfig config;
  config.max_latency_ms = 10'000;
  relay.delivery.emplace(config, relay.own, relay.now);
  relay.drain();
  relay.run(5);
  CHECK(Relay::chunks(relay.drain()).front() == "11.0");
  relay.run(5);
  relay.now.unix_us += s_to_us(10);
  CHECK(Relay::chunks(relay.drain()).front() == "drop 12.1 late");
}

TEST_CASE("INIT knows no deadline") {
  Relay relay;
  relay.subscribe(proto::Start::edge);
  relay.run(9);
  relay.now.unix_us += s_to_us(60);
  relay.delivery->apply_drop_rule(0, relay.now);
  const Items got = Relay::chunks(relay.drain());
  CHECK(std::count(got.begin(), got.end(), "10.init") == 1);
  CHECK(std::count(got.begin(), got.end(), "drop 10.0 late") == 1);
  CHECK(got.back() == "12.0");
}

TEST_CASE("END and GAP are never dropped") {
  Relay relay;
  relay.subscribe(proto::Start::edge);
  relay.run(5);
  PublicationPart gap = relay.part(relay.parts_made++);
  gap.flags = proto::gap;
  gap.payload = {};
  relay.take(**relay.source.push(gap, relay.store, relay.now));
  relay.take(*(*relay.source.end(relay.store, relay.now)).front());
  relay.now.unix_us += s_to_us(60);
  const Items got = Relay::chunks(relay.drain());
  CHECK(got[got.size() - 2] == "11.1");
  CHECK(got.back() == "11.2");
}

// ---- the queue

TEST_CASE(
    "above the cap a chunk that is more than one behind gives way, and delivery goes on at the next independent one") {
  Relay relay;
  relay.run(4);
  DeliveryConfig config;
  config.max_latency_ms = 60'000;
  relay.delivery.emplace(config, relay.own, relay.now);
  relay.drain();
  relay.run(1, 300'000);
  CHECK(Relay::text(*relay.poll()) == "11.0");
  CHECK(Relay::text(*relay.poll()) == "+0");
  SUBCASE("one chunk behind is finished") {
    relay.run(1, 300'000);
    relay.delivery->apply_drop_rule(1 << 20, relay.now);
    CHECK(relay.drain().front() == "+1");
    CHECK(relay.delivery->counters().dropped_queue == 0);
  }
  SUBCASE("in the newest segment nothing gives way") {
    relay.run(3, 300'000);
    relay.delivery->apply_drop_rule(1 << 20, relay.now);
    CHECK(relay.drain().front() == "+1");
  }
  SUBCASE("else all up to the next independent chunk goes") {
    relay.run(4, 300'000);
    relay.delivery->apply_drop_rule(0, relay.now);
    CHECK(Relay::chunks(relay.drain()) ==
          Items{"drop 11.0 queue announced", "drop 11.1 queue", "drop 11.2 queue", "drop 11.3 queue", "12.0"});
    CHECK(relay.delivery->counters().dropped_queue == 4);
  }
}

TEST_CASE("half a second in the queue is above the cap as well") {
  Relay relay;
  relay.run(4);
  DeliveryConfig config;
  config.max_latency_ms = 60'000;
  relay.delivery.emplace(config, relay.own, relay.now);
  relay.drain();
  for (const ChunkPtr& chunk : relay.push(relay.source, 5)) relay.take(*chunk);
  CHECK(relay.delivery->oldest_queued_age_us(relay.now) == 0);
  CHECK(relay.delivery->deadline_us(relay.now) == relay.now.mono_us + limits::queue_us);
  relay.now.mono_us += limits::queue_us - 1;
  relay.delivery->apply_drop_rule(0, relay.now);
  CHECK(relay.delivery->counters().dropped_queue == 0);
  relay.now.mono_us += 1;
  relay.delivery->apply_drop_rule(0, relay.now);
  CHECK(Relay::chunks(relay.drain()).back() == "12.0");
  CHECK(relay.delivery->counters().dropped_queue == 4);
}

TEST_CASE("a chunk whose slices stop coming is given up when two newer ones are here and its time is over") {
  Relay relay;
  relay.run(1);
  relay.subscribe(proto::Start::edge);
  relay.drain();
  const ChunkPtr made = relay.push(relay.source, 1).front();
  const ChunkPtr stored = relay.take_header(*made);
  relay.take_slice(stored, *made, 0);
  CHECK(relay.drain() == Items{"10.1", "+0"});
  relay.run(2);
  CHECK(Relay::chunks(relay.drain()) == Items{"10.2", "10.3"});
  relay.now.mono_us += s_to_us(2);
  CHECK(relay.delivery->deadline_us(relay.now) <= relay.now.mono_us);
  relay.delivery->apply_drop_rule(0, relay.now);
  CHECK(relay.drain() == Items{"drop 10.1 late announced"});
  CHECK(relay.delivery->deadline_us(relay.now) == UINT64_MAX);
}

TEST_CASE("what a slow subscriber did not take when the store let it go is dropped as not held") {
  Relay relay;
  relay.own = StreamStore(relay.root.public_key(), {1ull << 40, 3, 0});
  relay.run(16);
  relay.subscribe(proto::Start::oldest);
  CHECK(Relay::chunks({Relay::text(*relay.poll()), Relay::text(*relay.poll())}) == Items{"10.init"});
  relay.now.mono_us += 1;
  relay.own.trim(relay.now);  // 11 to 13 stay
  relay.run(1);
  const Items got = Relay::chunks(relay.drain());
  CHECK(std::count(got.begin(), got.end(), "drop 10.0 not_held") == 1);
  CHECK(std::count(got.begin(), got.end(), "11.0") == 1);
  CHECK(got.back() == "14.0");
}

// ---- revocation and value

TEST_CASE("when a certificate is revoked its queued chunks are dropped as revoked") {
  Relay relay;
  relay.run(1);
  relay.subscribe(proto::Start::edge);
  relay.drain();
  relay.run(2);
  CHECK(Relay::text(*relay.poll()) == "10.1");
  relay.delivery->on_revoked(0);
  CHECK(relay.delivery->queued_bytes() == 80'000);
  relay.delivery->on_revoked(1);
  CHECK(relay.drain() == Items{"drop 10.1 revoked announced", "drop 10.2 revoked"});
}

TEST_CASE("the order of value is INIT, audio, independent video, the rest") {
  Relay relay;
  relay.run(1);
  relay.subscribe(proto::Start::exact, {10, 0});
  CHECK(relay.delivery->next_value() == Delivery::Value::init);
  while (Relay::text(*relay.poll()) != "10.0") {
  }
  CHECK(relay.delivery->next_value() == Delivery::Value::independent);
  relay.drain();
  CHECK(relay.delivery->next_value() == Delivery::Value::nothing);
  relay.run(1);
  CHECK(relay.delivery->next_value() == Delivery::Value::rest);
  relay.take(**relay.source.push(relay.init_part_of(1), relay.store, relay.now));
  relay.take(**relay.source.push(relay.part(1, 500, 1), relay.store, relay.now));
  DeliveryConfig audio;
  audio.track = 1;
  audio.start = proto::Start::exact;
  Delivery sound(audio, relay.own, relay.now);
  CHECK(sound.next_value() == Delivery::Value::init);
  std::uint32_t ref = 1;
  for (int i = 0; i < 3; ++i) sound.poll(endless, ref, relay.now);
  CHECK(sound.next_value() == Delivery::Value::audio);
}
