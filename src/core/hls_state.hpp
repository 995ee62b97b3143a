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

// Whether answers may be shared (HttpResponse::shared): they hold until this ends the sharing, at the latest with itself.
class ShareMark {
 public:
  ShareMark() = default;
  ShareMark(ShareMark&& other) noexcept : given_(std::move(other.given_)) {}
  ShareMark& operator=(ShareMark&& other) noexcept {
    expire();
    given_ = std::move(other.given_);
    return *this;
  }
  ~ShareMark() { expire(); }

  std::shared_ptr<const Freshness> share() {
    if (!given_) given_ = std::make_shared<Freshness>();
    return given_;
  }
  void expire() {
    if (given_) given_->stale.store(true, std::memory_order_release);
    given_.reset();
  }

 private:
  std::shared_ptr<Freshness> given_;     // null: nobody was given it since it last expired
};

// One rendered playlist: every answer until the next change shares these octets.
struct RenderedText {
  SharedBytes plain;
  SharedBytes zipped;                    // made when the first client asks for it
  std::string etag;
  ShareMark mark;
};

RenderedText keep_text(std::string text);
// 200 with the octets plain or zipped as the request accepts them, or 304.
HttpResponse send_text(const HttpAsk& ask, RenderedText& text, HlsStream::Counters& counters);

// What a URL below /live/{stream}/{epoch}/{track}/ names.
struct MediaName {
  enum class Kind : std::uint8_t { part, segment, init, chunk } kind = Kind::part;
  ChunkPos pos;
  std::string_view extension;  // "m4s", "ts"; empty for chunk and init; points into literals, not into the URL

  auto operator<=>(const MediaName&) const = default;
};
std::optional<MediaName> parse_media_name(std::string_view name);

// What a request waits for: a playlist that does not list a place yet, or the part that was hinted.
struct Awaited {
  std::optional<PlaylistPlace> place;    // playlist; without one: the first segment
  bool delta = false;                    // playlist, as a delta update
  std::uint64_t epoch = 0;               // part
  std::optional<MediaName> part;

  auto operator<=>(const Awaited&) const = default;
};
// What became of it, the same for all who wait for it.
enum class Outcome : std::uint8_t { waits, too_far, playlist, part, streamed_chunk, broken_promise };

// All who wait for one thing, each one small object: judged together, answered one by one.
struct WaitingGroup {
  struct Waiting { HttpAsk ask; std::uint64_t until_mono_us; };
  std::vector<Waiting> waiting;
  std::uint64_t until_mono_us = UINT64_MAX;  // of the first to give up
};

// The end of a track's list, which the playlists of the other tracks report.
struct TrackEdge {
  std::uint64_t epoch = 0;
  std::optional<ChunkPos> last;          // nothing is listed
  bool has_parts = false;                // `last` is a part; else a whole segment
  std::uint64_t part_target_us = 0;

  bool operator==(const TrackEdge&) const = default;
};

struct HlsTrackView {
  HlsTrackView(std::uint16_t track, std::uint32_t min_segments) : number(track), timeline(track, min_segments) {}
  std::uint16_t number;
  HlsTimeline timeline;
  proto::TrackKind kind = proto::TrackKind::muxed;       // as the store last knew them
  proto::ContentType content = proto::ContentType::cmaf;
  TrackEdge edge;
  std::optional<RenderedText> text, delta;  // empty: changed since it was rendered
  ShareMark media;                       // of parts, segments and inits
  std::map<Awaited, WaitingGroup> held;

  void forget_text() {
    text.reset();
    delta.reset();
  }
  bool has_playlist() const { return content != proto::ContentType::opaque && kind != proto::TrackKind::other; }
};

TrackEdge edge_of(const HlsTrackView& shown);

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
  bool multivariant_due = false;         // something changed that it may show
  std::map<Hash, InitInfo> init_infos;   // by header hash of the INIT; few, the oldest go
  std::uint64_t removals_seen = 0;       // of the store

  struct Open { HlsOpenBody body; std::uint64_t until_mono_us; };
  std::map<const StoredChunk*, std::vector<Open>> open_bodies;
  std::deque<Reply> replies;
  std::deque<Pieces> pieces;
  Counters counters;

  // hls.cpp
  HlsTrackView& view(std::uint16_t track);
  void advance(HlsTrackView& shown, Now now);
  void note_removals();
  void note_kind(HlsTrackView& shown) const;
  const TrackStore* newest_of(std::uint16_t track) const;  // in the newest epoch that has it
  ChunkPtr find(std::uint64_t epoch, std::uint16_t track,
                ChunkPos pos) const;  // store first, then what left the playlist lately
  // hls_held.cpp
  void hold(HlsTrackView& shown, const Awaited& awaited, HttpAsk ask, Now now);
  void release_held(HlsTrackView& shown, Now now);
  Outcome judge(const HlsTrackView& shown, const Awaited& awaited) const;
  HttpResponse answer_awaited(HlsTrackView& shown, const Awaited& awaited, Outcome outcome, const HttpAsk& ask, Now now);
  // hls_multivariant.cpp
  HttpResponse answer_multivariant(const HttpRequest& request, std::string_view rest);
  void refresh_multivariant();           // forgets it where it would now read differently
  // hls_playlist.cpp
  std::optional<HttpResponse> answer_media_playlist(const HttpRequest& request, std::uint16_t track, Now now);
  std::string render(const HlsTrackView& shown, std::size_t skipped) const;
  HttpResponse send_media_playlist(const HttpAsk& ask, HlsTrackView& shown, bool delta);
  // hls_media.cpp
  std::optional<HttpResponse> answer_media(const HttpAsk& ask, std::uint64_t epoch, std::uint16_t track,
                                           const MediaName& name, Now now);
  HttpResponse answer_segment(const HttpAsk& ask, std::uint64_t epoch, std::uint16_t track, const MediaName& name);
  HttpResponse answer_part(const HttpAsk& ask, const ChunkPtr& chunk, const MediaName& name);
  // hls_objects.cpp
  HttpResponse answer_chunk(const HttpAsk& ask, const ChunkPtr& chunk, Now now);
  HttpResponse answer_head(std::uint64_t epoch, std::uint16_t track) const;
  HttpResponse answer_headers(std::string_view query, std::uint64_t epoch, std::uint16_t track) const;
  HttpResponse answer_certificate(const HttpAsk& ask, std::uint64_t epoch, std::uint16_t track,
                                  std::string_view id) const;
  void feed_open(const ChunkPtr& chunk);
  void give_up_open(Now now);
};

}  // namespace streamr::core
