// Decides: the life of sources: what runs, what replaces what, when an epoch or the stream ends, when to try again.
// Never: knows keys or the wire; a sink takes what comes out.
// Called by: main, and by the loopback tests with a sink of their own.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "publisher/rtmp/media_feed.hpp"
#include "publisher/rtmp/server.hpp"
#include "publisher/source/media_pipeline.hpp"
#include "publisher/stream_sink.hpp"

namespace streamr::publisher {

struct PublisherOptions {
  std::string input;       // file or address; empty: RTMP
  std::string stream_key;  // for RTMP
  std::uint64_t run_us = 0;  // ends that long after the first epoch began; 0: never
};

class Publisher : public RtmpListener {
 public:
  // How long a stream waits for its source to come back before it is ended for its viewers.
  static constexpr std::uint64_t source_grace_us = 20'000'000;
  static constexpr std::uint64_t drain_us = 1'000'000;

  Publisher(PublisherOptions options, StreamSink& sink);

  RtmpServer& server() { return *server_; }
  // Starts reading --input. False and a sentence where that cannot be.
  bool start_input(std::uint64_t now_us, std::string& reason);
  void add_descriptors(std::vector<pollfd>& out) const;
  void on_ready(std::span<const pollfd> ready, std::uint64_t now_us);
  // Takes no more media; what is there goes out. done() turns true soon.
  void finish(std::uint64_t now_us);
  bool done() const { return done_; }
  int exit_code() const { return exit_code_; }
  const std::string& last_sentence() const { return last_sentence_; }
  std::uint64_t samples_skipped() const { return samples_skipped_; }
  bool has_source() const { return !runs_.empty() && !runs_.back()->closing; }

  void on_source_begin(std::uint64_t now_us) override;
  void on_source_media(RtmpMessage message, std::uint64_t now_us) override;
  void on_source_end() override;

 private:
  // One ffmpeg and what belongs to it.
  struct Run {
    explicit Run(bool own_arrival) : pipeline(own_arrival) {}
    MediaPipeline pipeline;
    bool started = false;
    bool closing = false;
    std::uint64_t kill_at_us = 0;
  };
  void give_to_ffmpeg(std::uint64_t now_us);
  void close_run(Run& run, std::uint64_t now_us);
  void drain_front(std::uint64_t now_us);
  void on_packager_event(PackagerEvent event, std::uint64_t now_us);
  void on_answer(SinkAnswer answer);
  void on_run_over(const Run& run, std::uint64_t now_us);
  void on_time(std::uint64_t now_us);
  void stop_with(int code, std::string sentence);
  bool input_is_file() const;

  PublisherOptions options_;
  StreamSink& sink_;
  std::unique_ptr<RtmpServer> server_;
  std::optional<MediaFeed> feed_;
  std::deque<std::unique_ptr<Run>> runs_;  // the back one takes media, those before it only drain
  std::uint64_t now_us_ = 0;
  std::uint64_t first_epoch_us_ = 0;
  std::uint64_t source_gone_us_ = 0;
  std::uint64_t retry_at_us_ = 0;
  std::uint64_t retry_wait_us_ = 0;
  std::uint64_t finish_by_us_ = 0;
  unsigned barren_runs_ = 0;
  bool adts_ = true;   // how the next run of --input reads its sound; the other way after a run without media
  bool open_ = false;  // an epoch runs that was not ended
  bool finishing_ = false;
  bool done_ = false;
  int exit_code_ = 0;
  std::uint64_t samples_skipped_ = 0;
  std::string last_sentence_;
};

}  // namespace streamr::publisher
