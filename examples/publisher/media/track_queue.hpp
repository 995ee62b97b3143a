// Decides: the order and times of one track's samples while they wait to become parts; damaged ones are left out.
// Never: cuts parts.
// Called by: packager.
#pragma once

#include <deque>

#include "publisher/media/part_writer.hpp"

namespace streamr::publisher {

class TrackQueue {
 public:
  explicit TrackQueue(const TrackInit& init) : init_(init) {}

  const TrackInit& init() const { return init_; }
  std::uint64_t to_us(std::uint64_t ticks) const;
  std::uint64_t start_us(std::size_t i) const { return to_us(samples_[i].dts); }
  std::uint64_t end_us(std::size_t i) const { return to_us(samples_[i].dts + samples_[i].duration); }
  // End of the newest sample ever put in, 0 before the first.
  std::uint64_t newest_end_us() const { return to_us(newest_end_); }
  std::size_t size() const { return samples_.size(); }
  std::size_t bytes() const { return bytes_; }
  bool empty() const { return samples_.empty(); }
  const Sample& operator[](std::size_t i) const { return samples_[i]; }

  void put(Sample sample);
  void set_duration(std::size_t i, std::uint32_t ticks) { samples_[i].duration = ticks; }
  void drop_front(std::size_t count);
  void drop_before_us(std::uint64_t time_us);
  // The first `count` samples; audio of constant frame length gets its exact times back, which RTMP had rounded.
  PartTrack take(std::size_t count);

 private:
  void straighten_start();
  void find_nominal();
  void retime(Sample& sample, std::vector<Sample>& before);

  TrackInit init_;
  std::deque<Sample> samples_;
  std::uint64_t newest_end_ = 0;
  std::size_t bytes_ = 0;
  std::uint32_t nominal_ = 0;       // 0: not known, or not constant
  bool nominal_tried_ = false;
  bool start_looked_at_ = false;
  std::uint64_t next_dts_ = 0;
  bool running_ = false;
};

}  // namespace streamr::publisher
