// Decides what the files of core/hls share: the views of one stream and the requests that wait.
// Never seen outside core/hls*.cpp.
// Called by hls.cpp (events and routes) and the other files (answers).
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

RenderedText keep_text(std::string text);
// 200 with the octets plain or zipped as the request accepts them, or 304.
HttpResponse send_text(const HttpRequest& request, RenderedText& text, HlsStream::Counters& counters);

// What a URL below /live/{stream}/{epoch}/{track}/ names.
struct MediaName {
  enum class Kind : std::uint8_t { part, segment, init, chunk } kind = Kind::part;
  ChunkPos pos;
  std::string_view extension;  // "m4s", "ts"; empty for chunk and init; points into literals, not into the URL
};
std::optional<MediaName> parse_media_name(std::string_view name);

// A request that is answered later: a playlist that does not hold a place yet, or the part that was hinted.
struct HeldRequest {
  HttpRequest request;
  std::uint64_t until_mono_us = 0;
  std::optional<PlaylistPlace> place;    // playlist; without one: the first segment
  std::uint64_t epoch = 0;               // part
  std::optional<MediaName> part;
};

struct HlsTrackView {
  HlsTrackView(std::uint16_t track, std::uint32_t min_segments) : number(track), timeline(track, min_segments) {}
  std::uint16_t number;
  HlsTimeline timeline;
  std::optional<RenderedText> text;      // empty: changed since it was rendered
  std::vector<HeldRequest> held;
};

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

  struct Open { HlsOpenBody body; std::uint64_t until_mono_us; };
  std::vector<Open> open_bodies;
  std::deque<Reply> replies;
  std::deque<Pieces> pieces;
  Counters counters;

  // hls.cpp
  HlsTrackView& view(std::uint16_t track);
  void advance(HlsTrackView& shown, Now now);
  ChunkPtr find(std::uint64_t epoch, std::uint16_t track,
                ChunkPos pos) const;  // store first, then what left the playlist lately
  // hls_held.cpp
  void hold(HlsTrackView& shown, HeldRequest request, Now now);
  void release_held(HlsTrackView& shown, Now now);
  std::optional<HttpResponse> settle(HlsTrackView& shown, const HeldRequest& held, Now now);   // nullopt: waits on
  // hls_multivariant.cpp
  HttpResponse answer_multivariant(const HttpRequest& request, std::string_view rest);
  // hls_playlist.cpp
  std::optional<HttpResponse> answer_media_playlist(const HttpRequest& request, std::uint16_t track, Now now);
  HttpResponse send_media_playlist(const HttpRequest& request, HlsTrackView& shown);
  // hls_media.cpp
  std::optional<HttpResponse> answer_media(const HttpRequest& request, std::uint64_t epoch, std::uint16_t track,
                                           const MediaName& name, Now now);
  HttpResponse answer_segment(const HttpRequest& request, std::uint64_t epoch, std::uint16_t track,
                              const MediaName& name);
  HttpResponse answer_part(const HttpRequest& request, const ChunkPtr& chunk, const MediaName& name);
  // hls_objects.cpp
  HttpResponse answer_chunk(const HttpRequest& request, const ChunkPtr& chunk, Now now);
  HttpResponse answer_head(std::uint64_t epoch, std::uint16_t track) const;
  HttpResponse answer_headers(const HttpRequest& request, std::uint64_t epoch, std::uint16_t track) const;
  HttpResponse answer_certificate(const HttpRequest& request, std::uint64_t epoch, std::uint16_t track,
                                  std::string_view id) const;
  void feed_open(const ChunkPtr& chunk);
  void give_up_open(Now now);
};

}  // namespace streamr::core
