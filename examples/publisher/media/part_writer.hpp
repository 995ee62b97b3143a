// Decides: the bytes of one part: a single moof with one traf per track, and its mdat.
// Never: chooses which samples belong to a part.
// Called by: packager.
#pragma once

#include "publisher/media/fragment.hpp"

namespace streamr::publisher {

struct PartTrack {
  std::uint32_t track_id = 0;
  TrackKind kind = TrackKind::other;
  std::vector<Sample> samples;  // times run on without a hole inside a part
};

// Tracks without samples are left out. `sequence` counts parts from 1.
Bytes write_part(std::uint32_t sequence, const std::vector<PartTrack>& tracks);

}  // namespace streamr::publisher
