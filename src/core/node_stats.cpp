// What a node tells of itself: NodeStats out of counters that grow and of what is open now.
#include <algorithm>

#include "core/node_state.hpp"

namespace streamr::core {

namespace {

std::string_view state_name(const Source& source, bool active) {
  switch (source.state) {
    case SourceState::waiting: return "waiting";
    case SourceState::dialing: return "dialing";
    case SourceState::open: return "open";
    case SourceState::subscribed: return active ? "live" : "open";
  }
  return "closed";
}

UpstreamStats upstream_stats(const Source& source, const Peer* peer, LinkId active) {
  UpstreamStats row;
  row.url = !source.offer.url.empty() ? source.offer.url : peer != nullptr ? peer->link->address() : "";
  row.state = state_name(source, source.link != 0 && source.link == active);
  row.standby = source.link == 0 || source.link != active;
  row.slices = source.slices;
  row.rejected = source.rejected;
  return row;
}

void add_place(StreamStats& row, const Stream& stream, Now now) {
  const auto* epoch = stream.store.newest_epoch();
  if (epoch == nullptr) return;
  row.epoch = epoch->epoch;
  row.live = !epoch->ended();
  for (const auto& [number, track] : epoch->tracks) {
    const auto newest = track.newest();
    if (!newest) continue;
    const auto pos = newest->header().pos();
    if (ChunkPos{row.newest_segment, row.newest_part} < pos) {
      row.newest_segment = pos.segment;
      row.newest_part = pos.part;
      const auto captured_us = newest->header().capture_time_us;
      row.lag_ms = now.unix_us > captured_us ? (now.unix_us - captured_us) / 1000 : 0;
    }
    row.oldest_segment =
        row.oldest_segment == 0 ? track.oldest_segment() : std::min(row.oldest_segment, track.oldest_segment());
  }
}

}  // namespace

std::string_view role_name(std::uint32_t role) {
  switch (role) {
    case STREAMR_ROLE_RELAY: return "relay";
    case STREAMR_ROLE_PUBLISHER: return "publisher";
    case STREAMR_ROLE_ORIGIN: return "origin";
    default: return "viewer";
  }
}

std::string_view wire_name(Wire code) {
  switch (code) {
    case Wire::none: return "none";
    case Wire::version: return "version";
    case Wire::malformed: return "malformed";
    case Wire::unknown_critical: return "unknown_critical";
    case Wire::limit: return "limit";
    case Wire::authentication: return "authentication";
    case Wire::ticket: return "ticket";
    case Wire::not_found: return "not_found";
    case Wire::overloaded: return "overloaded";
    case Wire::receipt_overdue: return "receipt_overdue";
    case Wire::bad_slice: return "bad_slice";
    case Wire::loop: return "loop";
    case Wire::revoked: return "revoked";
    case Wire::shutting_down: return "shutting_down";
  }
  return "unknown";
}

std::string_view kind_name(const Link& link) {
  if (link.is_client()) return "upstream";
  switch (link.peer_role()) {
    case proto::Role::viewer: return "viewer";
    case proto::Role::publisher: return "publisher";
    case proto::Role::relay: break;
  }
  return "relay";
}

StreamStats Node::State::stream_stats(const Stream& stream, Now now) const {
  StreamStats row;
  row.stream = to_hex(stream.store.id().view());
  row.alias = stream.alias;
  row.hop = static_cast<std::uint32_t>(stream.path.size() + (stream.publication ? 0 : 1));
  add_place(row, stream, now);
  row.chunks = stream.chunks;
  row.slices_verified = stream.slices_verified;
  row.verified_bytes = stream.verified_bytes;
  row.sent_bytes = stream.sent_bytes;
  row.slices_rejected = stream.slices_rejected;
  row.chain_breaks = stream.chain_breaks;
  row.store_bytes = stream.store.memory_bytes();
  row.slice_latency_us = stream.slice_latency_us;
  row.chunk_latency_us = stream.chunk_latency_us;
  std::set<const Peer*> following;
  for (const auto& [track, followers] : stream.followers)
    for (const OutSub* out : followers) following.insert(out->peer);
  row.viewers = static_cast<std::uint32_t>(following.size());
  for (const auto& source : stream.sources) {
    const auto peer = peers.find(source.link);
    row.upstreams.push_back(upstream_stats(source, peer == peers.end() ? nullptr : &peer->second, stream.active));
  }
  return row;
}

NodeStats Node::State::stats(Now now) const {
  NodeStats told = counters;
  told.node_key = to_hex(identity.public_key().view());
  told.name = config.name;
  told.role = role_name(config.role);
  told.software = config.software;
  told.time_us = now.unix_us;
  told.uptime_us = now.mono_us - std::min(now.mono_us, started_mono_us);
  told.load_pct = load_pct();
  told.limits = {admission.limits().upload_kbps, admission.limits().max_viewers};
  told.memory_limit_bytes = config.memory_bytes;
  told.sessions = sessions.size();
  for (const auto& [id, peer] : peers) {
    const std::string kind(kind_name(*peer.link));
    told.bytes_in[kind] += peer.link->bytes_in();
    told.bytes_out[kind] += peer.link->bytes_out();
    ++told.links[kind];
    told.subscriptions += peer.out.size();
    told.queue_bytes += peer.link->outstanding_bytes();
    for (const auto& [sub, out] : peer.out) {
      told.queue_bytes += out.delivery->queued_bytes();
      told.queue_oldest_us = std::max(told.queue_oldest_us, out.delivery->oldest_queued_age_us(now));
    }
  }
  for (const auto& [id, stream] : streams) told.streams.push_back(stream_stats(*stream, now));
  return told;
}

}  // namespace streamr::core
