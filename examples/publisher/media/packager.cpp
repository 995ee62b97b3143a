#include "publisher/media/packager.hpp"

#include <algorithm>

namespace streamr::publisher {
namespace {

constexpr std::uint64_t second_us = 1'000'000;
// Long enough to see the usual distance of key frames, short enough that a viewer does not wait.
constexpr std::uint64_t measured_at_least_us = 1'500'000;
constexpr std::uint64_t audio_measured_us = 1'000'000;
constexpr std::uint64_t longest_frame_us = 1'000'000;

}  // namespace

void Packager::on_init(std::shared_ptr<const InitSection> init) {
  const TrackInit* lead = init->lead();
  if (lead == nullptr) return refuse("the source has neither video nor audio");
  init_ = std::move(init);
  tracks_.clear();
  for (const TrackInit& track : init_->tracks) {
    if (track.id == lead->id) lead_ = tracks_.size();
    tracks_.emplace_back(track);
  }
  audio_only_ = lead->kind == TrackKind::audio;
  state_ = State::measuring;
}

void Packager::on_samples(std::vector<TrackSamples> tracks) {
  for (TrackSamples& track : tracks) {
    const TrackInit* init = init_ ? init_->find(track.track_id) : nullptr;
    if (init == nullptr) continue;
    for (Sample& sample : track.samples) {
      if (state_ != State::measuring && state_ != State::running) return;
      put(*init, std::move(sample));
    }
  }
  if (state_ == State::measuring) measure(false);
  if (state_ == State::running) cut_parts(false);
}

void Packager::put(const TrackInit& track, Sample sample) {
  if (!sample.whole) ++samples_skipped_;
  if (track.id == lead().init().id) {
    if (!put_lead(std::move(sample))) ++samples_skipped_;
  } else {
    for (TrackQueue& queue : tracks_) {
      if (queue.init().id == track.id) queue.put(std::move(sample));
    }
  }
  // Without a picture to go with, sound from before the first key frame is dropped when that comes.
  std::size_t waiting = 0;
  for (const TrackQueue& queue : tracks_) waiting += queue.bytes();
  if (waiting > max_waiting_bytes) refuse("more than 128 MiB of media came without a key frame");
}

// False where the sample was of no use: nothing can be decoded from it.
bool Packager::put_lead(Sample sample) {
  if (audio_only_) sample.key = true;
  const std::uint64_t start_us = lead().to_us(sample.dts);
  const bool hole = state_ == State::running && !lead().empty() &&
                    start_us > lead().start_us(lead().size() - 1) + std::max<std::uint64_t>(longest_frame_us, plan_.part_target_us);
  // A key frame that cannot be decoded takes everything up to the next one with it; so does a hole.
  if (state_ == State::running && !need_key_ && (hole || (!sample.whole && sample.key))) break_off();
  if (state_ == State::refused) return false;
  if (need_key_ && !(sample.key && sample.whole)) return false;
  if (need_key_) {
    need_key_ = false;
    for (TrackQueue& queue : tracks_) queue.drop_before_us(start_us);
    any_key_ = false;
    if (state_ == State::running) epoch_wanted_ = true;
  }
  if (sample.key && sample.whole) note_key(start_us);
  lead().put(std::move(sample));
  // The first key frame may have been set right by what followed it.
  if (state_ == State::measuring && longest_gop_us_ == 0 && !lead().empty()) last_key_us_ = lead().start_us(0);
  return true;
}

void Packager::note_key(std::uint64_t time_us) {
  if (any_key_ && time_us > last_key_us_) longest_gop_us_ = std::max(longest_gop_us_, time_us - last_key_us_);
  any_key_ = true;
  last_key_us_ = time_us;
}

SourceFigures Packager::figures() const {
  SourceFigures figures;
  figures.audio_only = audio_only_;
  figures.key_distance_us = audio_only_ ? 0 : longest_gop_us_;
  const TrackQueue& queue = lead();
  if (queue.empty()) return figures;
  std::vector<std::uint32_t> durations;
  for (std::size_t i = 0; i < queue.size(); ++i) durations.push_back(queue[i].duration);
  std::ranges::nth_element(durations, durations.begin() + static_cast<std::ptrdiff_t>(durations.size() / 2));
  const std::uint64_t median_us = queue.to_us(durations[durations.size() / 2]);
  const std::uint64_t span_us = queue.end_us(queue.size() - 1) - queue.start_us(0);
  const std::size_t steps = queue.size() - 1;
  const std::uint64_t mean_us = steps == 0 ? median_us : (queue.start_us(steps) - queue.start_us(0)) / steps;
  // The mean is exact for a steady source; a source with holes is better described by its usual frame.
  const bool steady = mean_us * 10 < median_us * 11 && median_us * 10 < mean_us * 11;
  figures.frame_us = steady ? mean_us : median_us;
  const std::size_t run = frames_in_part(figures.frame_us);
  // From start to start: the duration of the newest sample is only a guess of the muxer's.
  for (std::size_t i = 0; steady && i + run < queue.size(); ++i) {
    const std::uint64_t run_us = queue.start_us(i + run) - queue.start_us(i);
    if (run_us > run * figures.frame_us) {
      figures.frame_jitter_us = std::max(figures.frame_jitter_us, run_us - run * figures.frame_us);
    }
  }
  figures.frame_jitter_us = std::min(figures.frame_jitter_us, figures.frame_us / 4);
  std::size_t bytes = 0;
  for (const TrackQueue& track : tracks_) bytes += track.bytes();
  figures.kbps = static_cast<std::uint32_t>(bytes * 8 * 1000 / std::max<std::uint64_t>(span_us, 1));
  return figures;
}

void Packager::measure(bool ending) {
  if (lead().empty()) return;
  const std::uint64_t first_us = lead().start_us(0);
  const std::uint64_t seen_us = lead().end_us(lead().size() - 1) - first_us;
  if (audio_only_) {
    if (!ending && seen_us < audio_measured_us) return;
  } else {
    const std::uint64_t open_us = lead().end_us(lead().size() - 1) - last_key_us_;
    const std::uint64_t distance_us = std::max(longest_gop_us_, open_us > longest_key_distance_us ? open_us : 0);
    if (!fits_any_plan(distance_us)) {
      return refuse("the source is refused: its key frames come more than 10 s apart; " +
                    key_distance_advice(distance_us));
    }
    const bool enough = last_key_us_ >= first_us + measured_at_least_us;
    if (!ending && !enough) return;
    if (ending && longest_gop_us_ == 0) longest_gop_us_ = seen_us;
  }
  figures_ = figures();
  plan_ = make_plan(figures_);
  begin_epoch();
}

void Packager::begin_epoch() {
  state_ = State::running;
  epoch_wanted_ = false;
  segment_us_ = 0;
  clock_.begin(arrival_offset_us_);
  const std::uint64_t media_us = lead().start_us(0);
  events_.emplace_back(EpochBegin{plan_, init_, media_us, clock_.at(media_us)});
}

void Packager::finish() {
  if (state_ == State::measuring) measure(true);
  if (state_ == State::running) cut_parts(true);
  if (state_ != State::refused) state_ = State::waiting;
}

// What waits is published, then nothing until the next key frame, which opens a new epoch.
void Packager::break_off() {
  if (!lead().empty()) {
    const std::size_t last = lead().size() - 1;
    const std::uint64_t usual = last > 0 ? lead()[last - 1].duration : lead()[last].duration;
    lead().set_duration(last, static_cast<std::uint32_t>(std::min<std::uint64_t>(usual, lead()[last].duration)));
  }
  cut_parts(true);
  if (state_ != State::running) return;
  lead().drop_front(lead().size());
  need_key_ = true;
}

void Packager::refuse(std::string sentence) {
  state_ = State::refused;
  tracks_.clear();
  init_.reset();
  events_.emplace_back(SourceRefused{std::move(sentence)});
}

void Packager::cut_parts(bool ending) {
  while (state_ == State::running) {
    const auto cut = find_cut(ending);
    if (!cut) break;
    if (epoch_wanted_ && segment_us_ == 0 && lead()[0].key) {
      figures_.key_distance_us = audio_only_ ? 0 : longest_gop_us_;
      plan_ = make_plan(figures_);
      begin_epoch();
      continue;
    }
    if (!ending && !others_reach(cut->end_us)) break;
    emit(*cut);
  }
  if (state_ != State::running || lead().empty() || audio_only_) return;
  const std::uint64_t open_us = lead().end_us(lead().size() - 1) - last_key_us_;
  if (!fits_any_plan(open_us)) {
    refuse("the source is refused: its key frames come more than 10 s apart; " + key_distance_advice(open_us));
  } else if (open_us > plan_.target_duration_s * second_us + second_us / 2) {
    // Longer than this epoch promised: the segment is finished as it is, the next key frame opens an epoch that fits.
    epoch_wanted_ = true;
  }
}

// Whether a part that is `part_us` long before sample `i` ends there; `last`: its segment too.
bool Packager::ends_before(std::size_t i, std::uint64_t part_us, bool& last) const {
  const TrackQueue& queue = lead();
  // The newest sample's duration is a guess until the next one comes; only what surely does not fit ends a part early.
  const bool newest = i + 1 == queue.size();
  const std::uint64_t end_us = newest ? queue.start_us(i) + figures_.frame_us / 2 : queue.end_us(i);
  const bool full = end_us - queue.start_us(0) > plan_.part_target_us + 1;
  last = false;
  if (queue[i].key) {
    const std::uint64_t so_far_us = segment_us_ + part_us;
    const std::uint64_t limit_us = plan_.target_duration_s * second_us + key_distance_slack_us;
    const bool dense = audio_only_ || longest_gop_us_ < plan_.part_target_us;
    const std::uint64_t step_us = dense && full ? plan_.part_target_us : audio_only_ ? 0 : longest_gop_us_;
    last = so_far_us + step_us > limit_us || (epoch_wanted_ && !dense) || (epoch_wanted_ && full);
    // Players may join at any independent part, so each spaced key frame opens one.
    if (last || !dense) return true;
  }
  return full;
}

std::optional<Packager::Cut> Packager::find_cut(bool ending) const {
  const TrackQueue& queue = lead();
  if (queue.empty()) return std::nullopt;
  for (std::size_t i = 1; i < queue.size(); ++i) {
    const std::uint64_t part_us = queue.start_us(i) - queue.start_us(0);
    bool last = false;
    if (ends_before(i, part_us, last)) return Cut{i, queue.start_us(i), last, false};
  }
  if (!ending) return std::nullopt;
  const std::uint64_t end_us = std::min(queue.end_us(queue.size() - 1), queue.start_us(0) + plan_.part_target_us);
  return Cut{queue.size(), end_us, true, true};
}

bool Packager::others_reach(std::uint64_t end_us) const {
  const bool patience = lead().newest_end_us() < end_us + audio_patience_us;
  return std::ranges::all_of(tracks_, [&](const TrackQueue& queue) {
    return queue.init().kind == TrackKind::other || queue.newest_end_us() >= end_us || !patience;
  });
}

void Packager::emit(const Cut& cut) {
  MediaPart part;
  part.media_time_us = lead().start_us(0);
  part.capture_time_us = clock_.at(part.media_time_us);
  part.duration_us = static_cast<std::uint32_t>(cut.end_us - part.media_time_us);
  part.independent = lead()[0].key;
  part.last_in_segment = cut.last_in_segment;
  std::vector<PartTrack> tracks;
  tracks.push_back(lead().take(cut.count));
  for (TrackQueue& queue : tracks_) {
    if (&queue == &lead()) continue;
    std::size_t count = 0;
    while (count < queue.size() && (cut.take_all || queue.start_us(count) < cut.end_us)) ++count;
    tracks.push_back(queue.take(count));
  }
  part.bytes = write_part(++sequence_, tracks);
  if (part.bytes.size() > max_part_bytes) {
    part.bytes.clear();
    part.gap = true;
  }
  segment_us_ = cut.last_in_segment ? 0 : segment_us_ + part.duration_us;
  clock_.slew(arrival_offset_us_);
  if (clock_.stepped(arrival_offset_us_)) epoch_wanted_ = true;
  events_.emplace_back(std::move(part));
}

std::optional<PackagerEvent> Packager::poll() {
  if (events_.empty()) return std::nullopt;
  PackagerEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

}  // namespace streamr::publisher
