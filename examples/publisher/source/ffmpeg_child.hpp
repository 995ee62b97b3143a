// Decides: how ffmpeg runs beside us: its pipes, its end, and that it never outlives the program.
// Never: blocks the loop, opens a socket, or lets an address with a secret into the log.
// Called by: media_pipeline.
#pragma once

#include <poll.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace streamr::publisher {

// Replaces everything after scheme:// in a line, where user names, keys and tokens stand.
std::string without_addresses(std::string_view line);

class FfmpegChild {
 public:
  static constexpr std::size_t max_queued_bytes = 64u << 20;

  FfmpegChild() = default;
  ~FfmpegChild();
  FfmpegChild(const FfmpegChild&) = delete;
  FfmpegChild& operator=(const FfmpegChild&) = delete;

  // `arguments` without the program's name. False and a sentence where it cannot be started.
  bool start(const std::vector<std::string>& arguments, bool with_input, std::string& reason);
  bool running() const { return pid_ > 0; }

  void write(std::span<const std::uint8_t> bytes);
  // No more input: ffmpeg writes what it still holds and ends.
  void close_input();
  // ffmpeg reads so slowly that more than the limit waits.
  bool stuck() const { return queued_.size() - queued_at_ > max_queued_bytes; }

  void add_descriptors(std::vector<pollfd>& out) const;
  // Entries as add_descriptors appended them. Media that came is appended to `media`.
  void on_ready(std::span<const pollfd> ready, std::vector<std::uint8_t>& media);
  // True once its output is at an end; then exit_code() tells how it ended.
  bool finished() const { return finished_; }
  int exit_code() const { return exit_code_; }
  const std::string& last_words() const { return last_words_; }
  // Ends it at once.
  void kill();

 private:
  void flush();
  void read_media(std::vector<std::uint8_t>& media);
  void read_log();
  void log_words(std::string_view line);
  void reap(bool force);

  pid_t pid_ = -1;
  int in_ = -1, out_ = -1, err_ = -1;
  std::vector<std::uint8_t> queued_;
  std::size_t queued_at_ = 0;
  bool close_wanted_ = false;
  bool finished_ = false;
  int exit_code_ = -1;
  std::string words_;
  std::string last_words_;
  std::size_t lines_logged_ = 0;
};

}  // namespace streamr::publisher
