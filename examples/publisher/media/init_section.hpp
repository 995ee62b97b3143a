// Decides: what an init section (ftyp + moov) says about its tracks.
// Never: changes its bytes; they are published as they came.
// Called by: mp4_reader.
#pragma once

#include "publisher/media/boxes.hpp"
#include "publisher/media/nal.hpp"

namespace streamr::publisher {

enum class TrackKind : std::uint8_t { video, audio, other };

struct TrackInit {
  std::uint32_t id = 0;
  std::uint32_t timescale = 0;
  TrackKind kind = TrackKind::other;
  std::uint32_t sample_entry = 0;  // fourcc such as avc1
  VideoCoding coding = VideoCoding::other;
  std::uint8_t nal_length_bytes = 4;
  std::uint32_t default_duration = 0;  // from trex
  std::uint32_t default_size = 0;
  std::uint32_t default_flags = 0;
};

struct InitSection {
  Bytes bytes;
  std::vector<TrackInit> tracks;

  const TrackInit* find(std::uint32_t id) const;
  // The track that gives parts their times: the first video, else the first audio. Null where there is neither.
  const TrackInit* lead() const;
};

inline constexpr std::size_t max_tracks = 8;

// Reads the payload of a moov. Nothing where a box is cut short, a timescale is 0 or there are too many tracks.
std::optional<std::vector<TrackInit>> read_moov(ByteSpan moov);

}  // namespace streamr::publisher
