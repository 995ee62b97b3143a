#include <doctest/doctest.h>

#include "capi/event_queue.hpp"

using namespace streamr;
using streamr::capi::EventQueue;

namespace {

core::NodeEvent event(std::uint32_t kind, std::int64_t value = 0, core::WatchId watch = 0) {
  core::NodeEvent out;
  out.kind = kind;
  out.value = value;
  out.watch = watch;
  return out;
}

std::optional<core::NodeEvent> take(EventQueue& queue) {
  bool relieved = false;
  return queue.pop(0, relieved);
}

}  // namespace

TEST_CASE("a full queue says so to chunks and keeps every one of them") {
  EventQueue queue(2, nullptr, nullptr);
  CHECK_FALSE(queue.push(event(STREAMR_EVENT_CHUNK, 1)));
  CHECK(queue.push(event(STREAMR_EVENT_CHUNK, 2)));
  CHECK(queue.push(event(STREAMR_EVENT_CHUNK, 3)));
  for (const int value : {1, 2, 3}) CHECK(take(queue)->value == value);
  CHECK_FALSE(take(queue));
}

TEST_CASE("relief is told once, when half of the queue is free again") {
  EventQueue queue(4, nullptr, nullptr);
  for (int i = 0; i < 4; ++i) queue.push(event(STREAMR_EVENT_CHUNK, i));
  std::vector<bool> told;
  for (int i = 0; i < 4; ++i) {
    bool relieved = false;
    queue.pop(0, relieved);
    told.push_back(relieved);
  }
  CHECK(told == std::vector<bool>{false, true, false, false});
}

TEST_CASE("in a full queue a newer figure replaces the older one of the same thing, errors never do") {
  EventQueue queue(2, nullptr, nullptr);
  queue.push(event(STREAMR_EVENT_UPSTREAM, 1, 7));
  queue.push(event(STREAMR_EVENT_UPSTREAM, 1, 8));
  queue.push(event(STREAMR_EVENT_UPSTREAM, 0, 7));
  queue.push(event(STREAMR_EVENT_ERROR, -1));
  queue.push(event(STREAMR_EVENT_ERROR, -2));
  const auto first = take(queue), second = take(queue), third = take(queue), fourth = take(queue);
  CHECK(first->watch == 7);
  CHECK(first->value == 0);
  CHECK(second->watch == 8);
  CHECK(third->value == -1);
  CHECK(fourth->value == -2);
  CHECK_FALSE(take(queue));
}

TEST_CASE("the host is woken once for all that waits") {
  int woken = 0;
  EventQueue queue(
      8, [](void* user) { ++*static_cast<int*>(user); }, &woken);
  queue.push(event(STREAMR_EVENT_READY));
  queue.push(event(STREAMR_EVENT_ENDED));
  CHECK(woken == 1);
  take(queue);
  queue.push(event(STREAMR_EVENT_READY));
  CHECK(woken == 1);
  take(queue);
  take(queue);
  queue.push(event(STREAMR_EVENT_READY));
  CHECK(woken == 2);
}

TEST_CASE("a closed queue takes nothing more, gives what it has, and waits for nobody") {
  EventQueue queue(8, nullptr, nullptr);
  queue.push(event(STREAMR_EVENT_STOPPED));
  queue.close();
  queue.push(event(STREAMR_EVENT_READY));
  bool relieved = false;
  CHECK(queue.pop(UINT32_MAX, relieved)->kind == STREAMR_EVENT_STOPPED);
  CHECK_FALSE(queue.pop(UINT32_MAX, relieved));
  CHECK(queue.finished());
}
