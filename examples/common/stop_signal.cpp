#include "common/stop_signal.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace streamr::programs {
namespace {

// Signals belong to the process, so this state does as well; only lock-free atomics and write() are used in the handler.
std::atomic<int> stop_count{0};
std::atomic<bool> reload_wanted{false};
std::atomic<int> write_end{-1};
int read_end = -1;

void on_signal(int number) {
  const int saved = errno;
  if (number == SIGHUP) {
    reload_wanted = true;
  } else {
    ++stop_count;
  }
  const char byte = 1;
  [[maybe_unused]] const ssize_t written = write(write_end, &byte, 1);
  errno = saved;
}

void handle(int number, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, nullptr);
}

}  // namespace

StopSignal::StopSignal() {
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0) {
    read_end = ends[0];
    write_end = ends[1];
  }
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) handle(number, on_signal);
  handle(SIGPIPE, SIG_IGN);
  handle(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error of write(), not the end
}

StopSignal::~StopSignal() {
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) handle(number, SIG_DFL);
  close(read_end);
  close(write_end.exchange(-1));
  read_end = -1;
}

int StopSignal::fd() const { return read_end; }

bool StopSignal::requested() const { return stop_count > 0; }

int StopSignal::count() const { return stop_count; }

bool StopSignal::take_reload() {
  char bytes[64];
  while (read(read_end, bytes, sizeof bytes) > 0) {
  }
  return reload_wanted.exchange(false);
}

bool StopSignal::wait_ms(int timeout_ms) {
  pollfd entry = {read_end, POLLIN, 0};
  if (!requested()) poll(&entry, 1, timeout_ms);
  return requested();
}

}  // namespace streamr::programs
