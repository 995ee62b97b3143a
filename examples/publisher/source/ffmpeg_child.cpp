#include "publisher/source/ffmpeg_child.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "common/log.hpp"

namespace streamr::publisher {
namespace {

constexpr std::size_t read_bytes = 256u << 10;
constexpr std::size_t longest_line = 400;
constexpr std::size_t most_lines = 200;  // of one run; ffmpeg repeats itself over a broken source
constexpr int exec_failed = 127;

struct Pipe {
  int ends[2] = {-1, -1};
  bool open() { return pipe2(ends, O_CLOEXEC) == 0; }
  void close_all() {
    for (int& end : ends) {
      if (end >= 0) close(end);
      end = -1;
    }
  }
  int take(int i) { return std::exchange(ends[i], -1); }
};

// Only calls that are safe between fork and exec of a program with threads.
[[noreturn]] void become_ffmpeg(char* const* arguments, int in, int out, int err, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(exec_failed);
  setpgid(0, 0);  // Ctrl-C is for us; we decide when ffmpeg ends
  const int input = in >= 0 ? in : open("/dev/null", O_RDONLY);
  dup2(input, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  for (const int number : {SIGPIPE, SIGTERM, SIGINT, SIGHUP}) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execvp(arguments[0], arguments);
  _exit(exec_failed);
}

void set_nonblocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

void close_fd(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

}  // namespace

std::string without_addresses(std::string_view line) {
  std::string out;
  while (true) {
    const std::size_t mark = line.find("://");
    if (mark == std::string_view::npos) return out + std::string(line);
    out += line.substr(0, mark + 3);
    out += "...";
    const std::size_t end = line.find_first_of(" '\"", mark);
    if (end == std::string_view::npos) return out;
    line = line.substr(end);
  }
}

FfmpegChild::~FfmpegChild() { kill(); }

bool FfmpegChild::start(const std::vector<std::string>& arguments, bool with_input, std::string& reason) {
  Pipe in, out, err;
  if ((with_input && !in.open()) || !out.open() || !err.open()) {
    reason = std::string("no pipe to ffmpeg could be made: ") + std::strerror(errno);
    for (Pipe* pipe : {&in, &out, &err}) pipe->close_all();
    return false;
  }
  std::vector<std::string> words = {"ffmpeg"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) become_ffmpeg(pointers.data(), in.ends[0], out.ends[1], err.ends[1], parent);
  const int error = errno;
  if (pid_ > 0) {
    in_ = in.take(1);
    out_ = out.take(0);
    err_ = err.take(0);
    for (const int fd : {in_, out_, err_}) {
      if (fd >= 0) set_nonblocking(fd);
    }
#ifdef F_SETPIPE_SZ
    if (in_ >= 0) fcntl(in_, F_SETPIPE_SZ, 1 << 20);
    fcntl(out_, F_SETPIPE_SZ, 1 << 20);
#endif
  } else {
    reason = std::string("ffmpeg could not be started: ") + std::strerror(error);
  }
  for (Pipe* pipe : {&in, &out, &err}) pipe->close_all();
  return pid_ > 0;
}

void FfmpegChild::write(std::span<const std::uint8_t> bytes) {
  if (in_ < 0) return;
  queued_.insert(queued_.end(), bytes.begin(), bytes.end());
  flush();
}

void FfmpegChild::close_input() {
  close_wanted_ = true;
  flush();
}

void FfmpegChild::flush() {
  while (in_ >= 0 && queued_at_ < queued_.size()) {
    const ssize_t count = ::write(in_, queued_.data() + queued_at_, queued_.size() - queued_at_);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) break;
    if (count < 0) {
      close_fd(in_);
      queued_.clear();
      queued_at_ = 0;
      return;
    }
    queued_at_ += static_cast<std::size_t>(count);
  }
  if (queued_at_ == queued_.size()) {
    queued_.clear();
    queued_at_ = 0;
    if (close_wanted_) close_fd(in_);
  }
}

void FfmpegChild::add_descriptors(std::vector<pollfd>& out) const {
  out.push_back({out_, POLLIN, 0});
  out.push_back({err_, POLLIN, 0});
  out.push_back({queued_.empty() ? -1 : in_, POLLOUT, 0});
}

void FfmpegChild::on_ready(std::span<const pollfd> ready, std::vector<std::uint8_t>& media) {
  if (ready.size() < 3 || pid_ <= 0) return;
  if (ready[1].revents != 0) read_log();
  if (ready[0].revents != 0) read_media(media);
  if (ready[2].revents != 0) flush();
  if (out_ < 0) reap(false);
}

void FfmpegChild::read_media(std::vector<std::uint8_t>& media) {
  std::uint8_t bytes[read_bytes];
  for (int turn = 0; turn < 8; ++turn) {
    const ssize_t count = read(out_, bytes, sizeof bytes);
    if (count > 0) {
      media.insert(media.end(), bytes, bytes + count);
      continue;
    }
    if (count == 0 || (errno != EAGAIN && errno != EINTR)) close_fd(out_);
    return;
  }
}

void FfmpegChild::read_log() {
  char bytes[4096];
  const ssize_t count = read(err_, bytes, sizeof bytes);
  if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) close_fd(err_);
  if (count <= 0) return;
  words_.append(bytes, static_cast<std::size_t>(count));
  std::size_t end;
  while ((end = words_.find_first_of("\r\n")) != std::string::npos) {
    log_words(std::string_view(words_).substr(0, end));
    words_.erase(0, end + 1);
  }
  if (words_.size() > longest_line) words_.clear();
}

void FfmpegChild::log_words(std::string_view line) {
  if (line.empty()) return;
  last_words_ = without_addresses(line.substr(0, longest_line));
  if (++lines_logged_ <= most_lines) programs::log_debug("ffmpeg", last_words_);
}

void FfmpegChild::reap(bool force) {
  int status = 0;
  const pid_t ended = waitpid(pid_, &status, force ? 0 : WNOHANG);
  if (ended == 0) return;
  if (err_ >= 0) read_log();
  exit_code_ = ended > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  if (exit_code_ == exec_failed && last_words_.empty()) last_words_ = "the program ffmpeg was not found; install it";
  pid_ = -1;
  finished_ = true;
  close_fd(in_);
  close_fd(err_);
}

void FfmpegChild::kill() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    reap(true);
  }
  close_fd(in_);
  close_fd(out_);
  close_fd(err_);
}

}  // namespace streamr::publisher
