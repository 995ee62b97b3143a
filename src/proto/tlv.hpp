// Decides the bytes of the type-length-value fields that may follow a frame's fixed part (protocol §3).
// Never knows what a value means; the frame that owns the type reads it.
// Called by frame_decode.cpp; frame_encode.cpp writes the one TLV that there is.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace streamr::proto {

constexpr std::uint16_t tlv_may_be_ignored = 0x8000;
constexpr std::uint16_t tlv_tracks = 1;  // HAVE

struct Tlv {
  std::uint16_t type = 0;
  ByteView value;  // a view into the message
};

// Keeps the types listed in `known`; [2] a cut one, an unknown one that may not be ignored, a known one twice;
// [4] more than 16, or a value above 1024 octets.
Result<std::vector<Tlv>> read_tlvs(ByteView bytes, std::span<const std::uint16_t> known);

}  // namespace streamr::proto
