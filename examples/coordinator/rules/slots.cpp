#include "coordinator/rules/slots.hpp"

#include <algorithm>

namespace coordinator {
namespace {

bool reachable_before(const std::vector<Check>& checks, int64_t end_ms) {
  bool found = false;
  int64_t newest = 0;
  bool passed = true;
  for (const Check& check : checks) {
    if (check.at_ms >= end_ms || (found && check.at_ms < newest)) continue;
    passed = found && check.at_ms == newest ? passed || check.passed : check.passed;
    newest = check.at_ms;
    found = true;
  }
  return passed;
}

}  // namespace

SlotBits slots_of_hour(const std::vector<Beat>& beats, const std::vector<Check>& checks, int64_t start_ms) {
  SlotBits bits;
  for (const Beat& beat : beats) {
    const int64_t span = std::max<int64_t>(kSlotMs, beat.heartbeat_ms + beat.heartbeat_ms / 2);
    // Slot ends E with beat < E <= beat + span.
    const int64_t since = beat.at_ms - start_ms;
    if (since >= kHourMs || since + span < kSlotMs) continue;
    const int64_t first = since < 0 ? 0 : since / kSlotMs;
    const int64_t last = std::min<int64_t>(kSlotsAnHour, (since + span) / kSlotMs);
    for (int64_t i = first; i < last; ++i) bits.set(static_cast<size_t>(i));
  }
  if (checks.empty()) return bits;
  for (size_t i = 0; i < bits.size(); ++i) {
    if (bits[i] && !reachable_before(checks, start_ms + kSlotMs * static_cast<int64_t>(i + 1))) bits.reset(i);
  }
  return bits;
}

}  // namespace coordinator
