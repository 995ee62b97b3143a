// Decides which of an hour's 360 slots of ten seconds a node was up in (economics §3, Slots).
// Never looks at the clock: arrival times and checks are passed in.
// Called by the pay rules for closed hours, the running hour and sliding windows.
#pragma once

#include <bitset>
#include <cstdint>
#include <vector>

namespace coordinator {

constexpr int64_t kHourMs = 3'600'000;
constexpr int64_t kSlotMs = 10'000;
constexpr int64_t kSlotsAnHour = 360;

using SlotBits = std::bitset<kSlotsAnHour>;

struct Beat {
  int64_t at_ms = 0;
  int64_t heartbeat_ms = 0;  // the interval that was asked for when it arrived
};

struct Check {
  int64_t at_ms = 0;
  bool passed = false;
};

// Bit i is the slot that ends at start_ms + 10 s * (i + 1). A beat counts for every slot that ends after it, up to
// max(10 s, 1.5 x interval) later, where the newest check before that end, if any, passed.
SlotBits slots_of_hour(const std::vector<Beat>& beats, const std::vector<Check>& checks, int64_t start_ms);

}  // namespace coordinator
