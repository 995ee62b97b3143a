// Decides: what forwarding costs when nothing is checked: the same slices through a chain of bare TCP sockets on loopback.
// Never: touches libstreamr; it is the peer that libstreamr is measured against, in the same run.
// Called by: bench/latency.
#pragma once

#include <cstdint>
#include <vector>

#include "percentile.hpp"

namespace streamr::bench {

struct Pace {
  std::uint32_t seconds = 10;
  std::uint32_t part_bytes = 500'000;
  std::uint32_t part_us = 500'000;
};

std::uint64_t unix_us();
void wait_until_us(std::uint64_t when_us);

// One entry per receiver, the first one directly behind the sender; empty where a socket could not be had.
std::vector<Percentiles> run_bare_chain(const Pace& pace, std::uint32_t receivers);

}  // namespace streamr::bench
