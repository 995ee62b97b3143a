// Decides how busy one loop's thread is: its CPU time over the time that passed, measured every now and then.
// Never asks more often than the period. On the thread that it measures.
// Called by runtime and serving_loop.
#pragma once

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <optional>

namespace streamr::io {

class LoadMeter {
 public:
  static constexpr std::uint64_t period_us = 250'000;

  // The share since the last measure in thousandths, where a period has passed.
  std::optional<std::uint32_t> measure(std::uint64_t mono_us) {
    if (mono_us - last_mono_us_ < period_us) return std::nullopt;
    timespec spent{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
    const std::uint64_t cpu_us =
        static_cast<std::uint64_t>(spent.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(spent.tv_nsec) / 1000;
    const std::uint64_t share = (cpu_us - last_cpu_us_) * 1000 / (mono_us - last_mono_us_);
    last_mono_us_ = mono_us;
    last_cpu_us_ = cpu_us;
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(share, 1000));
  }

 private:
  std::uint64_t last_mono_us_ = 0, last_cpu_us_ = 0;
};

}  // namespace streamr::io
