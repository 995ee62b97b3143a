#include "core/hls.hpp"

#include <algorithm>
#include <tuple>

#include "core/hls_state.hpp"

namespace streamr::core {
namespace {

std::vector<std::string_view> split(std::string_view text, char mark) {
  std::vector<std::string_view> out;
  for (;;) {
    const auto at = text.find(mark);
    out.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return out;
    text.remove_prefix(at + 1);
  }
}

HttpResponse unknown_address() {
  return error_response(
      404, "expected an address below /live/{stream}: .m3u8, {track}.m3u8, or {epoch}/{track}/ and a media name");
}

bool ends_with(std::string_view text, std::string_view tail) {
  return text.size() > tail.size() && text.substr(text.size() - tail.size()) == tail;
}

}  // namespace

HlsStream::HlsStream(const StreamStore& store, HlsConfig config)
    : state_(std::make_unique<State>(store, std::move(config))) {
  for (const auto& [number, epoch] : store.epochs())
    for (const auto& [track, held] : epoch.tracks) {
      for (const auto& [segment, chunk] : held.inits) state_->discontinuities.see(chunk->header());
      for (const auto& [pos, chunk] : held.parts) state_->discontinuities.see(chunk->header());
    }
}

HlsStream::~HlsStream() = default;

void HlsStream::on_chunk(const ChunkPtr& chunk, Now now) {
  const proto::ChunkHeader& header = chunk->header();
  state_->note_removals();
  state_->discontinuities.see(header);
  // A CHUNK without slices is whole at once; a later one may also show that a segment before it has ended.
  HlsTrackView& shown = state_->view(header.track);
  state_->advance(shown, now);
  if (!shown.held.empty()) state_->release_held(shown, now);  // a hinted .chunk begins with its header
  if (header.has(proto::end)) return on_time(now);
  state_->refresh_multivariant();
}

void HlsStream::on_whole(const ChunkPtr& chunk, Now now) {
  state_->feed_open(chunk);
  state_->advance(state_->view(chunk->header().track), now);
  if (chunk->header().has(proto::init)) state_->multivariant_due = true;
  state_->refresh_multivariant();
}

void HlsStream::on_slice(const ChunkPtr& chunk, std::uint16_t, Now) {
  state_->feed_open(chunk);
}

void HlsStream::on_time(Now now) {
  state_->note_removals();
  for (const auto& [number, epoch] : state_->store.epochs())
    for (const auto& [track, held] : epoch.tracks) state_->view(track);
  for (auto& [track, shown] : state_->tracks) {
    state_->advance(shown, now);
    state_->release_held(shown, now);
  }
  state_->give_up_open(now);
  state_->multivariant_due = true;
  state_->refresh_multivariant();
}

std::uint64_t HlsStream::deadline_us() const {
  std::uint64_t at = UINT64_MAX;
  for (const auto& [track, shown] : state_->tracks) {
    at = std::min(at, shown.timeline.deadline_us());
    for (const auto& [awaited, group] : shown.held) at = std::min(at, group.until_mono_us);
  }
  for (const auto& [chunk, bodies] : state_->open_bodies)
    for (const State::Open& open : bodies) at = std::min(at, open.until_mono_us);
  return at;
}

std::optional<HttpResponse> HlsStream::get(const HttpRequest& request, std::string_view rest, Now now) {
  if (auto answered = answer_method(request)) return answered;
  state_->note_removals();
  rest = rest.substr(0, rest.find('?'));
  if (rest == ".m3u8") return state_->answer_multivariant(request, rest);
  if (rest.empty() || rest.front() != '/') return unknown_address();
  const auto words = split(rest.substr(1), '/');
  if (words.size() == 1 && ends_with(words[0], ".m3u8")) {
    const auto track = parse_decimal_u16(words[0].substr(0, words[0].size() - 5));
    return track ? state_->answer_media_playlist(request, *track, now) : unknown_address();
  }
  if (words.size() < 3 || words.size() > 4) return unknown_address();
  const auto epoch = parse_decimal_u64(words[0]);
  const auto track = parse_decimal_u16(words[1]);
  if (!epoch || !track) return unknown_address();
  if (words.size() == 4) {
    if (words[2] != "cert") return unknown_address();
    return state_->answer_certificate(ask_of(request), *epoch, *track, words[3]);
  }
  if (words[2] == "head") return state_->answer_head(*epoch, *track);
  if (words[2] == "headers") return state_->answer_headers(request.query(), *epoch, *track);
  const auto name = parse_media_name(words[2]);
  if (!name) return unknown_address();
  return state_->answer_media(ask_of(request), *epoch, *track, *name, now);
}

void HlsStream::on_closed(HttpId id) {
  for (auto& [track, shown] : state_->tracks)
    for (auto at = shown.held.begin(); at != shown.held.end();) {
      std::erase_if(at->second.waiting, [id](const WaitingGroup::Waiting& one) { return one.ask.id == id; });
      at = at->second.waiting.empty() ? shown.held.erase(at) : std::next(at);
    }
  for (auto at = state_->open_bodies.begin(); at != state_->open_bodies.end();) {
    std::erase_if(at->second, [id](const State::Open& open) { return open.body.id == id; });
    at = at->second.empty() ? state_->open_bodies.erase(at) : std::next(at);
  }
}

void HlsStream::give_up() {
  for (auto& [track, shown] : state_->tracks) {
    for (const auto& [awaited, group] : shown.held)
      for (const WaitingGroup::Waiting& one : group.waiting)
        state_->replies.push_back({one.ask.id, error_response(404, "this stream is not carried here any longer")});
    shown.held.clear();
  }
  for (const auto& [chunk, bodies] : state_->open_bodies)
    for (const State::Open& open : bodies) state_->pieces.push_back({open.body.id, {}, true});
  state_->open_bodies.clear();
  forget_shared();
}

std::uint64_t HlsStream::retired_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [track, shown] : state_->tracks) bytes += shown.timeline.retired_bytes();
  return bytes;
}

void HlsStream::forget_retired() {
  for (auto& [track, shown] : state_->tracks) {
    if (shown.timeline.retired_bytes() == 0) continue;
    shown.timeline.forget_retired();
    shown.media.expire();
  }
}

void HlsStream::forget_shared() {
  for (auto& [track, shown] : state_->tracks) {
    shown.forget_text();
    shown.media.expire();
  }
  state_->multivariant.clear();
}

std::optional<HlsStream::Reply> HlsStream::poll_reply() {
  if (state_->replies.empty()) return std::nullopt;
  Reply reply = std::move(state_->replies.front());
  state_->replies.pop_front();
  return reply;
}

std::optional<HlsStream::Pieces> HlsStream::poll_pieces() {
  if (state_->pieces.empty()) return std::nullopt;
  Pieces pieces = std::move(state_->pieces.front());
  state_->pieces.pop_front();
  return pieces;
}

void HlsStream::set_certificates(std::vector<std::shared_ptr<const proto::Certificate>> certificates) {
  state_->certificates = std::move(certificates);
}

std::uint32_t HlsStream::discontinuity_number(std::uint64_t epoch, std::uint64_t segment) const {
  const EpochStore* held = state_->store.find_epoch(epoch);
  return held == nullptr ? 0 : state_->discontinuities.number(*held, segment);
}

const HlsStream::Counters& HlsStream::counters() const {
  return state_->counters;
}

// ---- what the answers share

HlsTrackView& HlsStream::State::view(std::uint16_t track) {
  const auto [at, fresh] = tracks.try_emplace(track, track, config.min_segments);
  if (fresh) note_kind(at->second);
  return at->second;
}

void HlsStream::State::advance(HlsTrackView& shown, Now now) {
  const auto shape = [&shown] {
    const HlsTimeline& line = shown.timeline;
    return std::tuple(line.hint(), line.epoch(), line.ended(), line.target_duration_s(), line.part_target_us());
  };
  const auto rates = [&shown] { return std::pair(shown.timeline.peak_bps(), shown.timeline.average_bps()); };
  const auto shape_before = shape();
  const auto rates_before = rates();
  const std::uint64_t forgotten_before = shown.timeline.forgotten();
  const bool moved = shown.timeline.advance(store, discontinuities, now);
  note_kind(shown);
  if (shown.timeline.forgotten() != forgotten_before) shown.media.expire();
  if (rates() != rates_before || shape() != shape_before) multivariant_due = true;
  if (const TrackEdge edge = edge_of(shown); edge != shown.edge) {
    shown.edge = edge;
    for (auto& [number, other] : tracks) other.forget_text();  // they report it
  }
  if (!moved && shape() == shape_before) return;
  shown.forget_text();
  if (!shown.held.empty()) release_held(shown, now);
}

void HlsStream::State::note_kind(HlsTrackView& shown) const {
  const TrackStore* kept = newest_of(shown.number);
  if (kept == nullptr) return;
  if (kept->info.kind != shown.kind) shown.media.expire();  // audio/mp4 or video/mp4
  shown.kind = kept->info.kind;
  shown.content = content_type_of(*kept);
}

// What left the store turns answers into 404 at any address of its track.
void HlsStream::State::note_removals() {
  if (store.removals() == removals_seen) return;
  removals_seen = store.removals();
  multivariant_due = true;
  for (auto& [track, shown] : tracks) shown.media.expire();
}

const TrackStore* HlsStream::State::newest_of(std::uint16_t track) const {
  for (auto at = store.epochs().rbegin(); at != store.epochs().rend(); ++at)
    if (const TrackStore* kept = store.find_track(at->first, track)) return kept;
  return nullptr;
}

ChunkPtr HlsStream::State::find(std::uint64_t epoch, std::uint16_t track, ChunkPos pos) const {
  if (ChunkPtr chunk = store.find(epoch, track, pos)) return chunk;
  const auto shown = tracks.find(track);
  return shown == tracks.end() ? nullptr : shown->second.timeline.find(epoch, pos);
}

}  // namespace streamr::core
