// Decides what the files of core/hls share: the views of one stream and the requests that wait.
// Never seen outside core/hls*.cpp.
// Called by hls.cpp (events), hls_playlist.cpp, hls_media.cpp and hls_objects.cpp (answers).
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/hls.hpp"
#include "core/hls_timeline.hpp"
#include "core/http_routes.hpp"
#include "core/init_info.hpp"

namespace streamr::core {

// One rendered playlist: every answer until the next change shares these octets.
struct RenderedText {
  SharedBytes plain;
  SharedBytes zipped;                    // made when the first client asks for it
  std::string etag;
};

struct HlsTrackView {
  explicit HlsTrackView(HlsTimeline line) : timeline(std::move(line)) {}
  HlsTimeline timeline;
  std::optional<RenderedText> text;      // empty: changed since it was rendered
};

// What a URL below /live/{stream}/{epoch}/{track}/ names.
struct MediaName {
  enum class Kind : std::uint8_t { part, segment, init, chunk } kind = Kind::part;
  ChunkPos pos;
  std::string_view extension;            // "m4s", "ts"; empty for chunk and init
};
std::optional<MediaName> parse_media_name(std::string_view name);

struct HlsStream::State {
  State(const StreamStore& from, HlsConfig options) : store(from), config(std::move(options)) {}

  const StreamStore& store;
  HlsConfig config;
  std::vector<std::shared_ptr<const proto::Certificate>> certificates;
  DiscontinuityCount discontinuities;
  std::map<std::uint16_t, HlsTrackView> tracks;

  // Multivariant playlist, by the word for the stream in the request (id or alias).
  std::map<std::string, RenderedText, std::less<>> multivariant;
  std::string multivariant_basis;        // what it was rendered from
  std::map<Hash, InitInfo> init_infos;   // by header hash of the INIT; few, the oldest go

  struct Held { HttpRequest request; std::uint16_t track; std::uint64_t until_mono_us; };
  std::vector<Held> held_requests;       // media playlists that have no segment yet
  struct Open { HlsOpenBody body; std::uint64_t until_mono_us; };
  std::vector<Open> open_bodies;
  std::deque<Reply> replies;
  std::deque<Pieces> pieces;
  Counters counters;

  // hls.cpp
  HlsTrackView& view(std::uint16_t track);
  void advance(std::uint16_t track, Now now);
  void release_held(Now now);
  ChunkPtr find(std::uint64_t epoch, std::uint16_t track, ChunkPos pos) const;   // store first, then what left the playlist lately
  // hls_playlist.cpp
  HttpResponse answer_multivariant(const HttpRequest& request, std::string_view rest);
  std::optional<HttpResponse> answer_media_playlist(const HttpRequest& request, std::uint16_t track, Now now);
  HttpResponse send_media_playlist(const HttpRequest& request, HlsTrackView& shown);
  // hls_media.cpp
  HttpResponse answer_media(const HttpRequest& request, std::uint64_t epoch, std::uint16_t track, const MediaName& name, Now now);
  HttpResponse answer_segment(const HttpRequest& request, std::uint64_t epoch, const TrackStore* track, std::uint16_t number, const MediaName& name);
  // hls_objects.cpp
  HttpResponse answer_chunk(const HttpRequest& request, const ChunkPtr& chunk, Now now);
  HttpResponse answer_head(std::uint64_t epoch, std::uint16_t track) const;
  HttpResponse answer_headers(const HttpRequest& request, std::uint64_t epoch, std::uint16_t track) const;
  HttpResponse answer_certificate(const HttpRequest& request, std::uint64_t epoch, std::uint16_t track, std::string_view id) const;
  void feed_open(const ChunkPtr& chunk);
  void give_up_open(Now now);
};

}  // namespace streamr::core
