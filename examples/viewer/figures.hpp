// Decides: the live figures of a viewer and how they read, as one JSON line or one line for a person.
// Never: reads a clock; times come with the events.
// Called by: streamr-watch.
#pragma once

#include <streamr/streamr.h>

#include <cstdint>
#include <string>
#include <vector>

#include "viewer/player_model.hpp"

namespace streamr::viewer {

class Figures {
 public:
  // When the program started, on both clocks.
  Figures(std::uint64_t start_mono_us, std::uint64_t start_unix_us) : start_mono_us_(start_mono_us), start_unix_us_(start_unix_us) {}

  void on_chunk(const streamr_event_t& event, std::size_t bytes, std::uint64_t mono_us);
  void on_event(const streamr_event_t& event, std::uint64_t mono_us);

  bool any() const { return chunks_ > 0; }
  std::string json(const PlayerModel& player, const char* kind, std::uint64_t mono_us) const;
  std::string line(const PlayerModel& player) const;
  std::int64_t first_picture_ms() const { return first_picture_ms_; }
  // Of chunks that were captured while this viewer ran; 0 before the first.
  std::uint64_t latency_us(unsigned percentile) const;

 private:
  void remember_latency(std::uint64_t latency_us);
  std::int64_t since_start_ms(std::uint64_t mono_us) const { return static_cast<std::int64_t>((mono_us - start_mono_us_) / 1000); }

  std::uint64_t start_mono_us_;
  std::uint64_t start_unix_us_;
  std::uint64_t chunks_ = 0;
  std::uint64_t verified_bytes_ = 0;
  std::uint64_t rejected_ = 0;
  std::uint64_t switches_ = 0;
  std::int64_t connected_ms_ = -1;
  std::int64_t first_chunk_ms_ = -1;
  std::int64_t first_picture_ms_ = -1;
  bool has_init_ = false;
  std::string relay_;
  std::string stream_;
  std::vector<std::uint64_t> latencies_us_;          // a ring once it is full
  std::size_t next_latency_ = 0;
};

}  // namespace streamr::viewer
