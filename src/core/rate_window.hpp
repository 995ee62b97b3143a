// Decides whether the chunks of an epoch stay within 1.25 × max_kbps in every 10 s of media time, whatever order they come in.
// Never forgets what it was told to add, save media far behind the newest; never counts by itself.
// Called by core/verifier (what a publisher may send) and core/publication (what it may sign), so that both agree.
#pragma once

#include <cstdint>
#include <map>

namespace streamr::core {

class RateWindow {
 public:
  // Octets that 10 s of media may hold.
  static constexpr std::uint64_t allowed_bytes(std::uint32_t max_kbps) { return std::uint64_t{max_kbps} * 3125 / 2; }

  // Would `bytes` at this media time overfill some window of 10 s?
  bool fits(std::uint64_t media_time_us, std::uint64_t bytes, std::uint32_t max_kbps) const;
  void add(std::uint64_t media_time_us, std::uint64_t bytes);

 private:
  std::map<std::uint64_t, std::uint64_t> bytes_;   // by tenth of a second, so that tiny chunks do not cost more
};

}  // namespace streamr::core
