// What is done when media does not come: FETCH, another source, a probe of who is silent.
#include <algorithm>

#include "core/node_state.hpp"

namespace streamr::core {

namespace {

constexpr std::uint64_t back_to_first_us = 10'000'000;  // a healthy first offer gets the stream back after this
constexpr std::uint64_t penalty_us = 30'000'000;
constexpr std::uint64_t oldest_repaired_us = 5'000'000;  // and ten parts: what is older nobody plays any more
constexpr int fetched_at_once = 8;                       // positions of one hole

std::uint64_t since(std::uint64_t then_us, Now now) {
  return now.mono_us - std::min(now.mono_us, then_us);
}

// Was media with octets announced after the source's last slice, long enough ago that a source that lives had sent
// some?
bool announced_since(const EpochStore& epoch, std::uint64_t last_us, std::uint64_t until_us) {
  constexpr int newest_most = 8;  // a run of GAP chunks says nothing, and is short
  for (const auto& [number, track] : epoch.tracks) {
    int looked = 0;
    for (auto at = track.parts.rbegin(); at != track.parts.rend() && looked < newest_most; ++at, ++looked) {
      const std::uint64_t arrived_us = at->second->arrived_mono_us();
      if (at->second->header().slice_count != 0 && arrived_us > last_us && arrived_us <= until_us) return true;
    }
  }
  return false;
}

}  // namespace

void Node::State::fetch(Stream& stream, Source& source, std::uint16_t track, ChunkPos pos, std::uint64_t epoch,
                        std::uint16_t first, std::uint16_t count, Now now) {
  Peer* peer = find_peer(source.link);
  if (peer == nullptr || !peer->link->open() || peer->fetches >= limits::outstanding_fetches / 2) return;
  for (const auto& [sub, in] : peer->in)
    if (in.stream == stream.store.id() && in.track == track) {
      stream.asked[{track, pos}] = now.mono_us;
      ++peer->fetches;
      ++counters.fetches;
      peer->link->send(proto::encode(proto::Fetch{epoch, pos.segment, pos.part, first, count}, sub));
      return;
    }
}

// Who is asked for what `not_from` did not bring: another that speaks, else the source itself.
Source* Node::State::repairer(Stream& stream, LinkId not_from, Now now) {
  Source* other = best_standby(stream, not_from, now);
  Source* active = find_source(stream, stream.active);
  return other == nullptr || (active != nullptr && is_silent(stream, *other, now)) ? active : other;
}

// Asks another upstream than `not_from` for what a chunk lacks; false where there is none.
bool Node::State::fetch_missing(Stream& stream, const ChunkPtr& chunk, LinkId not_from, Now now) {
  Source* from = repairer(stream, not_from, now);
  if (from == nullptr) return false;
  const auto& header = chunk->header();
  for (std::uint16_t i = 0; i < header.slice_count; ++i) {
    if (chunk->has_slice(i)) continue;
    std::uint16_t count = 1;
    while (i + count < header.slice_count && !chunk->has_slice(static_cast<std::uint16_t>(i + count))) ++count;
    fetch(stream, *from, header.track, header.pos(), header.epoch, i, count, now);
    i = static_cast<std::uint16_t>(i + count);
  }
  return true;
}

// No verified slice for 2 x part target though something is announced: FETCH from the standby; 3 x: switch to it.
void Node::State::repair(Stream& stream, Now now) {
  const auto* epoch = stream.store.newest_epoch();
  if (epoch == nullptr || stream.active == 0) return;
  Source* source = find_source(stream, stream.active);
  if (source == nullptr) return;
  probe_silent(stream, epoch->part_target_us, now);
  if (replace_late(stream, *source, *epoch, now)) return;
  fetch_holes(stream, *source, *epoch, now);
  back_to_first(stream, *source, now);
}

// True: another source took over.
bool Node::State::replace_late(Stream& stream, Source& source, const EpochStore& epoch, Now now) {
  const std::uint64_t target_us = epoch.part_target_us;
  Source* standby = best_standby(stream, source.link, now);
  const std::uint64_t quiet_us = since(std::max(source.last_slice_us, source.subscribed_us), now);
  if (standby != nullptr && source.slices == 0 && quiet_us >= first_slice_us && !stream.unfinished.empty()) {
    source.penalty_until_us = now.mono_us + penalty_us;
    switch_to(stream, *standby, "the first relay sent nothing for 1 s", now);
    return true;
  }
  for (const auto& chunk : stream.unfinished) {
    const std::uint64_t age_us = since(chunk->arrived_mono_us(), now);
    if (age_us >= 10 * target_us + oldest_repaired_us) continue;
    // A source that brings nothing at all is late sooner than one that brings something else.
    if (age_us < 2 * target_us && (quiet_us < 2 * target_us || age_us < target_us)) continue;
    const auto asked = stream.asked.find({chunk->header().track, chunk->header().pos()});
    if (asked == stream.asked.end() || asked->second + 2 * target_us <= now.mono_us)
      fetch_missing(stream, chunk, stream.active, now);
  }
  // Counted from the source's last slice, whatever FETCH brought meanwhile: repairs do not keep a silent source.
  if (standby == nullptr || quiet_us < 3 * target_us ||
      !announced_since(epoch, now.mono_us - quiet_us, now.mono_us - std::min(target_us, now.mono_us)))
    return false;
  source.penalty_until_us = now.mono_us + penalty_us;
  switch_to(stream, *standby, "no slice came for 3 parts", now);
  return true;
}

// Positions that were skipped: a break in the chain of headers, between chunks that are here.
void Node::State::fetch_holes(Stream& stream, Source& source, const EpochStore& epoch, Now now) {
  Source& from = *repairer(stream, source.link, now);
  for (const auto& [number, track] : epoch.tracks) {
    if (track.parts.empty()) continue;
    const std::uint64_t newest = track.parts.rbegin()->first.segment;
    const StoredChunk* before = nullptr;
    for (auto at = track.parts.lower_bound({newest > 1 ? newest - 1 : 0, 0}); at != track.parts.end();
         before = at->second.get(), ++at) {
      if (before == nullptr) continue;
      ChunkPos want = {before->header().segment, static_cast<std::uint16_t>(before->header().part + 1)};
      if (before->header().has(proto::last_in_segment)) want = {before->header().segment + 1, 0};
      for (int most = 0; want < at->first && most < fetched_at_once; ++most) {
        const bool may_exist = want.segment == at->first.segment || before->header().segment == want.segment;
        if (may_exist && !stream.asked.contains({number, want}))
          fetch(stream, from, number, want, epoch.epoch, 0, 0, now);
        want = want.segment < at->first.segment ? ChunkPos{at->first.segment, 0}
                                                : ChunkPos{want.segment, static_cast<std::uint16_t>(want.part + 1)};
      }
    }
  }
}

// The offer that the coordinator put first is the one that is paid: back to it when it has been well for a while.
void Node::State::back_to_first(Stream& stream, const Source& source, Now now) {
  if (stream.sources.empty() || source.offer.url.empty()) return;
  Source& first = stream.sources.front();
  const bool well = first.link != 0 && first.link != stream.active && first.state == SourceState::subscribed &&
                    !first.retired && first.leaves_us == 0 && first.penalty_until_us <= now.mono_us &&
                    first.subscribed_us + back_to_first_us <= now.mono_us;
  if (well) switch_to(stream, first, "the first upstream is well again", now);
}

// Nothing comes from anyone: the publisher pauses, or they are gone without a word. A PING tells which.
void Node::State::probe_silent(Stream& stream, std::uint64_t target_us, Now now) {
  for (const auto& source : stream.sources)
    if (source.state == SourceState::subscribed)
      if (Peer* peer = find_peer(source.link)) peer->link->probe(3 * target_us, now);
}

}  // namespace streamr::core
