// Decides: how tests run real ffmpeg processes against a publisher in this process, bounded in time.
// Never: uses a fixed port or waits without looking.
// Called by: ffmpeg_test, rtmp_server_test.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "publisher/publisher.hpp"

namespace streamr::publisher {

inline std::uint64_t wall_us() {
  using namespace std::chrono;
  return static_cast<std::uint64_t>(duration_cast<microseconds>(system_clock::now().time_since_epoch()).count());
}

// Output of a shell command, standard error included.
inline std::string output_of(const std::string& command) {
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string text;
  std::array<char, 4096> buffer{};
  while (std::size_t count = fread(buffer.data(), 1, buffer.size(), pipe)) text.append(buffer.data(), count);
  pclose(pipe);
  return text;
}

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "streamr-publisher-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

inline const std::string picture = " -f lavfi -i testsrc2=s=320x180:r=30 ";
inline const std::string sound = " -f lavfi -i sine=f=440:r=48000 ";
inline std::string encoder(int gop) {
  return " -c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p -x264-params scenecut=0 -g " +
         std::to_string(gop) + " -c:a aac ";
}

// A child that is ended with the test.
class Child {
 public:
  explicit Child(const std::string& command) {
    pid_ = fork();
    if (pid_ == 0) {
      setpgid(0, 0);
      const int null = open("/dev/null", O_RDWR);
      for (const int fd : {0, 1, 2}) dup2(null, fd);
      execl("/bin/sh", "sh", "-c", ("exec " + command).c_str(), nullptr);
      _exit(127);
    }
  }
  ~Child() {
    if (!ended()) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  bool ended() {
    if (!ended_ && waitpid(pid_, &status_, WNOHANG) == pid_) ended_ = true;
    return ended_;
  }
  int exit_code() const { return WIFEXITED(status_) ? WEXITSTATUS(status_) : -1; }

 private:
  pid_t pid_;
  int status_ = 0;
  bool ended_ = false;
};

// Keeps what a publisher gives out, as a viewer's file would.
class FileSink : public StreamSink {
 public:
  SinkAnswer open_epoch(const EpochBegin& begin) override {
    epochs.push_back(begin);
    files.emplace_back(begin.init->bytes);
    return SinkAnswer::taken;
  }
  SinkAnswer push(MediaPart part) override {
    late_us.push_back(static_cast<std::int64_t>(wall_us() - part.capture_time_us));
    files.back().insert(files.back().end(), part.bytes.begin(), part.bytes.end());
    part.bytes.clear();
    parts.push_back(std::move(part));
    return SinkAnswer::taken;
  }
  void end() override { ++ends; }
  const std::string& reason() const override { return reason_; }

  std::vector<EpochBegin> epochs;
  std::vector<MediaPart> parts;
  std::vector<Bytes> files;  // one per epoch
  std::vector<std::int64_t> late_us;
  int ends = 0;

 private:
  std::string reason_;
};

// A publisher that listens on a free port, driven until something holds.
struct Studio {
  explicit Studio(std::string input = {}) : publisher(PublisherOptions{std::move(input), key, 0}, sink) {}

  std::string listen() {
    std::string reason;
    REQUIRE(publisher.server().open("127.0.0.1", 0, reason) == RtmpServer::Opened::yes);
    return "rtmp://" + publisher.server().address() + "/live/";
  }
  bool run_until(const std::function<bool()>& holds, int seconds) {
    const std::uint64_t end_us = wall_us() + static_cast<std::uint64_t>(seconds) * 1'000'000;
    while (!holds()) {
      if (wall_us() > end_us) return false;
      std::vector<pollfd> entries;
      publisher.add_descriptors(entries);
      poll(entries.data(), entries.size(), 20);
      publisher.on_ready(entries, wall_us());
    }
    return true;
  }

  static inline const std::string key = "studio-key";
  FileSink sink;
  Publisher publisher;
};

inline void write_file(const std::string& path, const Bytes& bytes) {
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace streamr::publisher
