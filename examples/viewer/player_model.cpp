#include "viewer/player_model.hpp"

namespace streamr::viewer {

void PlayerModel::on_chunk(std::uint32_t duration_us, std::uint64_t mono_us) {
  if (!started_) {
    started_ = true;
    first_us_ = mono_us;
  }
  ended_ = false;
  on_tick(mono_us);
  media_us_ += duration_us;
  standing_ = standing_ && mono_us > dry_us();
}

void PlayerModel::on_tick(std::uint64_t mono_us) {
  if (!started_ || ended_ || mono_us <= dry_us()) return;
  stall_us_ += mono_us - dry_us();
  if (!standing_) ++stalls_;
  standing_ = true;
}

void PlayerModel::on_end(std::uint64_t mono_us) {
  on_tick(mono_us);
  ended_ = true;
  standing_ = false;
}

std::uint32_t PlayerModel::take_stall_ms() {
  const std::uint64_t fresh_ms = stall_us_ / 1000 - taken_ms_;
  taken_ms_ += fresh_ms;
  return static_cast<std::uint32_t>(fresh_ms);
}

}  // namespace streamr::viewer
