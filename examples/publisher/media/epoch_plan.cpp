#include "publisher/media/epoch_plan.hpp"

#include <algorithm>

namespace streamr::publisher {
namespace {

constexpr std::uint64_t preferred_part_us = 500'000;
constexpr std::uint64_t second_us = 1'000'000;

std::string seconds_text(std::uint64_t us) {
  const std::uint64_t tenths = (us + 50'000) / 100'000;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

// 85 % of the part target must be reached by every full part; below nine tenths the target follows the parts.
std::uint32_t part_target(const SourceFigures& figures) {
  const std::uint64_t usual = frames_in_part(figures.frame_us) * figures.frame_us + figures.frame_jitter_us;
  if (usual <= preferred_part_us && usual * 10 >= preferred_part_us * 9) return preferred_part_us;
  return static_cast<std::uint32_t>((usual + 999) / 1000 * 1000);
}

}  // namespace

std::uint32_t frames_in_part(std::uint64_t frame_us) {
  if (frame_us == 0 || frame_us >= preferred_part_us) return 1;
  const std::uint64_t below = preferred_part_us / frame_us;
  const std::uint64_t under = preferred_part_us - below * frame_us;
  const std::uint64_t over = (below + 1) * frame_us - preferred_part_us;
  return static_cast<std::uint32_t>(over < under ? below + 1 : below);
}

bool fits_any_plan(std::uint64_t key_distance_us) {
  return key_distance_us <= longest_key_distance_us + key_distance_slack_us;
}

std::string key_distance_advice(std::uint64_t key_distance_us) {
  return "set the keyframe interval of your encoder to 2 s (OBS: Settings, Output, Streaming, \"Keyframe Interval\" = 2; "
         "ffmpeg: -g with twice the frame rate): viewers then see the first picture and follow the stream up to " +
         seconds_text(key_distance_us > preferred_key_distance_us ? key_distance_us - preferred_key_distance_us : 0) +
         " earlier";
}

EpochPlan make_plan(const SourceFigures& figures) {
  EpochPlan plan;
  SourceFigures measured = figures;
  if (measured.audio_only) {
    // No frame rate binds audio: as many frames as fit into the preferred part, never more.
    const std::uint64_t count = std::max<std::uint64_t>(1, preferred_part_us / std::max<std::uint64_t>(1, measured.frame_us));
    plan.part_target_us = static_cast<std::uint32_t>(std::max(preferred_part_us, count * measured.frame_us));
  } else {
    plan.part_target_us = part_target(measured);
  }
  plan.kbps = measured.kbps;
  plan.key_distance_us = measured.key_distance_us;
  if (measured.key_distance_us > preferred_key_distance_us + key_distance_slack_us) {
    const std::uint64_t seconds = (measured.key_distance_us - key_distance_slack_us + second_us - 1) / second_us;
    plan.target_duration_s = static_cast<std::uint32_t>(seconds);
    plan.warning = "key frames come " + seconds_text(measured.key_distance_us) + " apart, so segments last up to " +
                   std::to_string(seconds) + " s; " + key_distance_advice(measured.key_distance_us);
  }
  return plan;
}

}  // namespace streamr::publisher
