#include "proto/tlv.hpp"

#include <algorithm>

#include "base/types.hpp"
#include "proto/refusal.hpp"

namespace streamr::proto {

Result<std::vector<Tlv>> read_tlvs(ByteView bytes, std::span<const std::uint16_t> known) {
  constexpr std::size_t start_bytes = 4;
  std::vector<Tlv> kept;
  for (std::size_t count = 1; !bytes.empty(); ++count) {
    if (count > limits::tlvs) return over_limit("TLVs: expected at most 16, came more");
    if (bytes.size() < start_bytes) return malformed("TLV: expected 4 octets of type and length, came fewer");
    const std::uint16_t type = load_u16(bytes.data());
    const std::size_t length = load_u16(bytes.data() + 2);
    if (length > limits::tlv_bytes)
      return over_limit("TLV: expected at most 1024 octets, came " + std::to_string(length));
    bytes = bytes.subspan(start_bytes);
    if (length > bytes.size()) return malformed(expected_came("TLV value", length, bytes.size()));
    if (std::find(known.begin(), known.end(), type) != known.end()) {
      const bool twice = std::any_of(kept.begin(), kept.end(), [&](const Tlv& tlv) { return tlv.type == type; });
      if (twice) return malformed("TLV " + std::to_string(type) + ": expected once, came twice");
      kept.push_back({type, bytes.first(length)});
    } else if ((type & tlv_may_be_ignored) == 0) {
      return malformed("TLV: expected a known type or one that may be ignored, came " + std::to_string(type));
    }
    bytes = bytes.subspan(length);
  }
  return kept;
}

}  // namespace streamr::proto
