#include "coordinator/rules/slots.hpp"

#include <doctest/doctest.h>

using namespace coordinator;

TEST_CASE("a heartbeat counts for the slots that end after it, within one and a half intervals") {
  const SlotBits bits = slots_of_hour({{5000, 10'000}}, {}, 0);
  CHECK(bits.count() == 2);
  CHECK(bits[0]);
  CHECK(bits[1]);
}

TEST_CASE("a span reaches from the hour before into the first slot and not beyond the last") {
  CHECK(slots_of_hour({{-4999, 10'000}}, {}, 0)[0]);
  CHECK_FALSE(slots_of_hour({{-5001, 10'000}}, {}, 0).any());
  CHECK(slots_of_hour({{kHourMs - 1, 30'000}}, {}, 0).count() == 1);
  CHECK_FALSE(slots_of_hour({{kHourMs, 10'000}}, {}, 0).any());
}

TEST_CASE("an end at the very heartbeat does not count, one a span later does") {
  const SlotBits bits = slots_of_hour({{10'000, 10'000}}, {}, 0);
  CHECK_FALSE(bits[0]);
  CHECK(bits[1]);
  CHECK_FALSE(bits[2]);
}

TEST_CASE("after a failed reachability check nothing counts until one passes") {
  const std::vector<Beat> beats{{0, 30'000}, {30'000, 30'000}, {60'000, 30'000}};
  const SlotBits bits = slots_of_hour(beats, {{31'000, false}, {61'000, true}}, 0);
  CHECK(bits[2]);
  CHECK_FALSE(bits[3]);
  CHECK_FALSE(bits[5]);
  CHECK(bits[6]);
}

TEST_CASE("of two checks in one millisecond the passed one rules, in either order") {
  CHECK(slots_of_hour({{0, 10'000}}, {{1, false}, {1, true}}, 0)[0]);
  CHECK(slots_of_hour({{0, 10'000}}, {{1, true}, {1, false}}, 0)[0]);
}

TEST_CASE("a whole hour of heartbeats fills all 360 slots") {
  std::vector<Beat> beats;
  for (int64_t at = 0; at < kHourMs; at += 10'000) beats.push_back({at, 10'000});
  CHECK(slots_of_hour(beats, {}, 0).count() == 360);
}
