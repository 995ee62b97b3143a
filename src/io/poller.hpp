// Decides how thousands of sockets share one loop: each is registered once, edge-triggered, in an epoll set of its own
// that the uv loop watches as one descriptor, so that no byte costs a call to change what is waited for. Never reads or
// writes by itself; never lets one socket keep the others waiting. Runs on the loop's thread only. Called by transport
// and server.
#pragma once

#include <uv.h>

#include <cstdint>
#include <vector>

namespace streamr::io {

class Poller {
 public:
  // Something that waits on a descriptor.
  class Watcher {
   public:
    virtual ~Watcher() = default;
    // `events` are epoll's; more may follow only after everything was taken that was there.
    virtual void on_ready(std::uint32_t events) = 0;

   private:
    friend class Poller;
    bool again_ = false;
  };

  explicit Poller(uv_loop_t* loop);
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  int open();  // 0 or libuv's error
  int add(int fd, Watcher& watcher);
  // Before the descriptor is closed. What the kernel told of it already is forgotten.
  void remove(int fd, Watcher& watcher);
  // Calls on_ready(EPOLLIN) once more before the loop sleeps: for who stopped although more may be there.
  void again(Watcher& watcher);

  void close();
  bool idle() const { return !poll_open_ && !idle_open_; }

 private:
  void turn();
  void turn_again();

  uv_loop_t* loop_;
  int epoll_ = -1;
  uv_poll_t poll_{};
  uv_idle_t awake_{};
  bool poll_open_ = false, idle_open_ = false;
  std::vector<Watcher*> again_, again_now_;
  std::vector<Watcher*> batch_;  // of the turn under way; null: removed meanwhile
};

}  // namespace streamr::io
