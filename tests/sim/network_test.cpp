// The simulated network does what it says: the same seed is the same run, and a broken promise is found.
#include <doctest/doctest.h>

#include <algorithm>

#include "world.hpp"

using namespace streamr;
using namespace streamr::sim;

namespace {

WorldPlan small(std::uint64_t seed, bool faults) {
  WorldPlan plan;
  plan.seed = seed;
  plan.relays = 16;
  plan.viewers = 30;
  plan.seconds = 150;
  plan.faults = plan.churn = faults;
  return plan;
}

WorldReport play(const WorldPlan& plan) { return World(plan).run(); }

// A publisher's header and payload as the monitor reads them, without a node behind it.
struct Octets {
  ByteVector payload = ByteVector(100, 7);
  ByteVector chunk = ByteVector(8 + 232 + 32, 0);
  ByteVector slice = ByteVector(8 + 8 + 100, 7);
  Octets() {
    chunk[0] = 0x07;
    store_u32(chunk.data() + 4, 232 + 32);
    store_u32(chunk.data() + 8, 1);                     // chunk_ref
    store_u64(chunk.data() + 16 + 64, 5'000'000);       // media_time
    chunk[16 + 84] = 14;
    slice[0] = 0x08;
    store_u32(slice.data() + 4, 108);
    store_u32(slice.data() + 8, 1);
    store_u32(slice.data() + 12, 0);
  }
};

}  // namespace

TEST_CASE("events come in the order of their time, and at one time in the order of planning") {
  EventQueue queue;
  queue.push(30, Kind::wake, 1);
  queue.push(10, Kind::wake, 2);
  queue.push(30, Kind::wake, 3);
  queue.push(20, Kind::wake, 4);
  std::vector<std::uint32_t> order;
  while (!queue.empty()) order.push_back(queue.pop().host);
  CHECK(order == std::vector<std::uint32_t>{2, 4, 1, 3});
}

TEST_CASE("on a calm network every viewer gets every chunk and nobody is refused") {
  const WorldReport report = play(small(1, false));
  CHECK(report.missed == 0);
  CHECK(report.rejected == 0);
  CHECK(report.viewers_served == 30);
  CHECK(report.slices_checked > report.delivered);
  CHECK(report.longest_path <= 4);
}

TEST_CASE("the same seed is the same run, event for event, and another seed is another") {
  const WorldReport first = play(small(5, true));
  const WorldReport again = play(small(5, true));
  const WorldReport other = play(small(6, true));
  CHECK(first.digest == again.digest);
  CHECK(first.events == again.events);
  CHECK(first.delivered == again.delivered);
  CHECK(first.digest != other.digest);
}

TEST_CASE("crashes, partings, flipped bits and a coordinator that is away break no promise") {
  for (std::uint64_t seed = 10; seed < 14; ++seed) {
    CAPTURE(seed);
    const WorldReport report = play(small(seed, true));
    CHECK(report.crashes > 0);
    CHECK(report.partings > 0);
  }
}

TEST_CASE("the monitor takes what was published and finds a slice with one other bit") {
  const Octets octets;
  Monitor monitor;
  monitor.set_publisher(0);
  monitor.published(5'000'000, false, octets.payload);
  sim::Wire wire;
  wire.client = 0;
  wire.server = 1;
  monitor.on_opened(0, wire);
  monitor.on_sent(0, wire, true, octets.chunk, Key{});
  monitor.on_sent(0, wire, true, octets.slice, Key{});
  ByteVector changed = octets.slice;
  changed.back() ^= 1;
  CHECK_THROWS_AS(monitor.on_sent(0, wire, true, changed, Key{}), Broken);
}

TEST_CASE("the monitor finds a header that nobody published, one that was changed, and a slice without a chunk") {
  const Octets octets;
  Monitor monitor;
  monitor.set_publisher(0);
  sim::Wire wire;
  wire.client = 0;
  wire.server = 1;
  monitor.on_opened(0, wire);
  CHECK_THROWS_AS(monitor.on_sent(0, wire, true, octets.chunk, Key{}), Broken);
  monitor.published(5'000'000, false, octets.payload);
  CHECK_THROWS_AS(monitor.on_sent(0, wire, false, octets.chunk, Key{}), Broken);   // before its publisher sent it
  CHECK_THROWS_AS(monitor.on_sent(0, wire, true, octets.slice, Key{}), Broken);
  monitor.on_sent(0, wire, true, octets.chunk, Key{});
  ByteVector changed = octets.chunk;
  changed[8 + 8 + 90] ^= 1;
  CHECK_THROWS_AS(monitor.on_sent(0, wire, false, changed, Key{}), Broken);
}

TEST_CASE("the monitor finds a path with a loop, a path that is too long, and one that does not end with its sender") {
  const auto have = [](const std::vector<std::uint8_t>& path) {
    ByteVector frame(8 + 64 + 8 * path.size(), 0);
    frame[0] = 0x12;
    store_u32(frame.data() + 4, static_cast<std::uint32_t>(64 + 8 * path.size()));
    frame[8 + 27] = static_cast<std::uint8_t>(path.size());
    for (std::size_t n = 0; n < path.size(); ++n) std::fill_n(frame.begin() + static_cast<std::ptrdiff_t>(72 + 8 * n), 8, path[n]);
    return frame;
  };
  Monitor monitor;
  const sim::Wire wire;
  monitor.on_opened(0, wire);
  Key sender;
  sender.octets.fill(3);
  monitor.on_sent(0, wire, true, have({1, 2, 3}), sender);
  CHECK_THROWS_AS(monitor.on_sent(0, wire, true, have({3, 2, 3}), sender), Broken);
  CHECK_THROWS_AS(monitor.on_sent(0, wire, true, have({1, 2, 4, 5, 3}), sender), Broken);
  CHECK_THROWS_AS(monitor.on_sent(0, wire, true, have({1, 2}), sender), Broken);
}
