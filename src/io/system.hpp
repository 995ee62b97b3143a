// Decides what time it is and where randomness comes from: the only readers of clock and entropy in the library.
// Never caches; never fails in silence.
// Called by runtime and capi.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/types.hpp"

namespace streamr::io {

// CLOCK_MONOTONIC and CLOCK_REALTIME, read one after the other.
Now read_clocks();

// Fills `out` from the system's generator; false where the system has none to give.
bool fill_random(std::span<std::uint8_t> out);

}  // namespace streamr::io
