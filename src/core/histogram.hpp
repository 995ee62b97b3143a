// Decides how many samples fell where: buckets under 1.6 % wide from 0 to 2^40, for latencies in microseconds.
// Never keeps a sample and never forgets one; quantiles are estimates within one bucket.
// Called by core/node (adding) and core/metrics (reading).
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace streamr::core {

class Histogram {
 public:
  void add(std::uint64_t sample) {
    const std::uint64_t value = std::min(sample, largest);
    const std::size_t index = index_of(value);
    if (index >= counts_.size()) counts_.resize(index + 1);
    ++counts_[index];
    ++count_;
    sum_ += value;
    max_ = std::max(max_, value);
  }
  void merge(const Histogram& other) {
    if (other.counts_.size() > counts_.size()) counts_.resize(other.counts_.size());
    for (std::size_t i = 0; i < other.counts_.size(); ++i) counts_[i] += other.counts_[i];
    count_ += other.count_;
    sum_ += other.sum_;
    max_ = std::max(max_, other.max_);
  }
  std::uint64_t count() const { return count_; }
  std::uint64_t sum() const { return sum_; }
  std::uint64_t max() const { return max_; }

  // The value that a share `q` (0–1) of the samples does not exceed, as the middle of its bucket; 0 without samples.
  std::uint64_t quantile(double q) const {
    if (count_ == 0) return 0;
    const double wanted = std::clamp(q, 0.0, 1.0) * static_cast<double>(count_);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (counts_[i] != 0 && static_cast<double>(seen) >= wanted)
        return std::min(max_, (floor_of(i) + floor_of(i + 1) - 1) / 2);
    }
    return max_;
  }
  // Samples ≤ bound, exact where the bound is a bucket's edge, else short by at most that bucket.
  std::uint64_t count_up_to(std::uint64_t bound) const {
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size() && floor_of(i + 1) <= bound + 1; ++i) seen += counts_[i];
    return seen;
  }

 private:
  static constexpr std::uint64_t largest = (std::uint64_t{1} << 40) - 1;
  // Values under 128 have a bucket each; every octave above is cut into 64.
  static std::size_t index_of(std::uint64_t value) {
    if (value < 128) return static_cast<std::size_t>(value);
    const int shift = static_cast<int>(std::bit_width(value)) - 7;
    return static_cast<std::size_t>(64 * shift) + static_cast<std::size_t>(value >> shift);
  }
  static std::uint64_t floor_of(std::size_t index) {
    if (index < 128) return index;
    const std::size_t shift = index / 64 - 1;
    return (std::uint64_t{index} - 64 * shift) << shift;
  }

  std::vector<std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace streamr::core
