#include <doctest/doctest.h>

#include "publisher/media/epoch_plan.hpp"

using namespace streamr::publisher;

namespace {

EpochPlan plan_for(std::uint64_t distance_us, std::uint64_t frame_us = 33'333) {
  SourceFigures figures;
  figures.key_distance_us = distance_us;
  figures.frame_us = frame_us;
  return make_plan(figures);
}

}  // namespace

TEST_CASE("key frames up to two seconds apart give segments of two seconds without a word") {
  for (const std::uint64_t distance : {1'000'000, 1'500'000, 2'000'000, 2'002'000}) {
    const EpochPlan plan = plan_for(distance);
    CHECK(plan.target_duration_s == 2);
    CHECK(plan.warning.empty());
  }
}

TEST_CASE("rarer key frames raise the target duration to the next whole second that fits, and the streamer is told") {
  const EpochPlan four = plan_for(4'000'000), obs = plan_for(8'333'333), ten = plan_for(10'000'000);
  CHECK(four.target_duration_s == 4);
  CHECK(obs.target_duration_s == 9);
  CHECK(ten.target_duration_s == 10);
  CHECK(obs.warning.find("8.3 s") != std::string::npos);
  CHECK(obs.warning.find("Keyframe Interval") != std::string::npos);
  CHECK(obs.warning.find("6.3 s earlier") != std::string::npos);
}

TEST_CASE("over ten seconds nothing fits") {
  CHECK(fits_any_plan(10'000'000));
  CHECK_FALSE(fits_any_plan(10'100'000));
  CHECK_FALSE(fits_any_plan(12'000'000));
}

TEST_CASE("a part is the whole number of frames nearest to half a second") {
  CHECK(frames_in_part(33'333) == 15);  // 30 a second
  CHECK(frames_in_part(33'366) == 15);  // 29.97
  CHECK(frames_in_part(41'708) == 12);  // 23.976
  CHECK(frames_in_part(40'000) == 12);  // 25: 12.5 would be exact, the shorter one waits less
  CHECK(frames_in_part(16'666) == 30);
  CHECK(frames_in_part(200'000) == 2);
  CHECK(frames_in_part(2'000'000) == 1);
}

TEST_CASE("no part is longer than the part target, and every full part has 85 percent of it") {
  for (const std::uint64_t frame_us : {16'683, 20'000, 33'333, 33'366, 40'000, 41'708, 66'666, 100'000, 142'857, 200'000, 1'000'000}) {
    CAPTURE(frame_us);
    const EpochPlan plan = plan_for(2'000'000, frame_us);
    const std::uint64_t part_us = frames_in_part(frame_us) * frame_us;
    CHECK(part_us <= plan.part_target_us);
    CHECK(part_us * 100 >= plan.part_target_us * 85ull);
  }
}

TEST_CASE("audio alone keeps to half a second") {
  SourceFigures figures;
  figures.audio_only = true;
  figures.frame_us = 21'333;
  CHECK(make_plan(figures).part_target_us == 500'000);
  CHECK(make_plan(figures).target_duration_s == 2);
}
