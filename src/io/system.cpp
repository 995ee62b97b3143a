#include "io/system.hpp"

#include <sys/random.h>
#include <time.h>

#include <algorithm>
#include <cerrno>

namespace streamr::io {
namespace {

std::uint64_t read_us(clockid_t clock) {
  timespec at{};
  clock_gettime(clock, &at);
  return static_cast<std::uint64_t>(at.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(at.tv_nsec) / 1000;
}

}  // namespace

Now read_clocks() {
  return {read_us(CLOCK_MONOTONIC), read_us(CLOCK_REALTIME)};
}

bool fill_random(std::span<std::uint8_t> out) {
  constexpr std::size_t largest = 256;  // getentropy gives no more at once
  while (!out.empty()) {
    const std::size_t size = std::min(out.size(), largest);
    if (getentropy(out.data(), size) != 0) return false;
    out = out.subspan(size);
  }
  return true;
}

}  // namespace streamr::io
