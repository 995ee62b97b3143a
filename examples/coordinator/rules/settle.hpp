// Decides what each node earns from a stream's hour under uptime_v0: income, smoothing, alloc by slots, surplus.
// Never pays twice for an hour; that an hour is closed once is the store's promise.
// Called by app/hours for closed hours and for the running one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/rules/money.hpp"

namespace coordinator {

struct NodeSlots {
  std::string id;          // ties go to the smaller one
  bool is_origin = false;  // the operator's own: paid only where no other node served
  int64_t slots = 0;
};

struct StreamHour {
  int64_t income = 0;  // of the hour, micro-units
  int64_t target_before = 0;
  int64_t fund_before = 0;
  std::vector<NodeSlots> nodes;
};

struct SettledHour {
  bool served = false;  // false: no slot counted, nothing is divided
  int64_t pool = 0;
  int64_t target_after = 0;
  int64_t fund_after = 0;
  int64_t surplus = 0;
  std::vector<Share> pay;  // in the order of the nodes
};

SettledHour settle_uptime_v0(const StreamHour& hour);

// alloc of a pool by slots alone, as the seed documents' formula has it.
std::vector<Share> divide_by_slots(int64_t pool, const std::vector<NodeSlots>& nodes);

}  // namespace coordinator
