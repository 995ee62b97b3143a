// Decides how a host is woken: one descriptor that is readable while it is raised.
// Never blocks and never counts.
// Called by capi's event queue, and by runtime for hosts that drive the loop.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <new>
#if defined(__linux__)
#include <sys/eventfd.h>
#endif

namespace streamr::io {

class WakeFd {
 public:
  WakeFd() {
#if defined(__linux__)
    read_ = write_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (read_ < 0) throw std::bad_alloc();
#else
    int ends[2];
    if (pipe(ends) != 0) throw std::bad_alloc();
    for (const int end : ends) {
      fcntl(end, F_SETFL, O_NONBLOCK);
      fcntl(end, F_SETFD, FD_CLOEXEC);
    }
    read_ = ends[0];
    write_ = ends[1];
#endif
  }
  ~WakeFd() {
    ::close(read_);
    if (write_ != read_) ::close(write_);
  }
  WakeFd(const WakeFd&) = delete;
  WakeFd& operator=(const WakeFd&) = delete;

  int fd() const {
    return read_;
  }
  void raise() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(write_, &one, sizeof one);
  }
  void lower() {
    std::uint64_t octets = 0;
    while (::read(read_, &octets, sizeof octets) > 0 && read_ != write_) {
    }
  }

 private:
  int read_ = -1;
  int write_ = -1;
};

}  // namespace streamr::io
