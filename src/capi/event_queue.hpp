// Decides which events wait for the host and how it is woken: bounded, chunks push back instead of being lost, errors
// are never lost, the others coalesce when the queue is full. Never blocks the loop's thread and never calls the
// library. Called by node_host (pushing, on the loop's thread) and streamr_node_poll (taking).
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>

#include "core/node.hpp"
#include "io/wake_fd.hpp"

namespace streamr::capi {

class EventQueue {
 public:
  EventQueue(std::size_t bound, void (*wakeup)(void*), void* user) : bound_(bound), wakeup_(wakeup), user_(user) {}

  // True: the queue is full now, chunks have to wait with their senders.
  bool push(core::NodeEvent event);
  // Waits up to `timeout_ms` (UINT32_MAX: without end). `relieved` is set when a full queue became half empty.
  std::optional<core::NodeEvent> pop(std::uint32_t timeout_ms, bool& relieved);
  // Wakes a waiting pop for good; what is queued can still be taken.
  void close();
  bool finished() const;  // closed and empty
  int fd() const { return wake_.fd(); }

 private:
  bool coalesce(const core::NodeEvent& event);

  const std::size_t bound_;
  void (*const wakeup_)(void*);
  void* const user_;
  io::WakeFd wake_;
  mutable std::mutex mutex_;
  std::condition_variable came_;
  std::deque<core::NodeEvent> events_;
  bool full_ = false;
  bool closed_ = false;
};

}  // namespace streamr::capi
