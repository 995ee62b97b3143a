// Decides: which RTMP media messages form the FLV that ffmpeg reads, from which key frame on, and when they arrived.
// Never: decodes, and never changes a payload.
// Called by: rtmp_source. One feed per publishing connection.
#pragma once

#include <deque>
#include <utility>

#include "publisher/media/capture_clock.hpp"
#include "publisher/rtmp/chunk_stream.hpp"

namespace streamr::publisher {

class MediaFeed {
 public:
  static constexpr std::size_t max_gathered_bytes = 64u << 20;
  static constexpr std::uint64_t wait_for_audio_us = 700'000;
  static constexpr std::uint64_t wait_for_video_us = 2'000'000;
  static constexpr std::int32_t longest_jump_ms = 3'000;
  static constexpr std::int32_t longest_return_ms = 1'000;

  void on_message(RtmpMessage message, std::uint64_t now_us);
  // Decides again without a message: a track that was waited for does not come.
  void on_time(std::uint64_t now_us);
  // Whoever read the FLV is gone: the next key frame begins a new one.
  void begin_anew() { restart(); restart_ = false; }
  // FLV bytes for ffmpeg, empty while tracks are still waited for.
  std::vector<std::uint8_t> take_bytes() { return std::exchange(output_, {}); }
  // The coding changed or the times jumped: what was given so far is a finished stream, what follows is a new one.
  bool take_restart() { return std::exchange(restart_, false); }
  bool running() const { return running_; }
  bool failed() const { return failed_; }
  std::uint64_t skipped() const { return skipped_; }
  const ArrivalEstimate& arrival() const { return arrival_; }

 private:
  enum class Role : std::uint8_t { useless, video_header, video_key, video, audio_header, audio, metadata };
  struct Item {
    RtmpMessage message;
    Role role;
    std::uint64_t arrival_us;
  };
  static Role role_of(const RtmpMessage& message);
  void note_metadata(const RtmpMessage& message);
  bool take_header(std::vector<std::uint8_t>& kept, RtmpMessage& message);
  bool times_jump(const RtmpMessage& message);
  void begin_if_known(std::uint64_t now_us);
  void begin(bool with_video);
  void restart();
  void write(const RtmpMessage& message, std::uint64_t arrival_us, bool lead);
  void write_tag(std::uint8_t type, std::uint32_t time_ms, const std::vector<std::uint8_t>& payload);

  bool running_ = false;
  bool restart_ = false;
  bool failed_ = false;
  bool with_video_ = false;
  bool says_video_ = true;   // until metadata tells otherwise
  bool says_audio_ = true;
  std::vector<std::uint8_t> video_header_;
  std::vector<std::uint8_t> audio_header_;
  std::deque<Item> gathered_;
  std::size_t gathered_bytes_ = 0;
  std::uint64_t first_us_ = 0;
  std::uint32_t base_ms_ = 0;
  std::int64_t last_video_ms_ = -1;
  std::int64_t last_audio_ms_ = -1;
  std::uint64_t skipped_ = 0;
  ArrivalEstimate arrival_;
  std::vector<std::uint8_t> output_;
};

}  // namespace streamr::publisher
