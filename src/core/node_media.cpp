#include <algorithm>
#include <utility>

#include "core/node_state.hpp"

namespace streamr::core {

namespace {

constexpr std::size_t chunks_remembered = 64;  // per subscription

bool unfinished(const InChunk& in) {
  return in.counted && !in.given_up && !in.fetched && in.chunk && in.brought->count < in.chunk->header().slice_count;
}

// What is wrong with a slice that the verifier refused, in the order in which it looks.
const char* slice_fault(const StoredChunk& chunk, const proto::Slice& frame) {
  if (frame.index >= chunk.header().slice_count) return "index";
  return frame.data.size() != chunk.header().slice_bytes(frame.index) ? "length" : "hash";
}

void forget_old(InSub& in) {
  while (in.chunks.size() > chunks_remembered) {
    const auto oldest = in.chunks.begin();
    if (unfinished(oldest->second)) return;
    if (oldest->second.chunk) {
      const auto pos = in.recent.find(oldest->second.chunk->header().pos());
      if (pos != in.recent.end() && pos->second == oldest->first) in.recent.erase(pos);
    }
    in.chunks.erase(oldest);
  }
}

}  // namespace

Status Node::State::on_chunk(Peer& peer, std::uint16_t sub, const proto::Chunk& frame, Now now) {
  if (frame.chunk_ref <= peer.link->last_ref_in)
    return refuse(Wire::malformed, "chunk_ref " + std::to_string(frame.chunk_ref) + " does not increase");
  peer.link->last_ref_in = frame.chunk_ref;
  const auto found = peer.in.find(sub);
  if (found == peer.in.end()) {
    if (peer.in_ended.contains(sub)) return {};
    return refuse(Wire::malformed, "CHUNK on a subscription that was never made");
  }
  InSub& in = found->second;
  Stream* const wanted = find_stream(in.stream);
  if (wanted == nullptr) return {};  // closed while this was under way
  Stream& stream = *wanted;
  const auto& header = frame.header;
  const bool asked = stream.asked.contains({header.track, header.pos()});
  const bool known = stream.store.find(header.epoch, header.track, header.pos()) != nullptr;
  const auto source = asked || header.has(proto::init) ? ChunkSource::fetch_answer : ChunkSource::live;
  auto check = stream.verifier.check_chunk(frame, in.track, source, stream.store, now);
  if (!check) {
    if (auto proof = stream.verifier.take_equivocation()) on_equivocation(peer, stream, *proof, now);
    ++stream.slices_rejected;
    if (check.error().wire != Wire::bad_slice) {
      ++counters.slices_rejected[std::string(wire_name(check.error().wire))];
      event(STREAMR_EVENT_REJECTED, static_cast<int>(check.error().wire),
            peer.link->address() + " " + check.error().text, now)
          .stream = in.stream;
      return check.error();
    }
    in.chunks[frame.chunk_ref].given_up = true;
    refuse_media(peer, stream, frame.chunk_ref, "root", check.error(), now);
    return {};
  }
  InChunk record;
  record.fetched = asked && known;
  record.counted = !in.headers_only && !record.fetched;
  if (peer.fetches > 0 && asked) --peer.fetches;
  if (check->verdict == ChunkVerdict::below_window) {
    record.given_up = true;
    in.chunks[frame.chunk_ref] = std::move(record);
    return {};
  }
  if (check->chain_broken) ++stream.chain_breaks;
  if (check->verdict == ChunkVerdict::fresh) {
    put_chunk(stream, *check->chunk, now);
  }
  record.chunk = stream.store.find(header.epoch, header.track, header.pos());
  if (!record.chunk) record.given_up = true;  // trimmed already
  // Announced before on this subscription, as a FETCH and a repeated SUBSCRIBE do: both refs may go on bringing slices.
  if (const auto before = in.recent.find(header.pos()); before != in.recent.end())
    if (const auto old = in.chunks.find(before->second); old != in.chunks.end() && old->second.chunk == record.chunk) {
      record.brought = old->second.brought;
      old->second.counted = false;
    }
  if (!record.brought) record.brought = std::make_shared<Brought>(Brought{std::vector<bool>(header.slice_count), 0});
  in.recent[header.pos()] = frame.chunk_ref;
  in.chunks[frame.chunk_ref] = std::move(record);
  std::uint32_t open = 0, untouched = 0;
  for (const auto& [ref, chunk] : in.chunks)
    if (unfinished(chunk)) {
      ++open;
      if (chunk.brought->count == 0) ++untouched;
    }
  if (open > limits::unfinished_chunks || untouched > limits::unfinished_chunks_without_slice)
    return refuse(Wire::limit, "more than 8 unfinished chunks, or 4 without a slice, on one subscription");
  forget_old(in);
  if (check->chain_broken) repair(stream, now);
  return {};
}

// The streamer signed two chunks for one place: the proof goes to the coordinator, what waits of the track goes
// nowhere.
void Node::State::on_equivocation(Peer& peer, Stream& stream, const Verifier::Equivocation& found, Now now) {
  ++counters.equivocations;
  if (const auto track = stream.followers.find(found.track); track != stream.followers.end())
    for (OutSub* out : track->second) {
      out->delivery->on_stopped(found.certificate.epoch);
      mark_dirty(*out->peer);
    }
  std::erase_if(stream.unfinished, [&](const ChunkPtr& chunk) { return stream.verifier.is_void(*chunk); });
  if (!presence) return;
  presence->report_evidence({"equivocation",
                             peer.link->peer_key(),
                             {ByteVector(found.certificate.raw.begin(), found.certificate.raw.end()), found.proof}},
                            now);
  presence_due = true;
}

// What a join or a FETCH put into the queue under a revoked certificate, or of a stopped track, is taken out again.
void Node::State::withhold_void(OutSub& out) {
  const Verifier& verifier = out.of->verifier;
  if (verifier.revocation()) out.delivery->on_revoked(verifier.revoked_serial_max());
  for (const auto& [epoch, opened] : out.of->store.epochs())
    if (verifier.track_stopped(epoch, out.track)) out.delivery->on_stopped(epoch);
}

Status Node::State::on_slice(Peer& peer, std::uint16_t sub, const proto::Slice& frame, Now now) {
  const auto found = peer.in.find(sub);
  if (found == peer.in.end()) {
    if (peer.in_ended.contains(sub)) return {};
    return refuse(Wire::malformed, "SLICE on a subscription that was never made");
  }
  InSub& in = found->second;
  Stream* const wanted = find_stream(in.stream);
  if (wanted == nullptr) return {};
  Stream& stream = *wanted;
  const auto at = in.chunks.find(frame.chunk_ref);
  if (at == in.chunks.end()) {
    if (!in.chunks.empty() && frame.chunk_ref < in.chunks.begin()->first) return {};  // finished and forgotten long ago
    refuse_media(peer, stream, frame.chunk_ref, "unannounced",
                 refuse(Wire::bad_slice,
                        "SLICE for chunk_ref " + std::to_string(frame.chunk_ref) + " which was never announced"),
                 now);
    return {};
  }
  InChunk& record = at->second;
  if (record.given_up && record.chunk == nullptr) return {};
  if (record.given_up) {
    if (record.dropped)
      refuse_media(peer, stream, frame.chunk_ref, "dropped",
                   refuse(Wire::bad_slice, "SLICE for a chunk that its sender dropped"), now);
    return {};
  }
  // Its certificate was revoked, or its track stopped, while it was under way: nothing of it is kept or passed on.
  if (stream.verifier.is_void(*record.chunk)) return {};
  auto slice = stream.verifier.check_slice(*record.chunk, frame.index, frame.data);
  if (!slice) {
    ++stream.slices_rejected;
    if (peer.keeper) peer.keeper->on_bad_or_late();
    report_bad_slice(peer, *record.chunk, frame, now);
    const ChunkPtr chunk = record.chunk;
    refuse_media(peer, stream, frame.chunk_ref, slice_fault(*chunk, frame), slice.error(), now);
    fetch_missing(stream, chunk, peer.link->id(), now);
    return {};
  }
  Brought& brought = *record.brought;
  if (brought.slices[frame.index]) return {};  // a duplicate: ignored, not counted, not forwarded
  brought.slices[frame.index] = true;
  ++brought.count;
  const auto& header = record.chunk->header();
  if (Source* source = find_source(stream, peer.link->id())) {
    source->last_slice_us = now.mono_us;
    ++source->slices;
  }
  if (peer.keeper) {
    peer.keeper->on_slice(header.epoch, header.segment, frame.data.size(), now);
    if (peer.keeper->due(now)) send_receipts(peer, now, false);
  }
  const ChunkPtr chunk = record.chunk;
  if (stream.store.put_slice(chunk, *slice, now)) on_new_slice(stream, chunk, frame.index, now);
  return {};
}

// The peer's bytes do not hold: it hears of it once, the rest of the node goes on.
void Node::State::refuse_media(Peer& peer, Stream& stream, std::uint32_t ref, const char* reason, const Error& why,
                               Now now) {
  ++counters.slices_rejected[reason];
  event(STREAMR_EVENT_REJECTED, static_cast<int>(why.wire), peer.link->address() + " " + why.text, now).stream =
      stream.store.id();
  if (Source* source = find_source(stream, peer.link->id())) {
    ++source->rejected;
    source->penalty_until_us = now.mono_us + 60'000'000;
    if (stream.active == peer.link->id())
      if (Source* other = best_standby(stream, peer.link->id(), now);
          other != nullptr && !is_silent(stream, *other, now))
        switch_to(stream, *other, "a slice of the source before was bad", now);
  }
  peer.link->refuse_slice(ref, why.text);
}

void Node::State::report_bad_slice(Peer& peer, const StoredChunk& chunk, const proto::Slice& frame, Now now) {
  if (!presence) return;
  const auto& certificate = chunk.certificate()->raw;
  const auto proof = chunk.header_and_leaves().view();
  ByteVector slice(2);
  store_u16(slice.data(), frame.index);
  slice.insert(slice.end(), frame.data.begin(), frame.data.end());
  Evidence evidence{
      "bad_slice",
      peer.link->peer_key(),
      {ByteVector(certificate.begin(), certificate.end()), ByteVector(proof.begin(), proof.end()), std::move(slice)}};
  presence->report_evidence(std::move(evidence), now);
  presence_due = true;
}

Status Node::State::on_drop(Peer& peer, std::uint16_t sub, const proto::Drop& frame, Now now) {
  const auto found = peer.in.find(sub);
  if (found == peer.in.end()) return {};
  InSub& in = found->second;
  Stream* const wanted = find_stream(in.stream);
  if (wanted == nullptr) return {};
  Stream& stream = *wanted;
  if (frame.chunk_ref == 0) {
    if (peer.fetches > 0) --peer.fetches;
    return {};
  }
  const auto at = in.chunks.find(frame.chunk_ref);
  if (at == in.chunks.end() || at->second.given_up) return {};
  at->second.given_up = at->second.dropped = true;
  const ChunkPtr chunk = at->second.chunk;
  if (chunk && !chunk->whole() && frame.reason != proto::DropReason::revoked)
    fetch_missing(stream, chunk, peer.link->id(), now);
  return {};
}

Status Node::State::on_fetch(Peer& peer, std::uint16_t sub, const proto::Fetch& frame, Now now) {
  const auto found = peer.out.find(sub);
  if (found == peer.out.end()) {
    peer.link->send(proto::encode(proto::Drop{0, proto::DropReason::not_held, frame.part, frame.segment}, sub));
    return {};
  }
  if (found->second.delivery->fetches_waiting() >= limits::outstanding_fetches)
    return refuse(Wire::limit, "more than 64 outstanding FETCH");
  OutSub& out = found->second;
  out.delivery->on_fetch(frame, out.of->store, now);
  withhold_void(out);
  mark_dirty(peer);
  return {};
}

// ---- media that is ours now

void Node::State::note_epoch(Stream& stream, std::uint64_t epoch, const proto::SubOk* told, Now now) {
  const auto* newest = stream.store.newest_epoch();
  if (newest != nullptr && epoch < newest->epoch) return;
  const bool fresh = newest == nullptr || epoch > newest->epoch;
  const std::uint32_t old_target_us = newest != nullptr ? newest->part_target_us : 0;
  const std::uint8_t old_duration_s = newest != nullptr ? newest->target_duration_s : 0;
  EpochStore& opened = stream.store.open_epoch(epoch);
  if (told != nullptr) {
    if (told->part_target_us != 0) opened.part_target_us = told->part_target_us;
    opened.target_duration_s = told->target_duration_s == 0 ? 2 : told->target_duration_s;
  } else if (fresh && old_target_us != 0) {
    opened.part_target_us = old_target_us;
    opened.target_duration_s = old_duration_s;
  }
  const bool counts_itself = stream.is_origin || stream.publication.has_value();
  if (told != nullptr && !counts_itself) {
    stream.discontinuity = told->discontinuity;
    stream.discontinuity_segment = told->live_segment;
    stream.discontinuity_known = true;
  } else if (fresh) {
    // The first epoch of a stream is number 0; each further one begins with a discontinuity.
    if (stream.discontinuity_known && epoch != stream.saved_epoch) ++stream.discontinuity;
    stream.discontinuity_known = true;
    stream.discontinuity_segment = told != nullptr ? told->live_segment : 0;
  }
  opened.discontinuity = stream.discontinuity;
  opened.discontinuity_segment = stream.discontinuity_segment;
  if (!fresh) return;
  if (epoch > stream.saved_epoch) stream.saved_epoch = epoch;
  stream.state_dirty = true;
  save_state(stream, now);
  if (old_target_us != 0 && (opened.part_target_us != old_target_us || opened.target_duration_s != old_duration_s))
    resubscribe_all(stream);
}

void Node::State::put_chunk(Stream& stream, const VerifiedChunk& verified, Now now) {
  const auto& header = verified.header();
  const auto* newest = stream.store.newest_epoch();
  const bool new_epoch = newest == nullptr || header.epoch > newest->epoch;
  if (new_epoch) {
    note_epoch(stream, header.epoch, nullptr, now);
    EpochStore& opened = stream.store.open_epoch(header.epoch);
    opened.discontinuity_segment = stream.discontinuity_segment = header.segment;
  }
  // A track that goes on into a new epoch keeps its kind until somebody tells another.
  if (stream.store.find_track(header.epoch, header.track) == nullptr && newest != nullptr)
    if (const auto* before = stream.store.find_track(newest->epoch, header.track))
      stream.store.set_track(header.epoch, before->info);
  const ChunkPtr chunk = stream.store.put(verified, now);
  if (!chunk) return;
  if (header.has(proto::discontinuity) && !header.has(proto::init) && header.segment > stream.discontinuity_segment) {
    ++stream.discontinuity;
    stream.discontinuity_segment = header.segment;
  }
  if (header.segment + 1 > stream.next_segment) {
    stream.next_segment = header.segment + 1;
    stream.state_dirty = true;
  }
  if (!header.has(proto::init) && header.slice_count != 0) stream.unfinished.push_back(chunk);
  if (presence && header.part == 0) presence_due = true;
  on_new_chunk(stream, chunk, now);
}

void Node::State::on_new_chunk(Stream& stream, const ChunkPtr& chunk, Now now) {
  if (const auto track = stream.followers.find(chunk->header().track); track != stream.followers.end())
    for (OutSub* out : track->second) {
      out->delivery->on_chunk(chunk, stream.store, now);
      mark_dirty(*out->peer);
    }
  if (stream.hls) stream.hls->on_chunk(chunk, now);
  if (chunk->whole()) on_whole(stream, chunk, now);
}

void Node::State::on_new_slice(Stream& stream, const ChunkPtr& chunk, std::uint16_t index, Now now) {
  const auto& header = chunk->header();
  ++stream.slices_verified;
  stream.verified_bytes += header.slice_bytes(index);
  if (now.unix_us > header.capture_time_us && !header.has(proto::init))
    stream.slice_latency_us.add(now.unix_us - header.capture_time_us);
  // The slice waits in the chunk itself: whoever follows the track only has to look.
  if (const auto track = stream.followers.find(header.track); track != stream.followers.end()) {
    for (OutSub* out : track->second) mark_dirty(*out->peer);
    await_rest(*chunk, track->second.size(), now);
  }
  if (stream.hls) stream.hls->on_slice(chunk, index, now);
  if (chunk->whole()) on_whole(stream, chunk, now);
}

void Node::State::on_whole(Stream& stream, const ChunkPtr& chunk, Now now) {
  const auto& header = chunk->header();
  ++stream.chunks;
  // Viewers are sent to relays whose heartbeat shows the stream: the first picture is told at once, not an interval
  // later.
  if (presence && stream.carried() && !header.has(proto::init) && !std::exchange(stream.shown, true))
    presence->heartbeat_soon(now);
  std::erase(stream.unfinished, chunk);
  if (!header.has(proto::init) && header.slice_count != 0 && now.unix_us > header.capture_time_us)
    stream.chunk_latency_us.add(now.unix_us - header.capture_time_us);
  if (stream.hls) stream.hls->on_whole(chunk, now);
  flush_watches(stream, now);
}

}  // namespace streamr::core
