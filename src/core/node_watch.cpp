#include <algorithm>

#include "core/node_state.hpp"

namespace streamr::core {

namespace {

constexpr std::uint64_t ask_again_us = 2'000'000;
constexpr std::uint64_t renew_before_us = 90'000'000;  // of a ticket's end
constexpr std::uint64_t lasting_switch_us =
    10'000'000;  // then a new session is asked for: only its first relay is paid

// How long a hole is waited for: a FETCH, a switch and what the new source sends, and as long as parts are not late.
std::uint64_t patience_us(const Watch& watch, std::uint64_t part_target_us) {
  if (watch.options.max_latency_ms != 0) return std::max(ms_to_us(watch.options.max_latency_ms), 3 * part_target_us);
  return std::max<std::uint64_t>(5 * part_target_us, 2'000'000);
}

}  // namespace

Result<WatchId> Node::State::watch(WatchOptions options, Now now) {
  Watch watch;
  watch.id = next_id++;
  if (auto id = fixed_from_hex<StreamId>(options.stream)) watch.stream = *id;
  if (options.relay_url.empty() && !presence)
    return fail(STREAMR_E_INVALID, "neither a relay_url nor a coordinator is given: nobody to ask for the stream");
  if (!options.relay_url.empty() && !watch.stream && !options.ticket)
    return fail(STREAMR_E_INVALID,
                "with relay_url the stream must be its id of 64 hex digits: an alias needs a coordinator");
  if (!watch.stream && options.ticket) watch.stream = options.ticket->stream_id;
  watch.options = std::move(options);
  const WatchId id = watch.id;
  Watch& kept = watches.emplace(id, std::move(watch)).first->second;
  if (kept.options.relay_url.empty()) {
    kept.ask_session_us = now.mono_us;
    run_watch(kept, now);
    return id;
  }
  Stream& stream = open_stream(*kept.stream);
  stream.watches.insert(id);
  set_offers(stream,
             {UpstreamOffer{kept.options.relay_url, kept.options.relay_key.value_or(Key{}), kept.options.ticket}}, now);
  return id;
}

void Node::State::unwatch(WatchId id, Now now) {
  const auto found = watches.find(id);
  if (found == watches.end()) return;
  const auto stream_id = found->second.stream;
  watches.erase(found);
  if (!stream_id) return;
  if (Stream* stream = find_stream(*stream_id)) stream->watches.erase(id);
  close_unwanted(*stream_id, now);
}

void Node::State::run_watch(Watch& watch, Now now) {
  if (!presence || !watch.options.relay_url.empty() || stopping) return;
  Stream* stream = watch.stream ? find_stream(*watch.stream) : nullptr;
  if (stream != nullptr && !watch.asking && watch.ask_session_us == never_us) {
    // What the offers still carry decides when the next answer is needed.
    std::uint64_t first_end_us = never_us;
    for (const auto& source : stream->sources)
      if (source.offer.ticket && !source.retired)
        first_end_us = std::min(first_end_us, source.offer.ticket->not_after_us);
    const bool ends_soon = first_end_us != never_us && now.unix_us + renew_before_us > first_end_us;
    const bool lasting = stream->switched_us != 0 && now.mono_us >= stream->switched_us + lasting_switch_us &&
                         !stream->sources.empty() && stream->sources.front().link != stream->active;
    const bool all_gone = stream->active == 0 && stream->sources_began_us + ask_again_us < now.mono_us &&
                          std::none_of(stream->sources.begin(), stream->sources.end(), [](const Source& s) {
                            return s.state == SourceState::subscribed || s.state == SourceState::open;
                          });
    if (ends_soon || lasting || all_gone) watch.ask_session_us = now.mono_us;
    if (lasting) stream->switched_us = 0;
  }
  if (watch.asking || now.mono_us < watch.ask_session_us) return;
  watch.asking = true;
  watch.ask_session_us = never_us;
  presence->request_session({watch.id, watch.options.stream, identity.public_key(), 0}, now);
  presence_due = true;
}

void Node::State::on_session(const SessionGranted& granted, Now now) {
  const auto found = watches.find(granted.request);
  if (found == watches.end()) return;
  Watch& watch = found->second;
  watch.asking = false;
  if (granted.relays.empty()) {
    watch.ask_session_us = now.mono_us + ask_again_us;
    event(STREAMR_EVENT_UPSTREAM, 0, "no relay serves the stream yet; asking again", now).watch = watch.id;
    return;
  }
  watch.stream = granted.stream;
  watch.ask_session_us = never_us;
  Stream& stream = open_stream(granted.stream);
  stream.watches.insert(watch.id);
  stream.steering_url = granted.steering_url;
  if (watch.options.stream.size() != 64) {
    stream.alias = watch.options.stream;
    set_alias(stream.alias, granted.stream);
  }
  stream.sources_began_us = now.mono_us;
  set_offers(stream, granted.relays, now);
}

void Node::State::on_session_refused(const SessionRefused& refused, Now now) {
  const auto found = watches.find(refused.request);
  if (found == watches.end()) return;
  found->second.asking = false;
  found->second.ask_session_us = now.mono_us + std::max<std::uint64_t>(s_to_us(refused.retry_after_s), ask_again_us);
  const std::string what = refused.status == 0
                               ? refused.message
                               : std::to_string(refused.status) + " " + refused.code + ": " + refused.message;
  event(STREAMR_EVENT_ERROR, refused.status == 404 ? STREAMR_E_NOTFOUND : STREAMR_E_REFUSED,
        "no session yet (" + what + "); asking again", now)
      .watch = found->first;
}

// Chunks are told whole and in order; a hole is waited for as long as a repair may take.
void Node::State::flush_watches(Stream& stream, Now now) {
  for (const auto id : stream.watches) {
    Watch& watch = watches[id];
    for (const auto& [number, epoch] : stream.store.epochs())
      for (const auto& [track_number, track] : epoch.tracks)
        if (watch.options.track_mask == 0 || ((watch.options.track_mask >> track_number) & 1u) != 0)
          flush_track(watch, stream, epoch, track, now);
  }
}

void Node::State::flush_track(Watch& watch, Stream& stream, const EpochStore& epoch, const TrackStore& track, Now now) {
  WatchTrack& at = watch.tracks[track.info.track];
  if (epoch.epoch < at.epoch) return;
  if (epoch.epoch > at.epoch) {
    if (track.parts.empty()) return;
    at = WatchTrack{};
    at.epoch = epoch.epoch;
  }
  if (!at.started) {
    if (track.parts.empty() || !track.parts.begin()->second->whole()) return;
    at.next = track.parts.begin()->first;
    at.started = true;
  }
  for (auto part = track.parts.lower_bound(at.next); part != track.parts.end();
       part = track.parts.lower_bound(at.next)) {
    const ChunkPtr chunk = part->second;
    const auto& header = chunk->header();
    const auto init = track.init_for(header.segment);
    // In order by number, or because the chain of headers says that nothing stands between.
    const bool in_order =
        part->first == at.next || header.prev_header_hash == at.told ||
        (init && header.prev_header_hash == init->header_hash() && init->header().prev_header_hash == at.told);
    if (!in_order || !chunk->whole()) {
      // Something is missing; go past it when what follows has waited for longer than a repair takes.
      const auto later = std::find_if(part, track.parts.end(), [&](const auto& p) { return p.second->whole(); });
      if (later == track.parts.end()) return;
      if (at.waiting_since_us == 0) at.waiting_since_us = now.mono_us;
      if (now.mono_us < at.waiting_since_us + patience_us(watch, epoch.part_target_us)) return;
      at.next = later->first;
      at.waiting_since_us = 0;
      continue;
    }
    if (init && init.get() != at.init_told) {
      if (!init->whole()) return;
      at.init_told = init.get();
      tell_chunk(watch, init, now);
    }
    at.waiting_since_us = 0;
    at.told = chunk->header_hash();
    if (header.has(proto::end)) {
      at.next = {header.segment + 1, 0};
      continue;
    }
    at.next = header.has(proto::last_in_segment)
                  ? ChunkPos{header.segment + 1, 0}
                  : ChunkPos{header.segment, static_cast<std::uint16_t>(header.part + 1)};
    if (!header.has(proto::gap)) tell_chunk(watch, chunk, now);
  }
  const auto newest = track.newest();
  if (!epoch.ended() || !newest || newest->header().pos() >= at.next || watch.ended_epoch == epoch.epoch) return;
  watch.ended_epoch = epoch.epoch;
  NodeEvent& told =
      event(STREAMR_EVENT_ENDED, static_cast<int>(proto::SubEndCode::stream_ended), "the stream ended", now);
  told.stream = stream.store.id();
  told.watch = watch.id;
}

void Node::State::tell_chunk(Watch& watch, const ChunkPtr& chunk, Now now) {
  if (!watch.ready_told) {
    watch.ready_told = true;
    event(STREAMR_EVENT_READY, 1, "the first chunk is here", now).watch = watch.id;
  }
  NodeEvent& told = event(STREAMR_EVENT_CHUNK, 0, "", now);
  told.watch = watch.id;
  told.chunk = chunk;
  told.stream = chunk->header().stream_id;
  told.latency_us = now.unix_us > chunk->header().capture_time_us ? now.unix_us - chunk->header().capture_time_us : 0;
}

}  // namespace streamr::core
