#include <algorithm>

#include "core/hls_state.hpp"

namespace streamr::core {

void HlsStream::State::hold(HlsTrackView& shown, HeldRequest request, Now now) {
  request.until_mono_us = now.mono_us + 3 * s_to_us(shown.timeline.target_duration_s());
  shown.held.push_back(std::move(request));
}

void HlsStream::State::release_held(HlsTrackView& shown, Now now) {
  std::erase_if(shown.held, [&](const HeldRequest& held) {
    auto answer = settle(shown, held, now);
    if (!answer) return false;
    replies.push_back({held.request.id, std::move(*answer)});
    return true;
  });
}

std::optional<HttpResponse> HlsStream::State::settle(HlsTrackView& shown, const HeldRequest& held, Now now) {
  const HlsTimeline& timeline = shown.timeline;
  const bool late = now.mono_us >= held.until_mono_us;
  if (held.part) {
    const ChunkPtr chunk = find(held.epoch, shown.number, held.part->pos);
    const bool streams = held.part->kind == MediaName::Kind::chunk;
    if (chunk && streams) return answer_chunk(held.request, chunk, now);
    if (chunk && chunk->whole()) return answer_part(held.request, chunk, *held.part);
    const bool promised = timeline.epoch() == held.epoch && timeline.hint() == held.part->pos;
    if (promised && !late) return std::nullopt;
    return error_response(404, "the part that was promised did not come");
  }
  const bool any = !timeline.listed().empty();
  const PlaceState state =
      !any && !held.place ? PlaceState::awaited : timeline.judge(held.place.value_or(PlaylistPlace{}));
  if (state == PlaceState::too_far)
    return error_response(400, "expected a place near the live edge of this playlist, a later one came");
  // A playlist that lists nothing at all makes players give up.
  if (state == PlaceState::listed && (any || timeline.open() != nullptr))
    return send_media_playlist(held.request, shown);
  if (!late) return std::nullopt;
  HttpResponse answer = error_response(503, "what this playlist request waits for did not come in time; ask again");
  answer.headers.emplace_back("Retry-After", "1");
  return answer;
}

}  // namespace streamr::core
