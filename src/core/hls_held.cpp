#include <algorithm>

#include "core/hls_state.hpp"

namespace streamr::core {

void HlsStream::State::hold(HlsTrackView& shown, const Awaited& awaited, HttpAsk ask, Now now) {
  const std::uint64_t until = now.mono_us + 3 * s_to_us(shown.timeline.target_duration_s());
  WaitingGroup& group = shown.held[awaited];
  group.until_mono_us = std::min(group.until_mono_us, until);
  group.waiting.push_back({std::move(ask), until});
}

// One judgement for each thing that is awaited, whatever the number of those who wait.
void HlsStream::State::release_held(HlsTrackView& shown, Now now) {
  for (auto at = shown.held.begin(); at != shown.held.end();) {
    const Awaited& awaited = at->first;
    WaitingGroup& group = at->second;
    const Outcome outcome = judge(shown, awaited);
    if (outcome != Outcome::waits || now.mono_us >= group.until_mono_us) {
      group.until_mono_us = UINT64_MAX;
      std::erase_if(group.waiting, [&](const WaitingGroup::Waiting& one) {
        if (outcome == Outcome::waits && now.mono_us < one.until_mono_us) {
          group.until_mono_us = std::min(group.until_mono_us, one.until_mono_us);
          return false;
        }
        replies.push_back({one.ask.id, answer_awaited(shown, awaited, outcome, one.ask, now)});
        return true;
      });
    }
    at = group.waiting.empty() ? shown.held.erase(at) : std::next(at);
  }
}

Outcome HlsStream::State::judge(const HlsTrackView& shown, const Awaited& awaited) const {
  const HlsTimeline& timeline = shown.timeline;
  if (awaited.part) {
    const ChunkPtr chunk = find(awaited.epoch, shown.number, awaited.part->pos);
    if (chunk && awaited.part->kind == MediaName::Kind::chunk) return Outcome::streamed_chunk;
    if (chunk && chunk->whole()) return Outcome::part;
    const bool promised = timeline.epoch() == awaited.epoch && timeline.hint() == awaited.part->pos;
    return promised ? Outcome::waits : Outcome::broken_promise;
  }
  // A playlist that lists nothing at all makes players give up.
  const bool any = !timeline.listed().empty();
  if (!any && !awaited.place) return Outcome::waits;
  switch (timeline.judge(awaited.place.value_or(PlaylistPlace{}))) {
    case PlaceState::too_far: return Outcome::too_far;
    case PlaceState::awaited: return Outcome::waits;
    case PlaceState::listed: return any || timeline.open() != nullptr ? Outcome::playlist : Outcome::waits;
  }
  return Outcome::waits;
}

// `waits` here: for too long.
HttpResponse HlsStream::State::answer_awaited(HlsTrackView& shown, const Awaited& awaited, Outcome outcome,
                                              const HttpAsk& ask, Now now) {
  switch (outcome) {
    case Outcome::playlist: return send_media_playlist(ask, shown, awaited.delta);
    case Outcome::part: return answer_part(ask, find(awaited.epoch, shown.number, awaited.part->pos), *awaited.part);
    case Outcome::streamed_chunk:
      return answer_chunk(ask, find(awaited.epoch, shown.number, awaited.part->pos), now);
    case Outcome::too_far:
      return error_response(400, "expected a place near the live edge of this playlist, a later one came");
    case Outcome::broken_promise:
    case Outcome::waits: break;
  }
  if (awaited.part) return error_response(404, "the part that was promised did not come");
  HttpResponse answer = error_response(503, "what this playlist request waits for did not come in time; ask again");
  answer.headers.emplace_back("Retry-After", "1");
  return answer;
}

}  // namespace streamr::core
