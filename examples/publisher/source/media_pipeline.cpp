#include "publisher/source/media_pipeline.hpp"

#include "common/log.hpp"

namespace streamr::publisher {
namespace {

// One fragment per packet (any duration over 1 µs ends one), times without edit lists, nothing held back for interleaving.
void add_output(std::vector<std::string>& arguments) {
  for (const char* word :
       {"-map", "0:V:0?", "-map", "0:a:0?", "-c", "copy", "-max_interleave_delta", "500000", "-f", "mp4", "-use_editlist",
        "0", "-frag_duration", "1", "-movflags", "+empty_moov+delay_moov+default_base_moof", "-flush_packets", "1",
        "pipe:1"}) {
    arguments.emplace_back(word);
  }
}

}  // namespace

std::vector<std::string> ffmpeg_for_flv() {
  // The coding headers come first, so nothing is gained by looking at more media before the first packet goes out.
  // Not "nobuffer": it throws away what was looked at, the first pictures up to the next key frame.
  std::vector<std::string> arguments = {"-nostdin", "-hide_banner", "-loglevel", "warning", "-protocol_whitelist", "pipe",
                                        "-fflags", "+discardcorrupt", "-analyzeduration", "500000",
                                        "-fpsprobesize", "0", "-f", "flv", "-i", "pipe:0"};
  add_output(arguments);
  return arguments;
}

std::vector<std::string> ffmpeg_for_input(const std::string& input, bool pace, bool adts) {
  std::vector<std::string> arguments = {"-nostdin", "-hide_banner", "-loglevel", "warning", "-fflags", "+discardcorrupt"};
  if (pace) arguments.emplace_back("-re");
  arguments.emplace_back("-i");
  arguments.push_back(input);
  if (adts) arguments.insert(arguments.end(), {"-bsf:a", "aac_adtstoasc"});
  add_output(arguments);
  return arguments;
}

void MediaPipeline::note_arrival(const std::vector<TrackSamples>& tracks, std::uint64_t now_us) {
  const TrackInit* lead = init_ ? init_->lead() : nullptr;
  if (lead == nullptr) return;
  for (const TrackSamples& track : tracks) {
    if (track.track_id != lead->id || track.samples.empty()) continue;
    const std::uint64_t ticks = track.samples.back().dts, scale = lead->timescale;
    const std::uint64_t media_us = ticks / scale * 1'000'000 + ticks % scale * 1'000'000 / scale;
    arrival_.add(static_cast<std::int64_t>(now_us), static_cast<std::int64_t>(media_us));
  }
  if (arrival_.any()) packager_.on_arrival_offset(arrival_.offset_us());
}

void MediaPipeline::feed(std::span<const std::uint8_t> media, std::uint64_t now_us) {
  const bool followed = reader_.feed(media);
  while (auto item = reader_.poll()) {
    if (auto* init = std::get_if<std::shared_ptr<const InitSection>>(&*item)) {
      init_ = *init;
      packager_.on_init(std::move(*init));
    } else if (auto* tracks = std::get_if<std::vector<TrackSamples>>(&*item)) {
      gave_media_ = true;
      if (own_arrival_) note_arrival(*tracks, now_us);
      packager_.on_samples(std::move(*tracks));
    } else {
      ++bad_fragments_;
      programs::log_warn("fragment_skipped", "skipped " + std::get<BadFragment>(*item).reason);
    }
  }
  if (!followed && child_.running()) {
    programs::log_warn("media_broken", "the source is begun anew: " + reader_.failure());
    child_.kill();
  }
}

void MediaPipeline::on_ready(std::span<const pollfd> ready, std::uint64_t now_us) {
  if (over_) return;
  media_.clear();
  child_.on_ready(ready, media_);
  if (!media_.empty()) feed(media_, now_us);
  if (!child_.finished()) return;
  packager_.finish();
  over_ = true;
}

}  // namespace streamr::publisher
