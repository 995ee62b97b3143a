// Decides: how samples become parts, segments and epochs: lengths, INDEPENDENT, LAST_IN_SEGMENT, DISCONTINUITY, times.
// Never: signs, sends, reads a clock or talks to ffmpeg.
// Called by: media_pipeline. One packager per run of a source.
#pragma once

#include <deque>
#include <memory>
#include <variant>

#include "publisher/media/capture_clock.hpp"
#include "publisher/media/epoch_plan.hpp"
#include "publisher/media/track_queue.hpp"

namespace streamr::publisher {

struct EpochBegin {
  EpochPlan plan;
  std::shared_ptr<const InitSection> init;
  std::uint64_t media_time_us = 0;
  std::uint64_t capture_time_us = 0;
};
struct MediaPart {
  bool independent = false;
  bool last_in_segment = false;
  bool gap = false;  // bytes are empty
  Bytes bytes;
  std::uint64_t media_time_us = 0;
  std::uint64_t capture_time_us = 0;
  std::uint32_t duration_us = 0;
};
// The source cannot be published as it is; `sentence` tells what to set.
struct SourceRefused {
  std::string sentence;
};
using PackagerEvent = std::variant<EpochBegin, MediaPart, SourceRefused>;

class Packager {
 public:
  enum class State : std::uint8_t { waiting, measuring, running, refused };

  static constexpr std::size_t max_waiting_bytes = 128u << 20;
  static constexpr std::size_t max_part_bytes = 16u << 20;
  // How far video may run ahead of audio before a part goes out without what is missing.
  static constexpr std::uint64_t audio_patience_us = 200'000;

  void on_init(std::shared_ptr<const InitSection> init);
  void on_samples(std::vector<TrackSamples> tracks);
  // When media time 0 arrived, as the source's receiver sees it now.
  void on_arrival_offset(std::int64_t offset_us) { arrival_offset_us_ = offset_us; }
  // The next key frame opens a new epoch (certificate renewal).
  void request_new_epoch() { epoch_wanted_ = true; }
  // The source is over: what waits goes out, the last part closes its segment.
  void finish();
  std::optional<PackagerEvent> poll();

  State state() const { return state_; }
  std::uint64_t samples_skipped() const { return samples_skipped_; }

 private:
  struct Cut {
    std::size_t count = 0;
    std::uint64_t end_us = 0;
    bool last_in_segment = false;
    bool take_all = false;  // nothing follows, so sound that outlasts the picture goes too
  };
  void put(const TrackInit& track, Sample sample);
  bool put_lead(Sample sample);
  void note_key(std::uint64_t time_us);
  void measure(bool ending);
  SourceFigures figures() const;
  void begin_epoch();
  void cut_parts(bool ending);
  std::optional<Cut> find_cut(bool ending) const;
  bool ends_before(std::size_t i, std::uint64_t part_us, bool& last) const;
  bool others_reach(std::uint64_t end_us) const;
  void emit(const Cut& cut);
  void break_off();
  void refuse(std::string sentence);
  TrackQueue& lead() { return tracks_[lead_]; }
  const TrackQueue& lead() const { return tracks_[lead_]; }

  State state_ = State::waiting;
  std::shared_ptr<const InitSection> init_;
  std::vector<TrackQueue> tracks_;
  std::size_t lead_ = 0;
  bool audio_only_ = false;
  bool need_key_ = true;        // lead samples are worthless until a key frame comes
  bool epoch_wanted_ = false;
  bool any_key_ = false;
  std::uint64_t last_key_us_ = 0;
  std::uint64_t longest_gop_us_ = 0;
  SourceFigures figures_;
  EpochPlan plan_;
  CaptureClock clock_;
  std::int64_t arrival_offset_us_ = 0;
  std::uint64_t segment_us_ = 0;  // length of the open segment so far
  std::uint32_t sequence_ = 0;
  std::uint64_t samples_skipped_ = 0;
  std::deque<PackagerEvent> events_;
};

}  // namespace streamr::publisher
