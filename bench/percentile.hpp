// Decides: how a list of measured microseconds becomes p50 and p99.
// Never: measures anything.
// Called by: the programs in bench/.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace streamr::bench {

struct Percentiles {
  std::uint64_t p50_us = 0;
  std::uint64_t p99_us = 0;
  std::uint64_t count = 0;
};

// Nearest rank; all zero for an empty list.
inline Percentiles percentiles(std::vector<std::uint64_t> values_us) {
  if (values_us.empty()) return {};
  std::sort(values_us.begin(), values_us.end());
  const auto at = [&](std::size_t hundredths) { return values_us[(values_us.size() - 1) * hundredths / 100]; };
  return {at(50), at(99), values_us.size()};
}

}  // namespace streamr::bench
