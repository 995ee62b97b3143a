// Decides how a pool is divided and smoothed, in exact integers (economics §3, policy uptime_v0).
// Never rounds up money that is not there: what is handed out is the pool, to the last micro-unit.
// Called by rules/hours when an hour is closed or shown, and by /payouts.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace coordinator {

// A value outside the ranges of economics.md: the whole hour is refused, nothing is posted.
struct PayError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Weight {
  std::string id;
  uint64_t weight = 0;
};

struct Share {
  std::string id;
  uint64_t amount = 0;
};

// Shares in the order of `weights`; the units left over go to the largest remainders, ties to the smaller id.
std::vector<Share> alloc(uint64_t pool, const std::vector<Weight>& weights);

// The weights themselves while they fit the limit, else the limit divided by them.
std::vector<Share> limited(uint64_t limit, const std::vector<Weight>& wanted);

struct Smoothed {
  uint64_t pool = 0;
  uint64_t target = 0;
  uint64_t in = 0;   // moved to the fund
  uint64_t out = 0;  // taken from the fund
};
Smoothed smooth(uint64_t income, uint64_t target, uint64_t fund);

}  // namespace coordinator
