#include "publisher/publisher.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "common/exit_codes.hpp"
#include "common/log.hpp"

namespace streamr::publisher {
namespace {

using namespace programs;

constexpr std::uint64_t first_retry_us = 1'000'000;
constexpr std::uint64_t longest_retry_us = 15'000'000;
constexpr unsigned barren_runs_allowed = 5;
constexpr std::size_t descriptors_per_child = 3;

}  // namespace

Publisher::Publisher(PublisherOptions options, StreamSink& sink) : options_(std::move(options)), sink_(sink) {
  if (options_.input.empty()) server_ = std::make_unique<RtmpServer>(options_.stream_key, *this);
}

bool Publisher::input_is_file() const {
  struct stat info = {};
  return options_.input.find("://") == std::string::npos && stat(options_.input.c_str(), &info) == 0 &&
         S_ISREG(info.st_mode);
}

bool Publisher::start_input(std::uint64_t now_us, std::string& reason) {
  (void)now_us;
  const bool address = options_.input.find("://") != std::string::npos;
  struct stat info = {};
  if (!address && stat(options_.input.c_str(), &info) != 0) {
    reason = "the input " + options_.input + " does not exist";
    return false;
  }
  auto run = std::make_unique<Run>(true);
  if (!run->pipeline.start(ffmpeg_for_input(options_.input, input_is_file(), adts_), reason)) return false;
  run->started = true;
  runs_.push_back(std::move(run));
  return true;
}

void Publisher::add_descriptors(std::vector<pollfd>& out) const {
  for (const auto& run : runs_) run->pipeline.child().add_descriptors(out);
  if (server_) server_->add_descriptors(out);
}

void Publisher::on_ready(std::span<const pollfd> ready, std::uint64_t now_us) {
  now_us_ = now_us;
  // Media first: what ffmpeg has finished must not wait behind new connections.
  std::size_t at = 0;
  for (const auto& run : runs_) {
    const std::size_t count = std::min(descriptors_per_child, ready.size() - at);
    run->pipeline.on_ready(ready.subspan(at, count), now_us);
    at += count;
  }
  if (server_ && !finishing_) server_->on_ready(ready.subspan(at), now_us);
  if (feed_) {
    feed_->on_time(now_us);
    give_to_ffmpeg(now_us);
  }
  drain_front(now_us);
  on_time(now_us);
}

void Publisher::on_source_begin(std::uint64_t now_us) {
  feed_.emplace();
  runs_.push_back(std::make_unique<Run>(false));
  source_gone_us_ = 0;
  barren_runs_ = 0;
  (void)now_us;
}

void Publisher::on_source_media(RtmpMessage message, std::uint64_t now_us) {
  if (!feed_) return;
  feed_->on_message(std::move(message), now_us);
  give_to_ffmpeg(now_us);
}

void Publisher::give_to_ffmpeg(std::uint64_t now_us) {
  if (runs_.empty()) return;
  if (feed_->failed()) {
    server_->end_source("the source sends much media but no key frame", now_us);
    return;
  }
  if (feed_->take_restart()) {
    log_info("source_restarted", "the source changed its coding or its times; a new epoch begins");
    close_run(*runs_.back(), now_us);
    runs_.push_back(std::make_unique<Run>(false));
  }
  const auto bytes = feed_->take_bytes();
  Run& run = *runs_.back();
  if (feed_->arrival().any()) run.pipeline.packager().on_arrival_offset(feed_->arrival().offset_us());
  if (bytes.empty()) return;
  std::string reason;
  if (!run.started) {
    run.started = true;
    if (!run.pipeline.start(ffmpeg_for_flv(), reason)) return stop_with(exit_failed, reason);
  }
  run.pipeline.child().write(bytes);
  if (run.pipeline.child().stuck()) {
    log_warn("ffmpeg_stuck", "ffmpeg does not read its input; it is started anew");
    run.pipeline.child().kill();
  }
}

void Publisher::on_source_end() {
  feed_.reset();
  if (!runs_.empty()) close_run(*runs_.back(), now_us_);
  source_gone_us_ = now_us_;
}

void Publisher::close_run(Run& run, std::uint64_t now_us) {
  if (run.closing) return;
  run.closing = true;
  run.kill_at_us = now_us + drain_us;
  if (options_.input.empty()) {
    run.pipeline.child().close_input();
  } else {
    run.pipeline.child().kill();
  }
}

// Only the oldest run speaks, so that parts of two sources never mix.
void Publisher::drain_front(std::uint64_t now_us) {
  while (!runs_.empty() && !done_) {
    Run& run = *runs_.front();
    if (run.closing && now_us >= run.kill_at_us) run.pipeline.child().kill();
    if (run.closing && !run.started) {
      runs_.pop_front();
      continue;
    }
    while (auto event = run.pipeline.packager().poll()) {
      on_packager_event(std::move(*event), now_us);
      if (done_) return;
    }
    if (!run.pipeline.over()) {
      // A child that was killed tells its end without a descriptor.
      if (!run.started || !run.pipeline.child().finished()) return;
      run.pipeline.on_ready({}, now_us);
      continue;
    }
    samples_skipped_ += run.pipeline.packager().samples_skipped() + run.pipeline.bad_fragments();
    const auto over = std::move(runs_.front());
    runs_.pop_front();
    on_run_over(*over, now_us);
  }
}

void Publisher::on_packager_event(PackagerEvent event, std::uint64_t now_us) {
  if (auto* begin = std::get_if<EpochBegin>(&event)) {
    if (!begin->plan.warning.empty()) log_warn("key_distance", begin->plan.warning);
    if (first_epoch_us_ == 0) first_epoch_us_ = now_us;
    open_ = true;
    barren_runs_ = 0;
    retry_wait_us_ = 0;
    on_answer(sink_.open_epoch(*begin));
  } else if (auto* part = std::get_if<MediaPart>(&event)) {
    on_answer(sink_.push(std::move(*part)));
  } else {
    const std::string sentence = std::get<SourceRefused>(event).sentence;
    log_warn("source_refused", sentence);
    if (!server_) return stop_with(exit_source, sentence);
    server_->end_source(sentence, now_us);
  }
}

void Publisher::on_answer(SinkAnswer answer) {
  if (answer == SinkAnswer::failed) return stop_with(exit_key, sink_.reason());
  if (answer == SinkAnswer::new_epoch_wanted && !runs_.empty()) runs_.front()->pipeline.packager().request_new_epoch();
}

void Publisher::on_run_over(const Run& run, std::uint64_t now_us) {
  if (finishing_ || run.closing) return;
  const std::string words = run.pipeline.child().last_words();
  barren_runs_ = run.pipeline.gave_media() ? 0 : barren_runs_ + 1;
  if (server_) {
    // The source is still there, but ffmpeg is not.
    if (barren_runs_ >= barren_runs_allowed || !feed_) {
      server_->end_source("ffmpeg cannot read the source: " + words, now_us);
      return;
    }
    log_warn("ffmpeg_ended", "ffmpeg ended while the source goes on; it is started anew: " + words);
    feed_->begin_anew();
    runs_.push_back(std::make_unique<Run>(false));
    return;
  }
  const bool broken = run.pipeline.child().exit_code() != 0;
  if (!run.pipeline.gave_media()) adts_ = !adts_;
  if (input_is_file()) {
    std::string reason;
    if (!run.pipeline.gave_media() && barren_runs_ < 2 && start_input(now_us, reason)) return;
    if (broken || !run.pipeline.gave_media()) return stop_with(exit_source, "the input cannot be read: " + words);
  }
  if (input_is_file() || (!broken && run.pipeline.gave_media())) {
    finishing_ = true;
    return;
  }
  retry_wait_us_ = std::clamp(retry_wait_us_ * 2, first_retry_us, longest_retry_us);
  retry_at_us_ = now_us + retry_wait_us_;
  source_gone_us_ = source_gone_us_ == 0 ? now_us : source_gone_us_;
  log_warn("input_broken", "the input broke off and is opened again: " + words,
           {{"after_ms", retry_wait_us_ / 1000}});
}

void Publisher::on_time(std::uint64_t now_us) {
  if (done_) return;
  if (sink_.refused()) return stop_with(exit_refused, sink_.reason());
  if (!runs_.empty() && runs_.front()->pipeline.packager().state() == Packager::State::running &&
      sink_.renewal_due(now_us / 1'000'000)) {
    runs_.front()->pipeline.packager().request_new_epoch();
  }
  if (retry_at_us_ != 0 && now_us >= retry_at_us_ && !finishing_) {
    retry_at_us_ = 0;
    std::string reason;
    if (!start_input(now_us, reason)) return stop_with(exit_source, reason);
  }
  if (has_source() && !runs_.empty() && runs_.front()->pipeline.gave_media()) source_gone_us_ = 0;
  if (open_ && source_gone_us_ != 0 && !has_source() && now_us - source_gone_us_ >= source_grace_us) {
    log_info("stream_ended", "the source did not come back within 20 s; the stream is ended for its viewers");
    sink_.end();
    open_ = false;
  }
  if (options_.run_us != 0 && first_epoch_us_ != 0 && now_us - first_epoch_us_ >= options_.run_us) finish(now_us);
  if (finishing_ && (runs_.empty() || (finish_by_us_ != 0 && now_us >= finish_by_us_))) {
    if (open_) sink_.end();
    open_ = false;
    done_ = true;
  }
}

void Publisher::finish(std::uint64_t now_us) {
  if (finishing_) return;
  now_us_ = now_us;
  if (server_ && server_->has_source()) server_->end_source("the publisher is stopped", now_us);
  finishing_ = true;
  finish_by_us_ = now_us + 2 * drain_us;
  for (const auto& run : runs_) close_run(*run, now_us);
}

void Publisher::stop_with(int code, std::string sentence) {
  exit_code_ = code;
  last_sentence_ = std::move(sentence);
  if (open_) sink_.end();
  open_ = false;
  done_ = true;
}

}  // namespace streamr::publisher
