#include "core/rate_window.hpp"

#include <algorithm>
#include <iterator>

namespace streamr::core {

namespace {

constexpr std::uint64_t step_us = 100'000;
constexpr std::uint64_t steps = 100;     // 10 s
constexpr std::size_t steps_kept = 600;  // a minute: tracks and parents lag behind each other by far less

}  // namespace

bool RateWindow::fits(std::uint64_t media_time_us, std::uint64_t bytes, std::uint32_t max_kbps) const {
  const std::uint64_t allowed = allowed_bytes(max_kbps);
  if (bytes > allowed) return false;
  const std::uint64_t at = media_time_us / step_us;
  const std::uint64_t first = at >= steps - 1 ? at - (steps - 1) : 0;
  // Every window that holds `at` begins within [first, at]; its sum changes only where a filled step enters or leaves.
  auto head = bytes_.lower_bound(first);
  auto tail = head;
  std::uint64_t sum = 0;
  for (; head != bytes_.end() && head->first < at + steps; ++head) {
    sum += head->second;
    while (tail->first + steps <= head->first) sum -= (tail++)->second;
    if (sum + bytes > allowed) return false;
  }
  return true;
}

void RateWindow::add(std::uint64_t media_time_us, std::uint64_t bytes) {
  bytes_[media_time_us / step_us] += bytes;
  while (bytes_.size() > steps_kept) bytes_.erase(bytes_.begin());
}

}  // namespace streamr::core
