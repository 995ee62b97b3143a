#include "core/frame_prefixes.hpp"

#include <algorithm>

namespace streamr::core {

namespace {

constexpr std::size_t prefix_bytes = 16;

}  // namespace

const SharedBytes& FramePrefixes::find(const ChunkPtr& chunk, std::uint16_t sub, std::uint32_t ref) {
  const auto fits = [&](const Entry& each) { return each.chunk == chunk && each.ref == ref && each.sub == sub; };
  if (fits(kept_[newest_])) return kept_[newest_].octets;
  for (std::size_t at = 0; at < kept_.size(); ++at)
    if (fits(kept_[at])) {
      newest_ = at;
      return kept_[at].octets;
    }
  const proto::ChunkHeader& header = chunk->header();
  ByteVector octets(prefix_bytes * (std::size_t{1} + header.slice_count));
  const auto first = proto::chunk_frame_prefix(sub, ref, chunk->leaves().size());
  std::copy(first.begin(), first.end(), octets.begin());
  for (std::uint16_t index = 0; index < header.slice_count; ++index) {
    const auto next = proto::slice_frame_prefix(sub, ref, index, header.slice_bytes(index));
    std::copy(next.begin(), next.end(), octets.begin() + static_cast<std::ptrdiff_t>(prefix_bytes * (index + 1u)));
  }
  newest_ = oldest_;
  oldest_ = (oldest_ + 1) % kept_.size();
  kept_[newest_] = Entry{chunk, sub, ref, SharedBytes::take(std::move(octets))};
  return kept_[newest_].octets;
}

SharedBytes FramePrefixes::chunk(const ChunkPtr& chunk, std::uint16_t sub, std::uint32_t ref) {
  return find(chunk, sub, ref).slice(0, prefix_bytes);
}

SharedBytes FramePrefixes::slice(const ChunkPtr& chunk, std::uint16_t sub, std::uint32_t ref, std::uint16_t index) {
  return find(chunk, sub, ref).slice(prefix_bytes * (std::size_t{1} + index), prefix_bytes);
}

}  // namespace streamr::core
