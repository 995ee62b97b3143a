#include "core/node_state.hpp"

namespace streamr::core {

namespace {

// A streamer signs a few in a day; to check one costs a signature.
constexpr std::uint64_t certificate_takes_us = 1'000'000, certificates_ahead = 32;

Error not_carried(const StreamId& id) {
  return refuse(Wire::not_found, "this node does not carry stream " + to_hex(id.view()) + "; try again shortly");
}

}  // namespace

Peer* Node::State::find_peer(LinkId link) {
  const auto found = peers.find(link);
  return found == peers.end() ? nullptr : &found->second;
}

LinkId Node::State::add_link(LinkConfig link_config, const crypto::KeyPair& key, Now now) {
  link_config.id = next_id++;
  link_config.nonce = next_nonce();
  Peer& peer = peers[link_config.id];
  const LinkId id = link_config.id;
  peer.link = std::make_unique<Link>(std::move(link_config), key, *this, now);
  links_deadline_us = std::min(links_deadline_us, peer.link->deadline_us());
  ++counters.links_total;
  return id;
}

void Node::State::send_message(LinkId link, std::vector<SharedBytes> pieces) {
  emit(SendMessage{link, std::move(pieces)});
}
void Node::State::close_link(LinkId link) {
  emit(CloseLink{link});
}

Status Node::State::check_ticket(const proto::Hello& hello, Now now) const {
  const auto& ticket = *hello.ticket;
  const auto& key = presence && presence->coordinator_key() ? presence->coordinator_key() : config.coordinator_key;
  if (!key)
    return refuse(Wire::ticket,
                  "the coordinator's key is not known here yet, so no ticket can be checked; try again shortly");
  if (auto signed_by = proto::verify_ticket(ticket, *key); !signed_by) return signed_by.error();
  const Key& own = identity.public_key();
  const bool names_us = ticket.relay_key == own && ticket.viewer_key == hello.peer_key;
  const bool announces =
      hello.role == proto::Role::relay && ticket.viewer_key == own && ticket.relay_key == hello.peer_key;
  if (!names_us && !announces)
    return refuse(Wire::ticket, "the ticket is for relay " + to_hex(ticket.relay_key.view()) + " and viewer " +
                                    to_hex(ticket.viewer_key.view()) + ", not for this pair");
  if (now.unix_us + limits::clock_slack_us < ticket.not_before_us)
    return refuse(Wire::ticket, "the ticket is not valid yet");
  if (now.unix_us > ticket.not_after_us + limits::ticket_grace_us)
    return refuse(Wire::ticket, "the ticket's time is over; ask for a new session");
  return {};
}

Result<std::uint32_t> Node::State::on_hello(Link& link, const proto::Hello& hello, Now now) {
  if (stopping) return refuse(Wire::shutting_down, "this node is shutting down");
  if (!crypto::is_sound_key(hello.peer_key)) return refuse(Wire::authentication, "peer_key is not a sound Ed25519 key");
  if (hello.role == proto::Role::publisher) return 0u;
  if (const auto full = admission.refusal(hello.role == proto::Role::viewer)) {
    ++counters.admission_refused[full->limit];
    return refuse(Wire::overloaded, full->text);
  }
  if (!hello.ticket) {
    if ((config.flags & STREAMR_NODE_OPEN_TICKETS) != 0) return 0u;
    return refuse(Wire::ticket, "a ticket of the coordinator is needed, none came");
  }
  if (auto valid = check_ticket(hello, now); !valid) return valid.error();
  Peer& peer = *find_peer(link.id());
  const auto& ticket = *hello.ticket;
  if (ticket.relay_key != identity.public_key()) {
    // A relay that dials only to announce: here we are the one who signs receipts.
    auto& keeper = keepers[{ticket.session_id, ticket.relay_key}];
    if (!keeper) keeper = std::make_shared<ReceiptKeeper>(SessionTerms::of(ticket));
    peer.keeper = keeper;
    keeper->on_welcome(ticket.window_start_bytes, now);
    return ticket.window_start_bytes;
  }
  auto& session = sessions[ticket.session_id];
  if (!session) session = std::make_shared<OutSession>(ticket, now);
  if (session->ticket.raw != ticket.raw) return refuse(Wire::ticket, "another ticket of this session is in use");
  session->links.insert(link.id());
  peer.session = session;
  return session->window.window();
}

void Node::State::on_open(Link& link, Now now) {
  Peer& peer = *find_peer(link.id());
  if (!link.is_client()) {
    tell_peer(peer, true, {}, now);
    if (link.peer_role() == proto::Role::publisher) return;
    for (auto& [id, stream] : streams)
      if (stream->held() && (!peer.session || peer.session->ticket.stream_id == id)) announce(peer, *stream);
    return;
  }
  if (link.ticket()) {
    auto& keeper = keepers[{link.ticket()->session_id, link.ticket()->relay_key}];
    if (!keeper) keeper = std::make_shared<ReceiptKeeper>(SessionTerms::of(*link.ticket()));
    keeper->on_welcome(link.window(), now);
    peer.keeper = keeper;
  }
  for (auto& [id, stream] : streams) {
    if (stream->publication && stream->publication->options.session.public_key() == link.own_key())
      announce(peer, *stream);
    if (Source* source = find_source(*stream, link.id()); source != nullptr) {
      source->state = SourceState::open;
      if (!stream->publication) event(STREAMR_EVENT_UPSTREAM, 1, "connected to " + link.address(), now).stream = id;
    }
  }
}

void Node::State::announce(Peer& peer, Stream& stream) {
  const auto* epoch = stream.store.newest_epoch();
  const auto certificate = stream.publication
                               ? std::make_shared<const proto::Certificate>(stream.publication->options.certificate)
                               : stream.verifier.newest_certificate();
  if (!certificate) return;
  proto::Have have;
  have.stream_id = stream.store.id();
  have.epoch = certificate->epoch;
  have.nothing_yet = true;
  have.load_pct = load_pct();
  have.free_kbps = config.capacity_kbps;
  if (!stream.publication || !peer.link->is_client()) {
    have.path = stream.path;
    have.path.push_back(own_prefix);
  }
  if (epoch != nullptr && epoch->epoch == certificate->epoch) {
    for (const auto& [number, track] : epoch->tracks) {
      have.tracks.push_back(track.info);
      const auto newest = track.newest();
      if (!newest) continue;
      const auto oldest = track.oldest_segment();
      have.oldest = have.nothing_yet ? oldest : std::min(have.oldest, oldest);
      if (have.nothing_yet || ChunkPos{have.newest, have.newest_part} < newest->header().pos()) {
        have.newest = newest->header().segment;
        have.newest_part = newest->header().part;
      }
      have.nothing_yet = false;
    }
  }
  if (stream.publication) have.tracks = stream.publication->options.tracks;
  if (peer.certificates_sent.insert(certificate->id()).second)
    peer.link->send(proto::encode(proto::CertFrame{*certificate}));
  if (const auto& revocation = stream.verifier.revocation()) peer.link->send(proto::encode(proto::Revoke{*revocation}));
  peer.link->send(proto::encode(have));
  peer.announced.insert(stream.store.id());
}

// A stream became held, or a new epoch began before any subscription: whoever may want it is told.
void Node::State::announce_to_all(Stream& stream) {
  const StreamId& id = stream.store.id();
  for (auto& [link_id, peer] : peers) {
    if (!peer.link->open()) continue;
    if (find_source(stream, link_id) != nullptr) {
      if (stream.publication && peer.link->is_client()) announce(peer, stream);
      continue;
    }
    if (peer.link->is_client() || peer.link->peer_role() == proto::Role::publisher) continue;
    if (peer.session && peer.session->ticket.stream_id != id) continue;
    announce(peer, stream);
  }
}

void Node::State::resubscribe_all(Stream& stream) {
  const auto* epoch = stream.store.newest_epoch();
  for (auto& [link_id, peer] : peers) {
    std::vector<std::uint16_t> moved;
    for (const auto& [sub, out] : peer.out)
      if (out.stream == stream.store.id()) moved.push_back(sub);
    for (const auto sub : moved) {
      proto::SubEnd end{proto::SubEndCode::moved, epoch != nullptr && !epoch->tracks.empty()
                                                      ? epoch->tracks.begin()->second.oldest_segment()
                                                      : 0};
      peer.link->send(proto::encode(end, sub));
      forget_out(peer, sub);
    }
    if (!moved.empty()) announce(peer, stream);
  }
}

Status Node::State::on_frame(Link& link, const proto::Frame& frame, Now now) {
  Peer& peer = *find_peer(link.id());
  const std::uint16_t sub = frame.header.sub;
  if (const auto* slice = std::get_if<proto::Slice>(&frame.body)) return on_slice(peer, sub, *slice, now);
  if (const auto* chunk = std::get_if<proto::Chunk>(&frame.body)) return on_chunk(peer, sub, *chunk, now);
  if (std::get_if<proto::Credit>(&frame.body)) {
    if (!peer.out.empty()) mark_dirty(peer);
    return {};
  }
  if (const auto* receipt = std::get_if<proto::ReceiptFrame>(&frame.body))
    return on_receipt(peer, receipt->receipt, now);
  if (const auto* ack = std::get_if<proto::ReceiptAck>(&frame.body)) {
    if (peer.keeper) peer.keeper->on_ack(*ack);
    return {};
  }
  if (const auto* drop = std::get_if<proto::Drop>(&frame.body)) return on_drop(peer, sub, *drop, now);
  if (const auto* fetch = std::get_if<proto::Fetch>(&frame.body)) return on_fetch(peer, sub, *fetch, now);
  if (const auto* wish = std::get_if<proto::Subscribe>(&frame.body)) return on_subscribe(peer, sub, *wish, now);
  if (const auto* ok = std::get_if<proto::SubOk>(&frame.body)) return on_sub_ok(peer, sub, *ok, now);
  if (const auto* end = std::get_if<proto::SubEnd>(&frame.body)) return on_sub_end(peer, sub, *end, now);
  if (const auto* cert = std::get_if<proto::CertFrame>(&frame.body))
    return on_certificate(peer, cert->certificate, now);
  if (const auto* have = std::get_if<proto::Have>(&frame.body)) return on_have(peer, *have, now);
  if (const auto* revoke = std::get_if<proto::Revoke>(&frame.body)) return on_revoke(&peer, revoke->revocation, now);
  if (const auto* away = std::get_if<proto::GoAway>(&frame.body)) {
    const auto code = static_cast<int>(away->code);
    event(STREAMR_EVENT_GOAWAY, code, link.address() + (away->uri.empty() ? "" : " names " + away->uri), now);
    on_goaway(link, *away, now);
  }
  return {};
}

Status Node::State::on_certificate(Peer& peer, const proto::Certificate& certificate, Now now) {
  Stream* stream = find_stream(certificate.stream_id);
  if (stream == nullptr || !stream->wanted()) {
    if ((config.flags & STREAMR_NODE_ANY_STREAM) == 0 || peer.link->peer_role() != proto::Role::publisher) {
      if (presence) presence->heartbeat_soon(now);
      presence_due = true;
      return not_carried(certificate.stream_id);
    }
    stream = &open_stream(certificate.stream_id);
    stream->configured = stream->is_origin = true;
  }
  const auto newest_before = stream->verifier.newest_certificate();
  const bool known = stream->verifier.find_certificate(certificate.id()) != nullptr;
  auto added = stream->verifier.add_certificate(certificate, now);
  if (!added) return added.error();
  if (!known) {
    stream->certificates_until_us = std::max(stream->certificates_until_us, now.mono_us) + certificate_takes_us;
    if (stream->certificates_until_us > now.mono_us + certificates_ahead * certificate_takes_us)
      return refuse(Wire::limit, "more than 32 new certificates of one stream at once");
  }
  peer.certified.insert(certificate.session_key);
  if (stream->hls) stream->hls->set_certificates(stream->verifier.certificates());
  if (!newest_before || newest_before->epoch < certificate.epoch) stream->state_dirty = true;
  return {};
}

Status Node::State::check_path(const std::vector<PathEntry>& path) const {
  const bool relays = config.role == STREAMR_ROLE_RELAY || config.role == STREAMR_ROLE_ORIGIN;
  if (!relays) return {};
  if (path.size() >= limits::path_entries)
    return refuse(Wire::loop, "the path has 4 entries already; a relay may not follow");
  for (const auto& entry : path)
    if (entry == own_prefix) return refuse(Wire::loop, "the path holds this node already");
  return {};
}

Status Node::State::on_have(Peer& peer, const proto::Have& have, Now now) {
  Stream* stream = find_stream(have.stream_id);
  if (stream == nullptr || !stream->wanted()) {
    if (presence) presence->heartbeat_soon(now);
    presence_due = true;
    return not_carried(have.stream_id);
  }
  if (!peer.link->is_client() && peer.link->peer_role() == proto::Role::publisher &&
      !peer.certified.contains(peer.link->peer_key()))
    return refuse(Wire::authentication, "no certificate on this connection names the publisher's peer_key");
  if (auto path = check_path(have.path); !path) return path;
  peer.offered[have.stream_id] = have;
  if (!peer.link->is_client() && find_source(*stream, peer.link->id()) == nullptr)
    add_announced_source(*stream, peer, now);
  if (Source* source = find_source(*stream, peer.link->id())) {
    source->retry_us = std::min(source->retry_us, now.mono_us);
    if (source->state == SourceState::subscribed) {
      source->path = have.path;
      if (stream->active == source->link) set_path(*stream, have.path);
      // More tracks than before: the rest is subscribed beside them.
      const bool standby = stream->active != source->link;
      subscribe(*stream, *source, standby, now);
    }
    run_sources(*stream, now);
  }
  return {};
}

Status Node::State::on_revoke(Peer* from, const proto::Revocation& revocation, Now now) {
  Stream* stream = find_stream(revocation.stream_id);
  if (stream == nullptr) return {};
  auto fresh = stream->verifier.add_revocation(revocation);
  if (!fresh) return fresh.error();
  if (!*fresh) return {};
  const bool dead = stream->verifier.newest_certificate() == nullptr;
  for (auto& [link_id, peer] : peers) {
    if (from != nullptr && from->link->id() == link_id) continue;
    std::vector<std::uint16_t> subs;
    for (auto& [sub, out] : peer.out)
      if (out.stream == revocation.stream_id) subs.push_back(sub);
    if (subs.empty() || !peer.link->open()) continue;
    peer.link->send(proto::encode(proto::Revoke{revocation}));
    for (const auto sub : subs) peer.out[sub].delivery->on_revoked(revocation.serial_max);
    pump(peer, now);
    if (!dead) continue;
    for (const auto sub : subs) {
      if (!peer.out.contains(sub)) continue;
      peer.link->send(proto::encode(proto::SubEnd{proto::SubEndCode::refused, 0}, sub));
      forget_out(peer, sub);
    }
  }
  event(STREAMR_EVENT_REJECTED, static_cast<int>(Wire::revoked),
        "certificates up to serial " + std::to_string(revocation.serial_max) + " were revoked by the stream's owner",
        now)
      .stream = revocation.stream_id;
  return {};
}

Status Node::State::on_receipt(Peer& peer, const proto::Receipt& receipt, Now now) {
  if (!peer.session) {
    ++counters.receipts_refused;
    event(STREAMR_EVENT_RECEIPT, static_cast<int>(Wire::authentication),
          peer.link->address() + " a receipt on a connection without a session", now);
    return refuse(Wire::authentication, "a receipt on a connection without a session");
  }
  auto ack = peer.session->window.check(receipt, now);
  if (!ack) {
    ++counters.receipts_refused;
    event(STREAMR_EVENT_RECEIPT, static_cast<int>(ack.error().wire), peer.link->address() + " " + ack.error().text, now)
        .stream = receipt.stream_id;
    return ack.error();
  }
  ++counters.receipts_ok;
  peer.link->send(proto::encode(*ack));
  for (const auto link : peer.session->links)
    if (Peer* other = find_peer(link)) mark_dirty(*other);
  if (presence) {
    presence->report_receipt(receipt, (receipt.flags & 1) != 0, now);
    presence_due = true;
  }
  return {};
}

void Node::State::drop_link(LinkId id, const std::string& why, Now now) {
  const auto found = peers.find(id);
  if (found == peers.end()) return;
  Peer& peer = found->second;
  const std::string reason = peer.link->close_reason().empty() ? why : peer.link->close_reason();
  counters.bytes_in[std::string(kind_name(*peer.link))] += peer.link->bytes_in();
  counters.bytes_out[std::string(kind_name(*peer.link))] += peer.link->bytes_out();
  if (!peer.link->is_client() && peer.link->opened_mono_us() != 0) tell_peer(peer, false, reason, now);
  if (peer.link->close_code() != Wire::none) {
    ++counters.errors[std::string(wire_name(peer.link->close_code()))];
    event(STREAMR_EVENT_REJECTED, static_cast<int>(peer.link->close_code()), peer.link->address() + " " + reason, now)
        .stream = peer.session ? peer.session->ticket.stream_id : StreamId{};
  }
  if (peer.session) {
    peer.session->links.erase(id);
    peer.session->window.on_socket_closed(now);
  }
  if (peer.keeper && presence && peer.keeper->newest()) {
    presence->post_viewer_receipt(*peer.keeper->newest(), now);
    presence_due = true;
  }
  // A peer that refuses our receipts has forgotten the session, as after a restart: only new tickets help.
  if (peer.link->is_client() && peer.link->ticket() && reason.starts_with("the peer refused: 5 "))
    ask_for_tickets(peer.link->ticket()->stream_id, now);
  while (!peer.out.empty()) forget_out(peer, peer.out.begin()->first);
  forget_dirty(peer);
  peers.erase(found);
  for (auto& [stream_id, stream] : streams) on_source_closed(*stream, id, reason, now);
}

void Node::State::tell_peer(const Peer& peer, bool joined, const std::string& why, Now now) {
  const Link& link = *peer.link;
  NodeEvent& told = event(STREAMR_EVENT_PEER, joined ? 1 : 0, link.address() + (why.empty() ? "" : ": " + why), now);
  told.role = static_cast<std::uint32_t>(link.peer_role());
  told.bytes = link.bytes_out();
  told.duration_us = joined ? 0 : now.mono_us - link.opened_mono_us();
  if (peer.session) told.stream = peer.session->ticket.stream_id;
}

void Node::State::ask_for_tickets(const StreamId& id, Now now) {
  if (!presence) return;
  Stream* stream = find_stream(id);
  if (stream == nullptr) return;
  if (stream->carried()) presence->heartbeat_soon(now);
  for (const auto watch_id : stream->watches) {
    Watch& watch = watches[watch_id];
    if (!watch.asking) watch.ask_session_us = std::min(watch.ask_session_us, now.mono_us);
  }
  presence_due = true;
}

}  // namespace streamr::core
