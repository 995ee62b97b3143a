#include "core/hls_state.hpp"

namespace streamr::core {
namespace {

std::string_view media_type(proto::TrackKind kind, proto::ContentType content) {
  if (content == proto::ContentType::mpeg_ts) return "video/mp2t";
  return kind == proto::TrackKind::audio ? "audio/mp4" : "video/mp4";
}

std::string_view extension_of(proto::ContentType content) {
  switch (content) {
    case proto::ContentType::cmaf: return "m4s";
    case proto::ContentType::mpeg_ts: return "ts";
    case proto::ContentType::opaque: return "";
  }
  return "";
}

std::string_view media_extension(std::string_view word) {
  return word == "m4s" ? "m4s" : word == "ts" ? "ts" : "";
}

HttpResponse not_held() {
  return error_response(404, "this relay does not hold that chunk, or not all of it yet");
}

HttpResponse wrong_form() {
  return error_response(
      404, "this track's media has another form: .m4s is CMAF, .ts is MPEG-TS, anything else is .chunk only");
}

HttpResponse whole_chunk(const HttpAsk& ask, proto::TrackKind kind, const StoredChunk& chunk) {
  HttpResponse response =
      plain_response(200, media_type(kind, chunk.header().content_type), immutable_media, chunk.payload());
  response.headers.emplace_back("Streamr-Chunk", to_hex(chunk.header().raw));
  return conditional_media(ask, std::move(response), '"' + to_hex(chunk.header_hash().view().first(16)) + '"');
}

}  // namespace

// {segment}.{part}.m4s|ts|chunk, {segment}.m4s|ts, {segment}.init.mp4
std::optional<MediaName> parse_media_name(std::string_view name) {
  const auto first_dot = name.find('.');
  if (first_dot == std::string_view::npos) return std::nullopt;
  const auto segment = parse_decimal_u64(name.substr(0, first_dot));
  if (!segment) return std::nullopt;
  std::string_view tail = name.substr(first_dot + 1);
  if (const auto extension = media_extension(tail); !extension.empty())
    return MediaName{MediaName::Kind::segment, {*segment, 0}, extension};
  if (tail == "init.mp4") return MediaName{MediaName::Kind::init, {*segment, init_part}, {}};
  const auto second_dot = tail.find('.');
  if (second_dot == std::string_view::npos) return std::nullopt;
  const auto part = parse_decimal_u16(tail.substr(0, second_dot));
  tail.remove_prefix(second_dot + 1);
  if (!part) return std::nullopt;
  if (tail == "chunk") return MediaName{MediaName::Kind::chunk, {*segment, *part}, {}};
  const auto extension = media_extension(tail);
  if (extension.empty() || *part == init_part) return std::nullopt;
  return MediaName{MediaName::Kind::part, {*segment, *part}, extension};
}

std::optional<HttpResponse> HlsStream::State::answer_media(const HttpAsk& ask, std::uint64_t epoch, std::uint16_t track,
                                                           const MediaName& name, Now now) {
  if (name.kind == MediaName::Kind::segment) return answer_segment(ask, epoch, track, name);
  const ChunkPtr chunk = find(epoch, track, name.pos);
  const bool streams = name.kind == MediaName::Kind::chunk;
  if (chunk && streams) return answer_chunk(ask, chunk, now);
  if (chunk && chunk->whole()) return answer_part(ask, chunk, name);
  // Only the part that the playlist promises is waited for; any other future one is not there.
  const auto known = tracks.find(track);
  const bool waits = config.low_latency && name.kind != MediaName::Kind::init && known != tracks.end() &&
                     known->second.timeline.epoch() == epoch && known->second.timeline.hint() == name.pos;
  if (!waits) return not_held();
  const TrackStore* kept = store.find_track(epoch, track);
  if (!streams && (kept == nullptr || name.extension != extension_of(content_type_of(*kept)))) return wrong_form();
  Awaited awaited;
  awaited.epoch = epoch;
  awaited.part = name;
  hold(known->second, awaited, ask, now);
  return std::nullopt;
}

HttpResponse HlsStream::State::answer_part(const HttpAsk& ask, const ChunkPtr& chunk, const MediaName& name) {
  const proto::ContentType content = chunk->header().content_type;
  const bool fits = name.kind == MediaName::Kind::init ? content == proto::ContentType::cmaf
                                                       : name.extension == extension_of(content);
  if (!fits) return wrong_form();
  if (!chunk->whole() || chunk->header().payload_length == 0) return not_held();
  HlsTrackView& shown = view(chunk->header().track);
  HttpResponse response = whole_chunk(ask, shown.kind, *chunk);
  if (ask.plain_get()) response.shared = shown.media.share();
  return response;
}

// As it was listed; of a segment that was not, or with a hole that was filled later, what the store holds now.
HttpResponse HlsStream::State::answer_segment(const HttpAsk& ask, std::uint64_t epoch, std::uint16_t track,
                                              const MediaName& name) {
  const auto known = tracks.find(track);
  if (known == tracks.end()) return not_held();
  HlsTrackView& shown = known->second;
  std::optional<std::vector<ChunkPtr>> parts;
  const ListedSegment* listed = shown.timeline.find_segment(epoch, name.pos.segment);
  const bool fixed = listed != nullptr && !listed->gap;
  if (fixed) {
    parts = listed->parts;
  } else if (const TrackStore* kept = store.find_track(epoch, track)) {
    const EpochStore* newest = store.newest_epoch();
    parts = whole_segment(*kept, name.pos.segment, newest != nullptr && newest->epoch > epoch);
  }
  if (!parts || parts->empty()) return error_response(404, "this relay does not hold all parts of that segment");
  const proto::ContentType content = parts->front()->header().content_type;
  if (name.extension != extension_of(content)) return wrong_form();
  HttpResponse response;
  if (parts->size() == 1) {
    response = whole_chunk(ask, shown.kind, *parts->front());
  } else {
    response = plain_response(200, media_type(shown.kind, content), immutable_media, {});
    for (const ChunkPtr& part : *parts) response.pieces.push_back(part->payload());
    // The last header's hash stands for all: it is chained to those before it.
    response = conditional_media(ask, std::move(response),
                                 '"' + to_hex(parts->back()->header_hash().view().first(16)) + "-all\"");
  }
  if (fixed && ask.plain_get()) response.shared = shown.media.share();
  return response;
}

}  // namespace streamr::core
