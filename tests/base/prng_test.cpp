#include "base/prng.hpp"

#include <doctest/doctest.h>
#include <set>

using streamr::Prng;

TEST_CASE("the same seed gives the same numbers, another seed others") {
  Prng a(7), b(7), c(8);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t drawn = a.next();
    CHECK(drawn == b.next());
    differs = differs || drawn != c.next();
  }
  CHECK(differs);
}

TEST_CASE("numbers stay inside the bounds and reach all of them") {
  Prng prng(1);
  std::set<std::uint64_t> below, between;
  for (int i = 0; i < 1000; ++i) {
    below.insert(prng.below(5));
    between.insert(prng.between(10, 12));
    const double unit = prng.unit();
    CHECK(unit >= 0.0);
    CHECK(unit < 1.0);
  }
  CHECK(below == std::set<std::uint64_t>{0, 1, 2, 3, 4});
  CHECK(between == std::set<std::uint64_t>{10, 11, 12});
  CHECK(prng.below(0) == 0);
  CHECK(prng.below(1) == 0);
  CHECK(prng.between(3, 3) == 3);
  prng.between(0, UINT64_MAX);
}

TEST_CASE("a chance of a quarter comes about once in four") {
  Prng prng(99);
  int hits = 0;
  for (int i = 0; i < 10000; ++i) hits += prng.chance(0.25) ? 1 : 0;
  CHECK(hits > 2300);
  CHECK(hits < 2700);
}
