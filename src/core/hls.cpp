#include "core/hls.hpp"

#include <algorithm>

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
  return error_response(404, "expected an address below /live/{stream}: .m3u8, {track}.m3u8, or {epoch}/{track}/ and a media name");
}

bool ends_with(std::string_view text, std::string_view tail) {
  return text.size() > tail.size() && text.substr(text.size() - tail.size()) == tail;
}

}  // namespace

HlsStream::HlsStream(const StreamStore& store, HlsConfig config) : state_(std::make_unique<State>(store, std::move(config))) {
  for (const auto& [number, epoch] : store.epochs())
    for (const auto& [track, held] : epoch.tracks) {
      for (const auto& [segment, chunk] : held.inits) state_->discontinuities.see(chunk->header());
      for (const auto& [pos, chunk] : held.parts) state_->discontinuities.see(chunk->header());
    }
}

HlsStream::~HlsStream() = default;

void HlsStream::on_chunk(const ChunkPtr& chunk, Now now) {
  state_->discontinuities.see(chunk->header());
  // A CHUNK without slices is whole at once; a later one may also show that a segment before it has ended.
  state_->advance(chunk->header().track, now);
  if (chunk->header().has(proto::end)) on_time(now);
}

void HlsStream::on_whole(const ChunkPtr& chunk, Now now) {
  state_->feed_open(chunk);
  state_->advance(chunk->header().track, now);
}

void HlsStream::on_slice(const ChunkPtr& chunk, std::uint16_t, Now) { state_->feed_open(chunk); }

void HlsStream::on_time(Now now) {
  for (const auto& [number, epoch] : state_->store.epochs())
    for (const auto& [track, held] : epoch.tracks) state_->view(track);
  for (const auto& [track, view] : state_->tracks) state_->advance(track, now);
  state_->release_held(now);
  state_->give_up_open(now);
}

std::uint64_t HlsStream::deadline_us() const {
  std::uint64_t at = UINT64_MAX;
  for (const auto& [track, view] : state_->tracks) at = std::min(at, view.timeline.deadline_us());
  for (const State::Held& held : state_->held_requests) at = std::min(at, held.until_mono_us);
  for (const State::Open& open : state_->open_bodies) at = std::min(at, open.until_mono_us);
  return at;
}

std::optional<HttpResponse> HlsStream::get(const HttpRequest& request, std::string_view rest, Now now) {
  if (auto answered = answer_method(request)) return answered;
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
    return state_->answer_certificate(request, *epoch, *track, words[3]);
  }
  if (words[2] == "head") return state_->answer_head(*epoch, *track);
  if (words[2] == "headers") return state_->answer_headers(request, *epoch, *track);
  const auto name = parse_media_name(words[2]);
  return name ? state_->answer_media(request, *epoch, *track, *name, now) : unknown_address();
}

void HlsStream::on_closed(HttpId id) {
  std::erase_if(state_->held_requests, [id](const State::Held& held) { return held.request.id == id; });
  std::erase_if(state_->open_bodies, [id](const State::Open& open) { return open.body.id == id; });
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

const HlsStream::Counters& HlsStream::counters() const { return state_->counters; }

// ---- what the answers share

HlsTrackView& HlsStream::State::view(std::uint16_t track) {
  return tracks.try_emplace(track, HlsTimeline(track, config.min_segments)).first->second;
}

void HlsStream::State::advance(std::uint16_t track, Now now) {
  HlsTrackView& shown = view(track);
  if (!shown.timeline.advance(store, discontinuities, now)) return;
  shown.text.reset();
  if (!held_requests.empty()) release_held(now);
}

// A playlist without a segment makes players give up, so who asks early waits for the first one.
void HlsStream::State::release_held(Now now) {
  std::erase_if(held_requests, [&](Held& waiting) {
    HlsTrackView& shown = view(waiting.track);
    if (!shown.timeline.listed().empty()) {
      replies.push_back({waiting.request.id, send_media_playlist(waiting.request, shown)});
      return true;
    }
    if (now.mono_us < waiting.until_mono_us) return false;
    HttpResponse late = error_response(503, "no segment of this track came in time; ask again");
    late.headers.emplace_back("Retry-After", "1");
    replies.push_back({waiting.request.id, std::move(late)});
    return true;
  });
}

ChunkPtr HlsStream::State::find(std::uint64_t epoch, std::uint16_t track, ChunkPos pos) const {
  if (ChunkPtr chunk = store.find(epoch, track, pos)) return chunk;
  const auto shown = tracks.find(track);
  return shown == tracks.end() ? nullptr : shown->second.timeline.find(epoch, pos);
}

}  // namespace streamr::core
