#include <algorithm>

#include "core/hls_state.hpp"
#include "proto/playlist.hpp"

namespace streamr::core {
namespace {

constexpr std::size_t max_init_infos = 64;
constexpr std::size_t max_words = 8;  // id and aliases under which one stream is asked for

struct ShownTrack {
  const TrackStore* held = nullptr;
  std::uint16_t number = 0;
  const InitInfo* init = nullptr;  // null for MPEG-TS or an INIT that says nothing
  ChunkPtr init_chunk;
  std::uint64_t peak_bps = 0;
  std::uint64_t average_bps = 0;  // 0: not known
};

struct ShownEpoch {
  std::uint64_t epoch = 0;
  std::vector<ShownTrack> tracks;
};

// The whole INIT that describes a track now: the newest one.
ChunkPtr newest_init(const TrackStore& track) {
  for (auto at = track.inits.rbegin(); at != track.inits.rend(); ++at)
    if (at->second->whole()) return at->second;
  return nullptr;
}

bool is_audio(const ShownTrack& track) {
  return track.held->info.kind == proto::TrackKind::audio;
}

std::string join_codecs(const std::string& video, const std::vector<ShownTrack>& audio) {
  std::string out = video;
  for (const ShownTrack& track : audio) {
    const std::string codecs = track.init == nullptr ? std::string{} : track.init->codecs();
    if (codecs.empty() || (',' + out + ',').find(',' + codecs + ',') != std::string::npos) continue;
    out += (out.empty() ? "" : ",") + codecs;
  }
  return out;
}

proto::PlaylistVariant variant_of(const ShownTrack& track, const std::string& stream) {
  proto::PlaylistVariant variant;
  variant.uri = stream + '/' + std::to_string(track.number) + ".m3u8";
  variant.bandwidth_bps = track.peak_bps;
  variant.average_bps = track.average_bps;
  if (track.init == nullptr) return variant;
  variant.codecs = track.init->codecs();
  if (const InitTrack* video = track.init->first(InitTrackKind::video)) {
    variant.width = video->width;
    variant.height = video->height;
    variant.milli_fps = video->milli_fps;
  }
  return variant;
}

void add_audio_group(proto::MultivariantPlaylist& playlist, const std::vector<ShownTrack>& audio,
                     const std::string& stream, bool inside_variants) {
  if (inside_variants) playlist.audio.push_back({"", "Main", 0, true});
  for (const ShownTrack& track : audio) {
    proto::PlaylistRendition rendition;
    rendition.uri = stream + '/' + std::to_string(track.number) + ".m3u8";
    rendition.name = "Audio " + std::to_string(track.number);
    if (track.init != nullptr)
      if (const InitTrack* sound = track.init->first(InitTrackKind::audio)) rendition.channels = sound->channels;
    rendition.is_default = playlist.audio.empty();
    playlist.audio.push_back(std::move(rendition));
  }
}

proto::MultivariantPlaylist multivariant_of(const std::vector<ShownTrack>& shown, const HlsConfig& config,
                                            const std::string& stream) {
  proto::MultivariantPlaylist playlist;
  playlist.steering_url = config.steering_url;
  playlist.pathway_id = config.pathway_id;
  std::vector<ShownTrack> audio, pictures;
  for (const ShownTrack& track : shown) (is_audio(track) ? audio : pictures).push_back(track);
  if (pictures.empty()) {
    for (const ShownTrack& track : audio) playlist.variants.push_back(variant_of(track, stream));
    return playlist;
  }
  std::uint64_t loudest_bps = 0, loudest_average_bps = 0;
  for (const ShownTrack& track : audio) {
    loudest_bps = std::max(loudest_bps, track.peak_bps);
    loudest_average_bps = std::max(loudest_average_bps, track.average_bps);
  }
  const bool muxed = std::all_of(pictures.begin(), pictures.end(),
                                 [](const ShownTrack& t) { return t.held->info.kind == proto::TrackKind::muxed; });
  if (!audio.empty()) add_audio_group(playlist, audio, stream, muxed);
  for (const ShownTrack& track : pictures) {
    proto::PlaylistVariant variant = variant_of(track, stream);
    variant.bandwidth_bps += loudest_bps;
    if (variant.average_bps != 0) variant.average_bps += loudest_average_bps;
    variant.uses_audio_group = !audio.empty();
    if (track.init != nullptr) variant.codecs = join_codecs(variant.codecs, audio);
    playlist.variants.push_back(std::move(variant));
  }
  return playlist;
}

// A short text that changes whenever the multivariant playlist does.
std::string basis_of(const ShownEpoch& shown) {
  std::string out = std::to_string(shown.epoch);
  for (const ShownTrack& track : shown.tracks) {
    out += ';' + std::to_string(track.number) + ',' + std::to_string(static_cast<int>(track.held->info.kind)) + ',' +
           std::to_string(track.peak_bps) + ',' + std::to_string(track.average_bps);
    if (track.init_chunk) out += ',' + to_hex(track.init_chunk->header_hash().view().first(8));
  }
  return out;
}

std::uint64_t rate_of(const HlsTimeline* timeline, const TrackStore& track, const ChunkPtr& init) {
  if (timeline != nullptr && timeline->peak_bps() != 0) return timeline->peak_bps();
  if (track.info.kbps != 0) return std::uint64_t{track.info.kbps} * 1000;
  const ChunkPtr newest = init ? init : track.newest();
  if (newest && newest->certificate() && newest->certificate()->max_kbps != 0)
    return std::uint64_t{newest->certificate()->max_kbps} * 1000;
  return 1;
}

const InitInfo* info_of(std::map<Hash, InitInfo>& known, const ChunkPtr& init) {
  if (!init) return nullptr;
  auto at = known.find(init->header_hash());
  if (at == known.end()) {
    if (known.size() >= max_init_infos) known.clear();
    auto parsed = parse_init_info(init->payload().view());
    at = known.emplace(init->header_hash(), parsed ? *parsed : InitInfo{}).first;
  }
  return at->second.tracks.empty() ? nullptr : &at->second;
}

// The word for the stream in the request, id or alias: addresses in the playlist repeat it, so that they stay what the
// person pasted. Anything that is neither could not have led here.
std::string stream_word(std::string_view path, std::string_view rest, const StreamId& id) {
  std::string_view word = path.substr(0, path.size() - std::min(path.size(), rest.size()));
  if (const auto slash = word.rfind('/'); slash != std::string_view::npos) word.remove_prefix(slash + 1);
  const bool plain = !word.empty() && word.size() <= 64 && std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
  return plain ? std::string(word) : to_hex(id.view());
}

// The newest epoch that can be described; while a new one still lacks an INIT the one before stays.
ShownEpoch shown_epoch(const StreamStore& store, const std::map<std::uint16_t, HlsTrackView>& views,
                       std::map<Hash, InitInfo>& init_infos) {
  ShownEpoch out;
  for (auto at = store.epochs().rbegin(); at != store.epochs().rend() && out.tracks.empty(); ++at) {
    out.epoch = at->first;
    for (const auto& [number, track] : at->second.tracks) {
      const proto::ContentType type = content_type_of(track);
      if (type == proto::ContentType::opaque) continue;
      ShownTrack one{&track, number, nullptr, nullptr, 0, 0};
      if (type == proto::ContentType::cmaf) {
        one.init_chunk = newest_init(track);
        if (!one.init_chunk) {
          out.tracks.clear();
          break;
        }
        one.init = info_of(init_infos, one.init_chunk);
      }
      if (track.info.kind == proto::TrackKind::other) continue;
      const auto known = views.find(number);
      const HlsTimeline* timeline = known == views.end() ? nullptr : &known->second.timeline;
      one.peak_bps = rate_of(timeline, track, one.init_chunk);
      if (timeline != nullptr) one.average_bps = std::min(timeline->average_bps(), one.peak_bps);
      out.tracks.push_back(one);
    }
  }
  return out;
}

}  // namespace

HttpResponse HlsStream::State::answer_multivariant(const HttpRequest& request, std::string_view rest) {
  multivariant_due = true;
  refresh_multivariant();
  const std::string stream = stream_word(request.path(), rest, store.id());
  auto at = multivariant.find(stream);
  if (at == multivariant.end()) {
    const ShownEpoch shown = shown_epoch(store, tracks, init_infos);
    if (shown.tracks.empty())
      return error_response(404, "this stream has no playlist yet: the init section of a track is awaited");
    multivariant_basis = basis_of(shown);
    if (multivariant.size() >= max_words) multivariant.clear();
    const auto playlist = multivariant_of(shown.tracks, config, stream);
    at = multivariant.emplace(stream, keep_text(proto::render_multivariant_playlist(playlist))).first;
    ++counters.renders;
  }
  return send_text(ask_of(request), at->second, counters);
}

void HlsStream::State::refresh_multivariant() {
  if (!multivariant_due) return;
  multivariant_due = false;
  if (multivariant.empty()) return;
  const ShownEpoch shown = shown_epoch(store, tracks, init_infos);
  if (shown.tracks.empty() || basis_of(shown) != multivariant_basis) multivariant.clear();
}

}  // namespace streamr::core
