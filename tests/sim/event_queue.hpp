// Decides the order in which things happen in the simulated network: by time, and at one time by the order of planning.
// Never looks at a clock; the time of the newest event is the time.
// Called by tests/sim/network.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace streamr::sim {

enum class Kind : std::uint8_t { wake, dial_accept, dial_done, arrive, departed, closed, http_answer, script };

// Small and plain: millions of them are moved about. `a` and `b` mean what the kind says.
struct Event {
  std::uint64_t at_us = 0;
  std::uint64_t order = 0;
  Kind kind = Kind::wake;
  std::uint32_t host = 0;
  std::uint64_t a = 0;
  std::uint64_t b = 0;
};

class EventQueue {
 public:
  void push(std::uint64_t at_us, Kind kind, std::uint32_t host, std::uint64_t a = 0, std::uint64_t b = 0) {
    heap_.push_back({at_us, next_order_++, kind, host, a, b});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  bool empty() const { return heap_.empty(); }
  std::uint64_t next_us() const { return heap_.front().at_us; }
  Event pop() {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const Event event = heap_.back();
    heap_.pop_back();
    return event;
  }

  // Brings forward what `is_meant` says and would come after that time; what was planned first still comes first.
  template <class IsMeant>
  void hasten(std::uint64_t to_us, IsMeant is_meant) {
    for (Event& event : heap_)
      if (event.at_us > to_us && is_meant(event)) event.at_us = to_us;
    std::make_heap(heap_.begin(), heap_.end(), later);
  }

 private:
  static bool later(const Event& x, const Event& y) { return x.at_us != y.at_us ? x.at_us > y.at_us : x.order > y.order; }

  std::vector<Event> heap_;
  std::uint64_t next_order_ = 0;
};

}  // namespace streamr::sim
