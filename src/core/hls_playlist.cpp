#include <algorithm>

#include "core/hls_state.hpp"
#include "proto/playlist.hpp"

namespace streamr::core {
namespace {

constexpr std::string_view playlist_type = "application/vnd.apple.mpegurl";
constexpr std::uint64_t skip_targets = 6;  // CAN-SKIP-UNTIL in target durations

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

// How many segments a delta update leaves out: those with CAN-SKIP-UNTIL or more of media behind them.
std::size_t skippable(const HlsTimeline& timeline) {
  std::uint64_t behind_us = 0;
  if (timeline.open() != nullptr)
    for (const ListedPart& mark : timeline.open()->marks) behind_us += mark.duration_us;
  std::size_t at = timeline.listed().size();
  while (at > 0 && behind_us < skip_targets * s_to_us(timeline.target_duration_s()))
    behind_us += timeline.listed()[--at].duration_us;
  return at;
}

// _HLS_msn, _HLS_part and _HLS_skip of a request; the error of one that makes no sense.
struct Directives {
  Awaited awaited;
  std::optional<HttpResponse> refusal;
};
Directives directives_of(std::string_view query) {
  Directives out;
  const auto msn = query_value(query, "_HLS_msn");
  const auto part = query_value(query, "_HLS_part");
  const auto skip = query_value(query, "_HLS_skip");
  out.awaited.delta = skip == "YES" || skip == "v2";
  if (!msn && !part) return out;
  const auto segment = msn ? parse_decimal_u64(*msn) : std::optional<std::uint64_t>{};
  const auto index = part ? parse_decimal_u64(*part) : std::optional<std::uint64_t>{};
  if (!msn)
    out.refusal = error_response(400, "expected _HLS_msn where _HLS_part stands");
  else if (!segment || (part && !index))
    out.refusal = error_response(400, "expected decimal numbers in _HLS_msn and _HLS_part");
  else
    out.awaited.place = PlaylistPlace{*segment, index};
  return out;
}

}  // namespace

TrackEdge edge_of(const HlsTrackView& shown) {
  const HlsTimeline& timeline = shown.timeline;
  TrackEdge edge;
  edge.epoch = timeline.epoch();
  edge.part_target_us = timeline.part_target_us();
  const ListedSegment* newest = edge.part_target_us != 0 ? timeline.open() : nullptr;
  if (newest == nullptr && !timeline.listed().empty()) newest = &timeline.listed().back();
  if (newest == nullptr || !shown.has_playlist()) return edge;
  edge.has_parts = edge.part_target_us != 0 && !newest->marks.empty();
  edge.last = ChunkPos{newest->number, static_cast<std::uint16_t>(edge.has_parts ? newest->marks.size() - 1 : 0)};
  return edge;
}

std::string HlsStream::State::render(const HlsTrackView& shown, std::size_t skipped) const {
  const HlsTimeline& timeline = shown.timeline;
  proto::MediaPlaylist playlist;
  const bool parts = config.low_latency && timeline.part_target_us() != 0;
  playlist.version = skipped == 0 ? 6 : 9;
  playlist.skipped_segments = skipped;
  playlist.target_duration_s = timeline.target_duration_s();
  playlist.part_target_us = parts ? timeline.part_target_us() : 0;
  const ListedSegment* open = parts ? timeline.open() : nullptr;
  playlist.media_sequence = !timeline.listed().empty() ? timeline.listed().front().number
                            : open != nullptr          ? open->number
                                                       : 0;
  playlist.discontinuity_sequence = timeline.discontinuity_sequence();
  playlist.ended = timeline.ended();
  ChunkPtr map;  // a delta update names the map of its first segment again
  const std::size_t parts_from = parts ? first_with_parts(timeline) : timeline.listed().size();
  for (std::size_t i = skipped; i < timeline.listed().size(); ++i)
    playlist.segments.push_back(line_of(timeline.listed()[i], shown.number, i >= parts_from, map));
  if (open != nullptr) playlist.open.push_back(line_of(*open, shown.number, true, map));
  const bool is_cmaf =
      open != nullptr ? open->init != nullptr : !timeline.listed().empty() && timeline.listed().back().init != nullptr;
  if (const auto hint = timeline.hint(); parts && hint)
    playlist.hint_uri = place(timeline.epoch(), shown.number, hint->segment) + '.' + std::to_string(hint->part) +
                        (is_cmaf ? ".m4s" : ".ts");
  if (!config.low_latency) return proto::render_media_playlist(playlist);
  playlist.can_block = true;
  playlist.can_skip_until_us = skip_targets * s_to_us(timeline.target_duration_s());
  for (const auto& [number, other] : tracks) {
    if (other.edge.epoch != timeline.epoch() || !other.edge.last) continue;
    playlist.part_hold_back_us = std::max(playlist.part_hold_back_us, 3 * other.edge.part_target_us);
    if (number == shown.number || timeline.ended()) continue;
    playlist.reports.push_back({std::to_string(number) + ".m3u8", other.edge.last->segment,
                                other.edge.has_parts ? std::optional(other.edge.last->part) : std::nullopt});
  }
  return proto::render_media_playlist(playlist);
}

RenderedText keep_text(std::string text) {
  RenderedText out;
  out.plain = SharedBytes::copy(view_of(text));
  out.etag = to_hex(crypto::sha256(out.plain.view()).view().first(8));
  return out;
}

HttpResponse send_text(const HttpAsk& ask, RenderedText& text, HlsStream::Counters& counters) {
  if (ask.gzip && text.zipped.empty()) {
    text.zipped = gzip(text.plain);
    ++counters.gzips;
  }
  const bool zipped = ask.gzip && !text.zipped.empty();
  HttpResponse response = plain_response(200, playlist_type, "no-cache", zipped ? text.zipped : text.plain);
  response.headers.emplace_back("Vary", "Accept-Encoding");
  if (zipped) response.headers.emplace_back("Content-Encoding", "gzip");
  const std::string etag = '"' + text.etag + (zipped ? "-gzip\"" : "\"");
  response.headers.emplace_back("ETag", etag);
  if (ask.conditions && etag_matches(ask.conditions->if_none_match, etag)) {
    response.status = 304;
    response.pieces.clear();
  }
  if (ask.plain_get()) response.shared = text.mark.share();
  return response;
}

HttpResponse HlsStream::State::send_media_playlist(const HttpAsk& ask, HlsTrackView& shown, bool delta) {
  const std::size_t skipped = delta && !shown.timeline.ended() ? skippable(shown.timeline) : 0;
  std::optional<RenderedText>& text = skipped == 0 ? shown.text : shown.delta;
  if (!text) {
    text = keep_text(render(shown, skipped));
    ++counters.renders;
  }
  return send_text(ask, *text, counters);
}

std::optional<HttpResponse> HlsStream::State::answer_media_playlist(const HttpRequest& request, std::uint16_t track,
                                                                    Now now) {
  const TrackStore* kept = newest_of(track);
  const auto known = tracks.find(track);
  const bool lists = known != tracks.end() && !known->second.timeline.listed().empty();
  const proto::ContentType content = lists               ? known->second.content
                                     : kept != nullptr ? content_type_of(*kept)
                                                         : proto::ContentType::opaque;
  if (content == proto::ContentType::opaque)
    return error_response(404, "this stream has no such track with a playlist");
  HlsTrackView& shown = view(track);
  if (!lists) advance(shown, now);
  Awaited awaited;
  if (config.low_latency && !shown.timeline.ended()) {
    Directives directives = directives_of(request.query());
    if (directives.refusal) return std::move(directives.refusal);
    awaited = directives.awaited;
  }
  const EpochStore* newest = store.newest_epoch();
  if (shown.timeline.listed().empty() && newest != nullptr && newest->ended())
    return error_response(404, "this track ended before its first segment");
  const Outcome outcome = judge(shown, awaited);
  HttpAsk ask = ask_of(request);
  if (outcome != Outcome::waits) return answer_awaited(shown, awaited, outcome, ask, now);
  hold(shown, awaited, std::move(ask), now);
  return std::nullopt;
}

}  // namespace streamr::core
