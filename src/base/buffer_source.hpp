// Decides how the core comes by room for payloads without knowing where it lies: on the heap, or in a file of memory
// whose pages io can hand to the kernel.
// Never frees by itself: the room goes with the last SharedBytes that shows it.
// Called by core/store; implemented by io/memory_file.
#pragma once

#include <optional>

#include "base/bytes.hpp"

namespace streamr {

// Room that is filled once through `fill` and read through `shared` only where it was filled.
struct SharedRoom {
  SharedBytes shared;
  std::uint8_t* fill = nullptr;
};

class BufferSource {
 public:
  virtual ~BufferSource() = default;
  // Nothing where it has none of this size to give; the heap has.
  virtual std::optional<SharedRoom> room(std::size_t octets) = 0;
};

}  // namespace streamr
