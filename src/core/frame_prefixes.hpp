// Decides nothing new: keeps the octets in front of a CHUNK and of each of its SLICEs, so that subscribers with equal
// numbers share them. Never holds more than the few chunks that were asked for last. Called by core/node_pump.
#pragma once

#include <array>
#include <cstddef>

#include "core/store.hpp"

namespace streamr::core {

class FramePrefixes {
 public:
  SharedBytes chunk(const ChunkPtr& chunk, std::uint16_t sub, std::uint32_t ref);
  SharedBytes slice(const ChunkPtr& chunk, std::uint16_t sub, std::uint32_t ref, std::uint16_t index);
  void clear() { kept_ = {}; }

 private:
  struct Entry {
    ChunkPtr chunk;
    std::uint16_t sub = 0;
    std::uint32_t ref = 0;
    SharedBytes octets;  // of the chunk, then of each slice by index
  };
  const SharedBytes& find(const ChunkPtr& chunk, std::uint16_t sub, std::uint32_t ref);

  std::array<Entry, 8> kept_;
  std::size_t newest_ = 0, oldest_ = 0;
};

}  // namespace streamr::core
