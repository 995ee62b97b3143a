#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "delivery_fixture.hpp"

using namespace streamr;
using namespace streamr::core;
using namespace streamr::test;
using Relay = DeliveryFixture;

// ---- cut-through, budget, limits

TEST_CASE("a slice goes out as soon as it is verified, in the order in which slices came") {
  Relay relay;
  relay.run(1);
  relay.subscribe(proto::Start::edge);
  relay.drain();
  const ChunkPtr made = relay.push(relay.source, 1).front();
  const ChunkPtr stored = relay.take_header(*made);
  CHECK(relay.drain() == Items{"10.1"});
  relay.take_slice(stored, *made, 2);
  CHECK(relay.drain() == Items{"+2"});
  CHECK(relay.drain().empty());
  relay.take_slice(stored, *made, 0);
  relay.take_slice(stored, *made, 1);
  CHECK(relay.drain() == Items{"+0", "+1"});
}

TEST_CASE("slices are views into the stored payload, never copies") {
  Relay relay;
  relay.run(1);
  relay.subscribe(proto::Start::oldest);
  while (auto item = relay.poll())
    if (const auto* slice = std::get_if<DeliverSlice>(&*item)) {
      const SharedBytes whole = slice->chunk->payload();
      CHECK(slice->chunk->slice(slice->index).data() == whole.data() + 16384u * slice->index);
    }
}

TEST_CASE("an item goes out only if the octets of its frame fit the budget; certificates and drops are free") {
  Relay relay;
  relay.run(1);
  relay.subscribe(proto::Start::exact, {10, 0});
  CHECK(Relay::text(*relay.poll(0)) == "cert");
  CHECK_FALSE(relay.poll(232 + 31).has_value());
  CHECK(Relay::text(*relay.poll(232 + 32)) == "10.init");
  CHECK_FALSE(relay.poll(8 + 699).has_value());
  CHECK(Relay::text(*relay.poll(8 + 700)) == "+0");
  CHECK_FALSE(relay.poll(232 + 95).has_value());
  CHECK(Relay::text(*relay.poll(232 + 96)) == "10.0");
  CHECK_FALSE(relay.poll(8 + 16383).has_value());
  CHECK(relay.delivery->queued_bytes() == 40'000);
  CHECK(Relay::text(*relay.poll(8 + 16384)) == "+0");
  CHECK(relay.delivery->queued_bytes() == 40'000 - 16'384);
  relay.delivery->on_fetch({7, 99, 0, 0, 0}, relay.own, relay.now);
  CHECK(Relay::text(*relay.poll(0)) == "drop 99.0 not_held");
}

TEST_CASE("chunk_refs rise and are used once") {
  Relay relay;
  relay.run(5);
  relay.subscribe(proto::Start::oldest);
  std::uint32_t last = 0, chunks = 0;
  while (auto item = relay.poll())
    if (const auto* chunk = std::get_if<DeliverChunk>(&*item)) {
      CHECK(chunk->chunk_ref > last);
      CHECK(chunk->chunk_ref == chunk->chunk->shared_ref());
      last = chunk->chunk_ref;
      ++chunks;
    }
  CHECK(chunks == 6);
  CHECK(relay.next_ref == last + 1);
}

TEST_CASE("what a connection sends out of turn takes a chunk_ref of the gap, and the next chunk has the common one again") {
  Relay relay;
  relay.run(3);
  relay.subscribe(proto::Start::edge);
  relay.drain();
  const auto ref_of_next = [&] {
    std::optional<DeliverChunk> found;
    while (auto item = relay.poll())
      if (const auto* chunk = std::get_if<DeliverChunk>(&*item)) found = *chunk;
    REQUIRE(found);
    return std::pair(found->chunk_ref, found->chunk->shared_ref());
  };
  relay.run(1);
  const auto [live, common] = ref_of_next();
  CHECK(live == common);
  relay.delivery->on_fetch({7, 10, 1, 0, 0}, relay.own, relay.now);
  const auto [fetched, own] = ref_of_next();
  CHECK(fetched == live + 1);
  CHECK(own < live);
  relay.run(1);
  const auto [later, later_common] = ref_of_next();
  CHECK(later > fetched);
  CHECK(later == later_common);
}

TEST_CASE("never more than eight chunks are unfinished and four without a slice, whatever holes there are") {
  Relay relay;
  relay.run(1);
  relay.subscribe(proto::Start::edge);
  relay.drain();
  std::map<std::uint32_t, std::uint32_t> left;  // slices still to come, by ref
  std::map<std::uint32_t, bool> begun;
  for (int i = 0; i < 40; ++i) {
    const ChunkPtr made = relay.push(relay.source, 1).front();
    const ChunkPtr stored = relay.take_header(*made);
    if (i % 3 != 0) relay.take_slice(stored, *made, 1);  // a hole in every chunk, every third without any slice
    while (auto item = relay.poll()) {
      if (const auto* chunk = std::get_if<DeliverChunk>(&*item)) {
        left[chunk->chunk_ref] = chunk->chunk->header().slice_count;
        begun[chunk->chunk_ref] = false;
      } else if (const auto* slice = std::get_if<DeliverSlice>(&*item)) {
        begun[slice->chunk_ref] = true;
        if (--left[slice->chunk_ref] == 0) left.erase(slice->chunk_ref);
      } else if (const auto* drop = std::get_if<DeliverDrop>(&*item)) {
        left.erase(drop->chunk_ref);
      }
      CHECK(left.size() <= 8);
      CHECK(std::count_if(left.begin(), left.end(), [&](const auto& each) { return !begun[each.first]; }) <= 4);
    }
  }
  CHECK(relay.next_ref > 25);  // and it went on
}

// ---- FETCH

TEST_CASE("FETCH is answered with a new chunk_ref and the slices asked for, however old the chunk is") {
  Relay relay;
  relay.run(9);
  relay.subscribe(proto::Start::edge);
  relay.drain();
  const std::uint32_t first_ref = relay.next_ref;
  relay.now.unix_us += s_to_us(60);
  relay.delivery->on_fetch({7, 10, 1, 1, 2}, relay.own, relay.now);
  CHECK(relay.delivery->fetches_waiting() == 1);
  CHECK(relay.drain() == Items{"10.1", "+1", "+2"});
  CHECK(relay.delivery->fetches_waiting() == 0);
  relay.delivery->on_fetch({7, 10, 1, 0, 0}, relay.own, relay.now);
  CHECK(relay.drain() == Items{"10.1", "+0", "+1", "+2"});
  relay.delivery->on_fetch({7, 10, 1, 2, 60'000}, relay.own, relay.now);
  CHECK(relay.drain() == Items{"10.1", "+2"});
  relay.delivery->on_fetch({7, 10, init_part, 0, 0}, relay.own, relay.now);
  CHECK(relay.drain() == Items{"10.init", "+0"});
  CHECK(relay.next_ref > first_ref + 3);
}

TEST_CASE("FETCH of what is not held is answered with DROP, chunk_ref 0, reason not held") {
  Relay relay;
  relay.run(2);
  relay.subscribe(proto::Start::edge);
  relay.drain();
  relay.delivery->on_fetch({7, 99, 1, 0, 0}, relay.own, relay.now);
  relay.delivery->on_fetch({6, 10, 1, 0, 0}, relay.own, relay.now);
  relay.delivery->on_fetch({7, 10, 1, 3, 1}, relay.own, relay.now);
  CHECK(relay.drain() == Items{"drop 99.1 not_held", "drop 10.1 not_held", "drop 10.1 not_held"});
}

TEST_CASE("FETCH of slices that are still on their way is answered as they verify, or given up after the latency") {
  Relay relay;
  relay.run(1);
  const ChunkPtr made = relay.push(relay.source, 1).front();
  const ChunkPtr stored = relay.take_header(*made);
  relay.subscribe(proto::Start::edge);
  relay.drain();
  relay.delivery->on_fetch({7, 10, 1, 0, 0}, relay.own, relay.now);
  CHECK(relay.drain().empty());
  SUBCASE("they come") {
    relay.take_slice(stored, *made, 1);
    CHECK(relay.drain() == Items{"10.1", "+1"});
    relay.take_slice(stored, *made, 0);
    relay.take_slice(stored, *made, 2);
    CHECK(relay.drain() == Items{"+0", "+2"});
  }
  SUBCASE("they do not come") {
    CHECK(relay.delivery->deadline_us(relay.now) == relay.now.mono_us + s_to_us(2));
    relay.now.mono_us += s_to_us(2);
    relay.delivery->apply_drop_rule(0, relay.now);
    CHECK(relay.drain() == Items{"drop 10.1 not_held"});
    CHECK(relay.delivery->fetches_waiting() == 0);
  }
}

TEST_CASE("a standby answers FETCH with slices") {
  Relay relay;
  relay.run(2);
  relay.subscribe(proto::Start::edge, {}, 0, true);
  relay.drain();
  relay.delivery->on_fetch({7, 10, 0, 0, 1}, relay.own, relay.now);
  CHECK(relay.drain() == Items{"10.0", "+0"});
}

TEST_CASE("a hole that was filled is forwarded in its place among what still waits") {
  Relay relay;
  relay.run(1);
  relay.subscribe(proto::Start::edge);
  relay.drain();
  const auto made = relay.push(relay.source, 3);
  relay.take(*made[0]);
  relay.take(*made[2]);
  relay.take(*made[1]);
  CHECK(Relay::chunks(relay.drain()) == Items{"10.1", "10.2", "10.3"});
}
