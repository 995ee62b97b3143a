// Decides: how long a player with a small buffer would have stood still, from what arrived and when.
// Never: reads a clock or plays anything.
// Called by: streamr-watch for each chunk and at each tick.
#pragma once

#include <cstdint>

namespace streamr::viewer {

class PlayerModel {
 public:
  explicit PlayerModel(std::uint64_t buffer_us) : buffer_us_(buffer_us) {}

  // A whole chunk arrived, in order. `mono_us` never goes backwards.
  void on_chunk(std::uint32_t duration_us, std::uint64_t mono_us);
  void on_tick(std::uint64_t mono_us);
  // The stream ended: what is missing from here on is no stall.
  void on_end(std::uint64_t mono_us);

  std::uint64_t stall_us() const { return stall_us_; }
  std::uint32_t stalls() const { return stalls_; }
  // Whole milliseconds that have not been taken yet.
  std::uint32_t take_stall_ms();

 private:
  // Playback starts `buffer_us_` after the first chunk and runs out of media at this moment.
  std::uint64_t dry_us() const { return first_us_ + buffer_us_ + media_us_ + stall_us_; }

  std::uint64_t buffer_us_;
  std::uint64_t first_us_ = 0;
  std::uint64_t media_us_ = 0;
  std::uint64_t stall_us_ = 0;
  std::uint64_t taken_ms_ = 0;
  std::uint32_t stalls_ = 0;
  bool started_ = false;
  bool ended_ = false;
  bool standing_ = false;
};

}  // namespace streamr::viewer
