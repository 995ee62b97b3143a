#include "capi/event_queue.hpp"

#include <algorithm>
#include <chrono>

namespace streamr::capi {

bool EventQueue::push(core::NodeEvent event) {
  bool was_empty = false, full = false;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return false;
    was_empty = events_.empty();
    const bool chunk = event.kind == STREAMR_EVENT_CHUNK;
    if (events_.size() < bound_ || !coalesce(event)) events_.push_back(std::move(event));
    if (events_.size() >= bound_ && chunk) full_ = true;  // nothing else can be held back at its sender
    full = full_;
    if (was_empty) wake_.raise();
  }
  came_.notify_one();
  if (was_empty && wakeup_) wakeup_(user_);
  return full;
}

// A newer figure about the same thing replaces the one that waits; a chunk or an error replaces nothing.
bool EventQueue::coalesce(const core::NodeEvent& event) {
  if (event.kind == STREAMR_EVENT_CHUNK || event.kind == STREAMR_EVENT_ERROR || event.kind == STREAMR_EVENT_STOPPED)
    return false;
  const auto same = std::find_if(events_.rbegin(), events_.rend(), [&](const core::NodeEvent& waiting) {
    return waiting.kind == event.kind && waiting.watch == event.watch && waiting.publication == event.publication &&
           waiting.stream == event.stream;
  });
  if (same == events_.rend()) return false;
  *same = event;
  return true;
}

std::optional<core::NodeEvent> EventQueue::pop(std::uint32_t timeout_ms, bool& relieved) {
  std::unique_lock lock(mutex_);
  const auto ready = [this] { return closed_ || !events_.empty(); };
  if (timeout_ms == UINT32_MAX)
    came_.wait(lock, ready);
  else if (timeout_ms != 0)
    came_.wait_for(lock, std::chrono::milliseconds(timeout_ms), ready);
  if (events_.empty()) return std::nullopt;
  core::NodeEvent event = std::move(events_.front());
  events_.pop_front();
  if (events_.empty()) wake_.lower();
  relieved = full_ && events_.size() <= bound_ / 2;
  if (relieved) full_ = false;
  return event;
}

void EventQueue::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  came_.notify_all();
}

bool EventQueue::finished() const {
  const std::lock_guard lock(mutex_);
  return closed_ && events_.empty();
}

}  // namespace streamr::capi
