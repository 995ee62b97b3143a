// Decides what an MP4 init section says about its tracks: codec strings (RFC 6381), picture size, channels.
// Never trusts a length in it, never recurses without bound and never fails a stream: what is unknown stays empty.
// Called by core/hls with the payload of a verified INIT chunk.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace streamr::core {

enum class InitTrackKind : std::uint8_t { video, audio, other };

struct InitTrack {
  InitTrackKind kind = InitTrackKind::other;
  std::string codec;                     // "avc1.640028", "mp4a.40.2"; the sample entry's name where no more is known
  std::uint32_t width = 0, height = 0;   // video
  std::uint32_t milli_fps = 0;           // H.264 that promises a fixed rate; 0: not known
  std::uint32_t channels = 0;            // audio
};

struct InitInfo {
  std::vector<InitTrack> tracks;         // in the order of the section, at most 16

  std::string codecs() const;            // comma-separated, each once
  const InitTrack* first(InitTrackKind kind) const;
};

// MALFORMED: no moov box, or one whose boxes do not fit into it.
Result<InitInfo> parse_init_info(ByteView init_section);

// Codec strings out of the configuration boxes (their contents, without box header); empty where they are too short.
std::string avc_codec(const std::string& entry, ByteView avc_configuration);
std::uint32_t avc_milli_fps(ByteView avc_configuration);
std::string hevc_codec(const std::string& entry, ByteView hevc_configuration);
std::string av1_codec(ByteView av1_configuration);
std::string vp9_codec(ByteView vp_configuration);
std::string mpeg4_audio_codec(ByteView elementary_stream_descriptor);

}  // namespace streamr::core
