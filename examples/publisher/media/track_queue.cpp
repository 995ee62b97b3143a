#include "publisher/media/track_queue.hpp"

#include <algorithm>

namespace streamr::publisher {
namespace {

constexpr std::uint64_t second_us = 1'000'000;
constexpr std::uint32_t audio_frame_lengths[] = {1024, 2048, 960, 1152, 1536, 4096};
constexpr std::size_t frames_to_know_length = 8;

}  // namespace

std::uint64_t TrackQueue::to_us(std::uint64_t ticks) const {
  const std::uint64_t scale = init_.timescale;
  return ticks / scale * second_us + ticks % scale * second_us / scale;
}

void TrackQueue::put(Sample sample) {
  // Whoever holds the place before a hole fills it, so that a part's times run on.
  if (!samples_.empty()) {
    Sample& last = samples_.back();
    if (sample.dts <= last.dts) return;
    last.duration = static_cast<std::uint32_t>(std::min<std::uint64_t>(sample.dts - last.dts, UINT32_MAX));
  } else if (sample.dts + sample.duration <= newest_end_) {
    return;
  }
  newest_end_ = sample.dts + sample.duration;
  if (!sample.whole) return;
  bytes_ += sample.bytes.size();
  samples_.push_back(std::move(sample));
  straighten_start();
}

// A muxer without edit lists lets every track begin at 0 and stretches its first sample up to the second, although the
// tracks of a source begin some milliseconds apart. The true time of the first sample is one usual duration before the second.
void TrackQueue::straighten_start() {
  if (start_looked_at_ || samples_.size() < 4) return;
  start_looked_at_ = true;
  // RTMP rounds to milliseconds; the shorter of two frames never makes a part longer than its target.
  const std::uint32_t usual = std::min(samples_[1].duration, samples_[2].duration);
  if (usual == 0 || samples_[0].duration < usual + usual / 8 || samples_[1].dts < usual) return;
  samples_[0].dts = samples_[1].dts - usual;
  samples_[0].duration = usual;
}

void TrackQueue::drop_front(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) bytes_ -= samples_[i].bytes.size();
  samples_.erase(samples_.begin(), samples_.begin() + static_cast<std::ptrdiff_t>(count));
  running_ = false;
}

void TrackQueue::drop_before_us(std::uint64_t time_us) {
  std::size_t count = 0;
  while (count < samples_.size() && end_us(count) <= time_us) ++count;
  if (count > 0) drop_front(count);
}

void TrackQueue::find_nominal() {
  if (nominal_tried_ || init_.kind != TrackKind::audio || samples_.size() < frames_to_know_length) return;
  nominal_tried_ = true;
  const double mean = static_cast<double>(samples_.back().dts - samples_.front().dts) /
                      static_cast<double>(samples_.size() - 1);
  for (const std::uint32_t length : audio_frame_lengths) {
    if (mean > length * 0.98 && mean < length * 1.02) nominal_ = length;
  }
}

void TrackQueue::retime(Sample& sample, std::vector<Sample>& before) {
  const std::uint64_t tolerance = init_.timescale / 50;  // 20 ms: more than rounding, less than a frame
  const bool near = sample.dts + tolerance >= next_dts_ && sample.dts <= next_dts_ + tolerance;
  const bool behind = sample.dts < next_dts_;
  if (running_ && (near || behind)) {
    sample.dts = next_dts_;
  } else if (running_ && !before.empty()) {
    before.back().duration = static_cast<std::uint32_t>(sample.dts - before.back().dts);
  }
  sample.duration = nominal_;
  next_dts_ = sample.dts + nominal_;
  running_ = true;
}

PartTrack TrackQueue::take(std::size_t count) {
  find_nominal();
  PartTrack part{init_.id, init_.kind, {}};
  part.samples.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    Sample sample = std::move(samples_.front());
    samples_.pop_front();
    bytes_ -= sample.bytes.size();
    if (nominal_ != 0) retime(sample, part.samples);
    part.samples.push_back(std::move(sample));
  }
  return part;
}

}  // namespace streamr::publisher
