// Subscriptions of both directions: what a peer may have of us, and what an upstream answered.
#include <algorithm>

#include "core/node_state.hpp"

namespace streamr::core {

// What may be served for this wish: its track, or the code of the SUB_END that answers it.
std::variant<proto::SubEndCode, Node::State::Served> Node::State::find_served(Peer& peer, const proto::Subscribe& wish,
                                                                              Now now) {
  const proto::Ticket* ticket = peer.session ? &peer.session->ticket : nullptr;
  const auto ticket_fits = [ticket](std::uint64_t epoch) {
    return ticket == nullptr || ticket->epoch == 0 || epoch == 0 || ticket->epoch == epoch;
  };
  if (ticket != nullptr && (ticket->stream_id != wish.stream_id || peer.session->expired))
    return proto::SubEndCode::refused;
  if (!ticket_fits(wish.epoch)) return proto::SubEndCode::refused;
  Stream* stream = find_stream(wish.stream_id);
  if (stream != nullptr && stream->publication && peer.link->is_client()) begin_for_origin(*stream, wish, now);
  if (stream == nullptr || !stream->held()) {
    if (presence) presence->heartbeat_soon(now);
    presence_due = true;
    return proto::SubEndCode::not_held;
  }
  const auto* epoch = wish.epoch == 0 ? stream->store.newest_epoch() : stream->store.find_epoch(wish.epoch);
  if (epoch == nullptr) return proto::SubEndCode::not_held;
  if (!ticket_fits(epoch->epoch)) return proto::SubEndCode::refused;
  const auto track = epoch->tracks.find(wish.track);
  if (track == epoch->tracks.end()) return proto::SubEndCode::not_held;
  return Served{stream, epoch, &track->second};
}

// The origin's SUBSCRIBE tells a publisher the number of its next segment.
void Node::State::begin_for_origin(Stream& stream, const proto::Subscribe& wish, Now now) {
  number_publication(stream, wish.start == proto::Start::exact ? 0 : wish.segment, now);
  if (stream.publication->ready) return;
  stream.publication->ready = true;
  event(STREAMR_EVENT_READY, 1, "an origin takes the stream", now).publication = stream.publication->id;
}

proto::SubOk Node::State::sub_ok_of(const Served& served, bool to_origin) const {
  const auto& [stream, epoch, track] = served;
  proto::SubOk ok;
  ok.epoch = epoch->epoch;
  ok.live_segment = ok.oldest_segment = stream->next_segment;
  if (const auto newest = track->newest()) {
    ok.live_segment = newest->header().segment;
    ok.live_part = newest->header().part;
    ok.oldest_segment = track->oldest_segment();
  }
  ok.part_target_us = epoch->part_target_us;
  ok.kbps = track->info.kbps;
  ok.retain_ms = 60'000;
  ok.target_duration_s = epoch->target_duration_s;
  ok.certificate = *stream->verifier.newest_certificate();
  for (const auto& certificate : stream->verifier.certificates())
    if (certificate->epoch == epoch->epoch) ok.certificate = *certificate;
  if (to_origin) return ok;  // the path is empty and the origin counts discontinuities
  ok.discontinuity = stream->discontinuity;
  ok.path = stream->path;
  ok.path.push_back(own_prefix);
  return ok;
}

Status Node::State::on_subscribe(Peer& peer, std::uint16_t sub, const proto::Subscribe& wish, Now now) {
  if (sub == 0) return refuse(Wire::malformed, "a subscription needs a number that is not 0");
  const auto live = peer.out.find(sub);
  if (live != peer.out.end() && (live->second.stream != wish.stream_id || live->second.track != wish.track))
    return refuse(Wire::malformed, "subscription " + std::to_string(sub) + " is in use for another stream or track");
  if (live == peer.out.end() && peer.out.size() >= limits::subscriptions)
    return refuse(Wire::limit, "more than 32 subscriptions on one connection");
  const auto found = find_served(peer, wish, now);
  if (const auto* code = std::get_if<proto::SubEndCode>(&found)) {
    peer.link->send(proto::encode(proto::SubEnd{*code, 0}, sub));
    return {};
  }
  const Served& served = std::get<Served>(found);
  DeliveryConfig delivery;
  delivery.epoch = wish.epoch;
  delivery.track = wish.track;
  delivery.start = wish.start;
  delivery.from = {wish.segment, wish.part};
  delivery.max_latency_ms = wish.max_latency_ms;
  delivery.headers_only = wish.headers_only;
  delivery.part_target_us = served.epoch->part_target_us;
  delivery.kbps = served.track->info.kbps;
  mark_dirty(peer);
  if (live != peer.out.end()) {
    live->second.priority = wish.priority;
    live->second.delivery->change(delivery, served.stream->store, now);
    withhold_void(live->second);
    return {};
  }
  const bool to_origin = served.stream->publication && peer.link->is_client();
  proto::SubOk ok = sub_ok_of(served, to_origin);
  ok.track = wish.track;
  peer.link->send(proto::encode(ok, sub));
  OutSub& out = open_out(peer, sub, *served.stream, wish.track);
  out.priority = wish.priority;
  out.delivery = std::make_unique<Delivery>(delivery, served.stream->store, now);
  withhold_void(out);
  return {};
}

Status Node::State::on_sub_ok(Peer& peer, std::uint16_t sub, const proto::SubOk& ok, Now now) {
  const auto found = peer.in.find(sub);
  if (found == peer.in.end()) {
    // Our change of a subscription crossed its end: the peer took it for a new one that nobody here reads or receipts.
    if (peer.in_ended.contains(sub)) return peer.link->send(proto::encode(proto::SubEnd{}, sub)), Status{};
    return refuse(Wire::malformed, "SUB_OK for a subscription that was never asked for");
  }
  InSub& in = found->second;
  if (ok.track != in.track)
    return refuse(Wire::malformed,
                  "SUB_OK names track " + std::to_string(ok.track) + ", asked was " + std::to_string(in.track));
  if (ok.certificate.stream_id != in.stream)
    return refuse(Wire::authentication, "SUB_OK carries the certificate of another stream");
  if (auto path = check_path(ok.path); !path) return path;
  Stream& stream = *find_stream(in.stream);
  auto added = stream.verifier.add_certificate(ok.certificate, now);
  if (!added) return added.error();
  peer.certified.insert(ok.certificate.session_key);
  in.answered = true;
  if (ok.epoch != ok.certificate.epoch)
    return refuse(Wire::authentication, "SUB_OK names an epoch that is not its certificate's");
  Source* source = find_source(stream, peer.link->id());
  if (source != nullptr) {
    source->failures = 0;
    source->subscribed_us = now.mono_us;
    source->path = ok.path;
    if (stream.active == peer.link->id()) set_path(stream, ok.path);
  }
  const bool was_held = stream.held();
  note_epoch(stream, ok.epoch, &ok, now);
  proto::TrackInfo info{ok.track, proto::TrackKind::muxed, proto::ContentType::cmaf, ok.kbps};
  if (const auto offer = peer.offered.find(in.stream); offer != peer.offered.end())
    for (const auto& told : offer->second.tracks)
      if (told.track == ok.track) info = told;
  stream.store.set_track(ok.epoch, info);
  if (stream.hls) stream.hls->set_certificates(stream.verifier.certificates());
  if (!was_held && stream.held()) announce_to_all(stream);
  return {};
}

Status Node::State::on_sub_end(Peer& peer, std::uint16_t sub, const proto::SubEnd& end, Now now) {
  if (end.code == proto::SubEndCode::unsubscribed) {
    forget_out(peer, sub);
    return {};
  }
  const auto found = peer.in.find(sub);
  if (found == peer.in.end()) return {};
  const StreamId id = found->second.stream;
  peer.in.erase(found);
  peer.in_ended.insert(sub);
  Stream& stream = *find_stream(id);
  Source* source = find_source(stream, peer.link->id());
  if (source == nullptr) return {};
  bool any = false;
  for (const auto& [number, in] : peer.in) any = any || in.stream == id;
  if (any) return {};
  source->state = SourceState::open;
  if (end.code == proto::SubEndCode::moved) {
    source->retry_us = now.mono_us;
  } else {
    source->retry_us = now.mono_us + 250'000 * (std::uint64_t{1} << std::min<std::uint32_t>(source->failures, 5));
    ++source->failures;
  }
  if (stream.active == peer.link->id()) {
    stream.active = 0;
    if (end.code != proto::SubEndCode::moved)
      if (Source* other = best_standby(stream, peer.link->id(), now))
        switch_to(stream, *other, "the upstream ended the subscription", now);
  }
  if (end.code == proto::SubEndCode::refused)
    leave_source(stream, *source, "the upstream refuses the subscription", now);
  if (end.code == proto::SubEndCode::stream_ended)
    event(STREAMR_EVENT_ENDED, static_cast<int>(end.code), "the stream ended", now).stream = id;
  run_sources(stream, now);
  return {};
}

}  // namespace streamr::core
