// Decides: part length and target duration of an epoch from what was measured, and the sentence a streamer gets.
// Never: looks at media; it sees only distances and rates.
// Called by: packager.
#pragma once

#include <cstdint>
#include <string>

namespace streamr::publisher {

struct SourceFigures {
  std::uint64_t key_distance_us = 0;  // the longest one seen
  std::uint64_t frame_us = 0;         // usual duration of one sample of the lead track
  std::uint64_t frame_jitter_us = 0;  // how much longer than usual a run of frames of one part was
  std::uint32_t kbps = 0;
  bool audio_only = false;
};

struct EpochPlan {
  std::uint32_t part_target_us = 500'000;
  std::uint32_t target_duration_s = 2;
  std::uint32_t kbps = 0;
  std::uint64_t key_distance_us = 0;
  std::string warning;  // empty where nothing is to be said
};

inline constexpr std::uint64_t preferred_key_distance_us = 2'000'000;
inline constexpr std::uint64_t longest_key_distance_us = 10'000'000;
// Frame rates such as 29.97 make "2 s" a little longer, and RTMP counts whole milliseconds.
inline constexpr std::uint64_t key_distance_slack_us = 50'000;

bool fits_any_plan(std::uint64_t key_distance_us);
EpochPlan make_plan(const SourceFigures& figures);
// How many whole frames come nearest to half a second; at least one.
std::uint32_t frames_in_part(std::uint64_t frame_us);
// What to set and what it gains.
std::string key_distance_advice(std::uint64_t key_distance_us);

}  // namespace streamr::publisher
