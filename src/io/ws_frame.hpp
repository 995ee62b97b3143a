// Decides the octets around a WebSocket payload (RFC 6455 §5.2): opcodes, and the mask, a word at a time.
// Never keeps state. Called by ws_receiver, ws_client and connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/bytes.hpp"

namespace streamr::io {

namespace ws_opcode {
constexpr std::uint8_t continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10;
}  // namespace ws_opcode

using WsMask = std::array<std::uint8_t, 4>;

// Copies `from` to `to` under the mask; `place` is that of from[0] in its frame. The two may be the same octets.
inline void ws_mask(std::uint8_t* to, ByteView from, const WsMask& mask, std::uint64_t place) {
  std::uint8_t turned[8];
  for (std::size_t i = 0; i < sizeof turned; ++i) turned[i] = mask[(place + i) % 4];
  std::uint64_t word = 0;
  std::memcpy(&word, turned, sizeof word);
  std::size_t at = 0;
  for (; at + sizeof word <= from.size(); at += sizeof word) {
    std::uint64_t octets = 0;
    std::memcpy(&octets, from.data() + at, sizeof octets);
    octets ^= word;
    std::memcpy(to + at, &octets, sizeof octets);
  }
  for (; at < from.size(); ++at) to[at] = from[at] ^ turned[at % 8];
}

}  // namespace streamr::io
