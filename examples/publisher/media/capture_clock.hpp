// Decides: the capture time of a part: media time on an anchor that is slewed, never stepped.
// Never: reads a clock; the arrival estimate comes from outside.
// Called by: packager.
#pragma once

#include <cstdint>

namespace streamr::publisher {

// An offset is the unix time (µs) at which media time 0 was, or would have been, received.
class CaptureClock {
 public:
  // Protocol §5 allows 1 ms a chunk; half of it leaves room for rounding.
  static constexpr std::int64_t max_slew_us = 500;
  // Beyond this the source's clock made a step, which only a new epoch may show.
  static constexpr std::int64_t step_us = 1'500'000;

  void begin(std::int64_t offset_us) { offset_us_ = offset_us; }
  std::uint64_t at(std::uint64_t media_time_us) const {
    return static_cast<std::uint64_t>(offset_us_ + static_cast<std::int64_t>(media_time_us));
  }
  // Once per part, after at().
  void slew(std::int64_t estimate_us) {
    const std::int64_t error = estimate_us - offset_us_;
    offset_us_ += error > max_slew_us ? max_slew_us : error < -max_slew_us ? -max_slew_us : error;
  }
  bool stepped(std::int64_t estimate_us) const {
    const std::int64_t error = estimate_us - offset_us_;
    return error > step_us || error < -step_us;
  }

 private:
  std::int64_t offset_us_ = 0;
};

// The smallest of arrival minus media time over the last 10 to 20 s: what the network delayed least.
class ArrivalEstimate {
 public:
  static constexpr std::int64_t window_us = 10'000'000;

  void add(std::int64_t arrival_us, std::int64_t media_time_us) {
    const std::int64_t offset = arrival_us - media_time_us;
    if (!any_ || arrival_us - window_start_us_ > window_us) {
      previous_us_ = any_ ? current_us_ : offset;
      current_us_ = offset;
      window_start_us_ = arrival_us;
      any_ = true;
    }
    if (offset < current_us_) current_us_ = offset;
  }
  bool any() const { return any_; }
  std::int64_t offset_us() const { return current_us_ < previous_us_ ? current_us_ : previous_us_; }

 private:
  std::int64_t current_us_ = 0;
  std::int64_t previous_us_ = 0;
  std::int64_t window_start_us_ = 0;
  bool any_ = false;
};

}  // namespace streamr::publisher
