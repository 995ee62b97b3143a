// Decides how somebody who connects is still sent away where a process has no free descriptor: one is held back for it,
// shared by every loop of a port. Without it newcomers would wait in the queue until the kernel forgot them. Never
// costs a lock while descriptors are free. Any thread. Called by server.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <utility>

namespace streamr::io {

class SpareDescriptor {
 public:
  SpareDescriptor() { hold(); }
  ~SpareDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  SpareDescriptor(const SpareDescriptor&) = delete;
  SpareDescriptor& operator=(const SpareDescriptor&) = delete;

  enum class Refused { one, nobody, cannot };

  // Accepts one connection and closes it. `cannot`: somebody else took the spare descriptor while it was free.
  Refused refuse_one(int listener) {
    const std::lock_guard turn(mutex_);
    away_ = true;
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    const int newcomer = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (newcomer >= 0) ::close(newcomer);
    hold();
    return newcomer >= 0 ? Refused::one : fd_ >= 0 ? Refused::nobody : Refused::cannot;
  }

  // True: the connection just accepted got the spare descriptor, and is closed to have it back.
  bool takes_back(int accepted) {
    if (!away_) return false;
    const std::lock_guard turn(mutex_);
    if (fd_ >= 0) return false;
    ::close(accepted);
    hold();
    return true;
  }

 private:
  void hold() {
    if (fd_ < 0) fd_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    away_ = fd_ < 0;
  }

  std::mutex mutex_;
  std::atomic<bool> away_ = true;
  int fd_ = -1;
};

}  // namespace streamr::io
