// Decides the text of HLS playlists (RFC 8216bis): which tags, in which order, with which digits.
// Never decides what is listed or when; that is core/hls.
// Called by core/hls with plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace streamr::proto {

struct PlaylistPart {
  std::string uri;
  std::uint64_t duration_us = 0;
  bool independent = false;
  bool gap = false;
};

struct PlaylistSegment {
  std::string uri;
  std::string map_uri;                    // EXT-X-MAP before this segment; empty: none or as before
  std::uint64_t duration_us = 0;
  std::uint64_t capture_time_us = 0;      // PROGRAM-DATE-TIME
  bool discontinuity = false;
  bool gap = false;
  std::vector<PlaylistPart> parts;        // listed while they are near the live edge
};

// The newest place that the playlist of another track lists.
struct PlaylistReport {
  std::string uri;
  std::uint64_t last_msn = 0;
  std::optional<std::uint16_t> last_part;
};

struct MediaPlaylist {
  std::uint8_t version = 6;
  std::uint32_t target_duration_s = 2;
  std::uint64_t media_sequence = 0;
  std::uint64_t discontinuity_sequence = 0;
  bool can_block = false;                 // a request may wait for what is not listed yet
  std::uint64_t can_skip_until_us = 0;    // 0: no delta updates
  std::uint64_t part_hold_back_us = 0;    // 0: no track has parts
  std::uint64_t part_target_us = 0;       // 0: no parts
  std::uint64_t skipped_segments = 0;     // a delta update: that many stand before `segments`
  std::vector<PlaylistSegment> segments;
  std::vector<PlaylistSegment> open;      // the segment that grows, or none: its parts are listed, it is not yet
  std::string hint_uri;                   // the part that comes next; empty: none is promised
  std::vector<PlaylistReport> reports;
  bool ended = false;
};
std::string render_media_playlist(const MediaPlaylist& playlist);

struct PlaylistRendition {                // one audio track of the group
  std::string uri;                        // empty: the audio inside the variant itself
  std::string name;
  std::uint32_t channels = 0;             // 0: unknown
  bool is_default = false;
};
struct PlaylistVariant {
  std::string uri;
  std::uint64_t bandwidth_bps = 0;
  std::uint64_t average_bps = 0;            // 0: unknown
  std::string codecs;                       // comma-separated; empty: unknown
  std::uint32_t width = 0, height = 0;      // 0: unknown
  std::uint32_t milli_fps = 0;              // 0: unknown
  bool uses_audio_group = false;
};
struct MultivariantPlaylist {
  std::uint8_t version = 6;
  std::string steering_url;               // empty: no content steering
  std::string pathway_id;                 // of this relay, on every variant; empty: none
  std::vector<PlaylistRendition> audio;
  std::vector<PlaylistVariant> variants;
};
std::string render_multivariant_playlist(const MultivariantPlaylist& playlist);

// "2026-11-21T08:05:50.123Z"
std::string iso8601_ms(std::uint64_t unix_us);

}  // namespace streamr::proto
