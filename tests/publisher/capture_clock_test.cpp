#include <doctest/doctest.h>

#include <algorithm>

#include "publisher/media/capture_clock.hpp"

using namespace streamr::publisher;

TEST_CASE("capture times advance like media times within a millisecond, whatever the arrival does") {
  CaptureClock clock;
  clock.begin(1'000'000'000);
  std::int64_t worst = 0;
  std::uint64_t before = clock.at(0);
  for (std::uint64_t part = 1; part < 200; ++part) {
    clock.slew(1'000'000'000 + (part % 2 ? 400'000 : -400'000) + static_cast<std::int64_t>(part) * 300);
    const std::uint64_t now = clock.at(part * 500'000);
    worst = std::max(worst, std::abs(static_cast<std::int64_t>(now - before) - 500'000));
    before = now;
  }
  CHECK(worst <= 1000);
}

TEST_CASE("a drifting encoder clock is followed") {
  CaptureClock clock;
  clock.begin(0);
  // 200 ppm: 100 µs in each part of half a second
  for (std::int64_t part = 1; part <= 1000; ++part) clock.slew(part * 100);
  CHECK(static_cast<std::int64_t>(clock.at(0)) == 1000 * 100);
}

TEST_CASE("a step of the source's clock is told, a late packet is not") {
  CaptureClock clock;
  clock.begin(0);
  CHECK_FALSE(clock.stepped(900'000));
  CHECK(clock.stepped(2'000'000));
  CHECK(clock.stepped(-2'000'000));
}

TEST_CASE("the arrival estimate is the least delayed one of the last ten to twenty seconds") {
  ArrivalEstimate estimate;
  CHECK_FALSE(estimate.any());
  estimate.add(5'000'000, 0);
  estimate.add(5'200'000, 300'000);
  estimate.add(6'900'000, 1'000'000);
  CHECK(estimate.offset_us() == 4'900'000);
  for (std::int64_t s = 10; s < 40; ++s) estimate.add(s * 1'000'000 + 5'500'000, s * 1'000'000);
  CHECK(estimate.offset_us() == 5'500'000);
}
