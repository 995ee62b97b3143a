// Decides: which samples a movie fragment (moof + mdat) holds, with their times, lengths and key-frame marks.
// Never: trusts an offset, a count or a length.
// Called by: mp4_reader.
#pragma once

#include "publisher/media/init_section.hpp"

namespace streamr::publisher {

struct Sample {
  std::uint64_t dts = 0;       // in the track's timescale
  std::uint32_t duration = 0;  // likewise
  std::int32_t cts = 0;        // presentation minus decode time
  bool key = false;            // a decoder can start here
  bool whole = true;           // false: the bytes are damaged
  Bytes bytes;
};

struct TrackSamples {
  std::uint32_t track_id = 0;
  std::vector<Sample> samples;
};

inline constexpr std::size_t max_samples_in_fragment = 65536;

// `moof` is the whole box with its header, `mdat` the payload that follows and `mdat_header_bytes` the header between.
// Nothing where the fragment contradicts itself.
std::optional<std::vector<TrackSamples>> read_fragment(const InitSection& init, ByteSpan moof, ByteSpan mdat,
                                                       std::size_t mdat_header_bytes);

}  // namespace streamr::publisher
