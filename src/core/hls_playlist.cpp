#include "core/hls_state.hpp"
#include "proto/playlist.hpp"

namespace streamr::core {
namespace {

constexpr std::string_view playlist_type = "application/vnd.apple.mpegurl";

std::string place(std::uint64_t epoch, std::uint16_t track, std::uint64_t segment) {
  return std::to_string(epoch) + '/' + std::to_string(track) + '/' + std::to_string(segment);
}

proto::PlaylistSegment line_of(const ListedSegment& listed, std::uint16_t track, bool with_parts, ChunkPtr& map) {
  proto::PlaylistSegment segment;
  const std::string name = place(listed.epoch, track, listed.number);
  const char* extension = listed.init ? ".m4s" : ".ts";
  segment.uri = name + extension;
  if (listed.init && listed.init != map) {
    segment.map_uri = place(listed.epoch, track, listed.init->header().segment) + ".init.mp4";
    map = listed.init;
  }
  segment.duration_us = listed.duration_us;
  segment.capture_time_us = listed.capture_time_us;
  segment.discontinuity = listed.tagged;
  segment.gap = listed.gap;
  if (!with_parts) return segment;
  for (std::size_t i = 0; i < listed.marks.size(); ++i) {
    const ListedPart& mark = listed.marks[i];
    segment.parts.push_back({name + '.' + std::to_string(i) + extension, mark.duration_us, mark.independent, mark.gap});
  }
  return segment;
}

// Parts stay listed for three target durations: the first segment near enough to the edge to show its own.
std::size_t first_with_parts(const HlsTimeline& timeline) {
  std::uint64_t behind_us = 0;
  if (timeline.open() != nullptr)
    for (const ListedPart& mark : timeline.open()->marks) behind_us += mark.duration_us;
  std::size_t at = timeline.listed().size();
  while (at > 0 && behind_us < 3 * s_to_us(timeline.target_duration_s()))
    behind_us += timeline.listed()[--at].duration_us;
  return at;
}

std::string render(const HlsTimeline& timeline, std::uint16_t track, bool low_latency) {
  proto::MediaPlaylist playlist;
  const bool parts = low_latency && timeline.part_target_us() != 0;
  playlist.target_duration_s = timeline.target_duration_s();
  playlist.can_block = low_latency;
  playlist.part_target_us = parts ? timeline.part_target_us() : 0;
  const ListedSegment* open = parts ? timeline.open() : nullptr;
  playlist.media_sequence = !timeline.listed().empty() ? timeline.listed().front().number
                            : open != nullptr          ? open->number
                                                       : 0;
  playlist.discontinuity_sequence = timeline.discontinuity_sequence();
  playlist.ended = timeline.ended();
  ChunkPtr map;
  const std::size_t parts_from = parts ? first_with_parts(timeline) : timeline.listed().size();
  for (std::size_t i = 0; i < timeline.listed().size(); ++i)
    playlist.segments.push_back(line_of(timeline.listed()[i], track, i >= parts_from, map));
  if (open != nullptr) playlist.open.push_back(line_of(*open, track, true, map));
  const bool is_cmaf =
      open != nullptr ? open->init != nullptr : !timeline.listed().empty() && timeline.listed().back().init != nullptr;
  if (const auto hint = timeline.hint(); parts && hint)
    playlist.hint_uri =
        place(timeline.epoch(), track, hint->segment) + '.' + std::to_string(hint->part) + (is_cmaf ? ".m4s" : ".ts");
  return proto::render_media_playlist(playlist);
}

// _HLS_msn and _HLS_part of a request; the error of one that makes no sense.
struct Directives {
  std::optional<PlaylistPlace> place;
  std::optional<HttpResponse> refusal;
};
Directives directives_of(std::string_view query) {
  const auto msn = query_value(query, "_HLS_msn");
  const auto part = query_value(query, "_HLS_part");
  if (!msn && !part) return {};
  if (!msn) return {std::nullopt, error_response(400, "expected _HLS_msn where _HLS_part stands")};
  PlaylistPlace place;
  const auto segment = parse_decimal_u64(*msn);
  const auto index = part ? parse_decimal_u64(*part) : std::optional<std::uint64_t>{};
  if (!segment || (part && !index))
    return {std::nullopt, error_response(400, "expected decimal numbers in _HLS_msn and _HLS_part")};
  return {PlaylistPlace{*segment, index}, std::nullopt};
}

}  // namespace

RenderedText keep_text(std::string text) {
  RenderedText out;
  out.plain = SharedBytes::copy(view_of(text));
  out.etag = to_hex(crypto::sha256(out.plain.view()).view().first(8));
  return out;
}

HttpResponse send_text(const HttpRequest& request, RenderedText& text, HlsStream::Counters& counters) {
  const bool zip = accepts_gzip(request.header("accept-encoding"));
  if (zip && text.zipped.empty()) {
    text.zipped = gzip(text.plain);
    ++counters.gzips;
  }
  const bool zipped = zip && !text.zipped.empty();
  HttpResponse response = plain_response(200, playlist_type, "no-cache", zipped ? text.zipped : text.plain);
  response.headers.emplace_back("Vary", "Accept-Encoding");
  if (zipped) response.headers.emplace_back("Content-Encoding", "gzip");
  const std::string etag = '"' + text.etag + (zipped ? "-gzip\"" : "\"");
  response.headers.emplace_back("ETag", etag);
  if (etag_matches(request.header("if-none-match"), etag)) {
    response.status = 304;
    response.pieces.clear();
  }
  return response;
}

HttpResponse HlsStream::State::send_media_playlist(const HttpRequest& request, HlsTrackView& shown) {
  if (!shown.text) {
    shown.text = keep_text(render(shown.timeline, shown.number, config.low_latency));
    ++counters.renders;
  }
  return send_text(request, *shown.text, counters);
}

std::optional<HttpResponse> HlsStream::State::answer_media_playlist(const HttpRequest& request, std::uint16_t track,
                                                                    Now now) {
  const TrackStore* kept = nullptr;
  const EpochStore* epoch = nullptr;
  for (auto at = store.epochs().rbegin(); at != store.epochs().rend() && kept == nullptr; ++at) {
    epoch = &at->second;
    kept = store.find_track(at->first, track);
  }
  if (kept == nullptr || content_type_of(*kept) == proto::ContentType::opaque)
    return error_response(404, "this stream has no such track with a playlist");
  HlsTrackView& shown = view(track);
  if (shown.timeline.listed().empty()) advance(shown, now);
  HeldRequest asked;
  if (config.low_latency && !shown.timeline.ended()) {
    Directives directives = directives_of(request.query());
    if (directives.refusal) return std::move(directives.refusal);
    asked.place = directives.place;
  }
  if (shown.timeline.listed().empty() && epoch->ended())
    return error_response(404, "this track ended before its first segment");
  asked.request = request;
  asked.until_mono_us = UINT64_MAX;
  if (auto answer = settle(shown, asked, now)) return answer;
  hold(shown, std::move(asked), now);
  return std::nullopt;
}

}  // namespace streamr::core
