// How full the node is, who may come in, and what has to go: load, limits, memory.
#include <algorithm>

#include "core/node_state.hpp"

namespace streamr::core {

namespace {

constexpr std::uint64_t least_memory_bytes = 16ull << 20;
constexpr std::uint64_t least_upload_kbps = 256;
constexpr std::uint64_t weigh_every_us = 100'000;
constexpr std::uint32_t shed_drain_ms = 2'000;
constexpr std::uint64_t shed_share = 20;  // one in so many of the newest at a time
constexpr std::uint64_t held_request_bytes = 1'024;

std::uint64_t http_bytes(const NodeStats& counters) {
  std::uint64_t bytes = 0;
  for (const auto& [kind, count] : counters.bytes_out)
    if (kind.starts_with("http_")) bytes += count;
  return bytes;
}

// What the store gave up is not kept by who brought it: its memory is free, and what still comes of it is ignored.
template <class Peers>
void let_go(Stream& stream, Peers& peers) {
  std::erase_if(stream.unfinished, [](const ChunkPtr& chunk) { return !chunk->in_store(); });
  for (auto& [id, peer] : peers)
    for (auto& [sub, in] : peer.in) {
      if (in.stream != stream.store.id()) continue;
      for (auto& [ref, record] : in.chunks) {
        if (!record.chunk || record.chunk->in_store()) continue;
        const auto recent = in.recent.find(record.chunk->header().pos());
        if (recent != in.recent.end() && recent->second == ref) in.recent.erase(recent);
        record.given_up = true;
        record.chunk = nullptr;
      }
    }
}

}  // namespace

Status Node::State::set_limits(const NodeLimits& limits, Now now) {
  if (limits.memory_bytes != 0 && limits.memory_bytes < least_memory_bytes)
    return fail(STREAMR_E_INVALID, "memory_bytes must be at least 16 MiB, came " + std::to_string(limits.memory_bytes));
  if (limits.upload_kbps != 0 && limits.upload_kbps < least_upload_kbps)
    return fail(STREAMR_E_INVALID, "upload_kbps must be 0 or at least 256, came " + std::to_string(limits.upload_kbps));
  admission.set_limits(limits, now);
  config.upload_kbps = limits.upload_kbps;
  config.max_viewers = limits.max_viewers;
  config.memory_bytes = admission.limits().memory_bytes;
  counters.limits = {limits.upload_kbps, limits.max_viewers};
  weighed_us = 0;
  run_admission(now);
  return {};
}

std::uint8_t Node::State::load_pct() const {
  return static_cast<std::uint8_t>(std::min<std::uint32_t>(admission.load_pct(), 100));
}

void Node::State::on_http_served(const HttpServed& served, Now now) {
  for (std::size_t first_digit = 1; first_digit < served.requests.size(); ++first_digit)
    if (served.requests[first_digit] != 0)
      counters.http_requests[static_cast<int>(first_digit * 100)] += served.requests[first_digit];
  counters.bytes_out["http_playlist"] += served.playlist_bytes;
  counters.bytes_out["http_media"] += served.media_bytes;
  count_http(now);
}

// HTTP answers leave without asking; what they took, peers cannot have.
void Node::State::count_http(Now now) {
  const std::uint64_t total = http_bytes(counters);
  if (total == http_bytes_counted) return;
  admission.on_sent(total - http_bytes_counted, now);
  http_bytes_counted = total;
}

void Node::State::run_admission(Now now) {
  count_http(now);
  if (weighed_us != 0 && now.mono_us < weighed_us + weigh_every_us) {
    std::uint64_t stored = 0;
    for (const auto& [id, stream] : streams) stored += stream->store.memory_bytes();
    if (stored > counters.memory_bytes + admission.limits().memory_bytes / 32) weigh();
    return;
  }
  weighed_us = std::max<std::uint64_t>(now.mono_us, 1);
  std::uint64_t viewers = 0;
  for (const auto& [id, peer] : peers) viewers += is_viewer(peer) ? 1 : 0;
  admission.on_viewers(viewers);
  weigh();
  admission.on_time(now);
  // What io shares was given before the door closed; newcomers have to ask here again.
  const bool closed = admission.refusal(false).has_value();
  if (closed && !door_closed)
    for (auto& [id, stream] : streams)
      if (stream->hls) stream->hls->forget_shared();
  door_closed = closed;
  if (admission.sheds(now)) shed(viewers, now);
}

// A viewer that has said who it is, or a dialler that may be one.
bool Node::State::is_viewer(const Peer& peer) {
  return !peer.link->is_client() && peer.link->open() && peer.link->peer_role() == proto::Role::viewer;
}

// ---- memory: one setting covers what waits and what is kept

std::uint64_t Node::State::waiting_bytes() const {
  std::uint64_t bytes = held_http.size() * held_request_bytes;
  for (const auto& [id, peer] : peers) bytes += sizeof(Peer) + sizeof(Link) + peer.link->outstanding_bytes();
  for (const auto& [id, stream] : streams)
    if (stream->publication) bytes += stream->publication->pending_bytes;
  return bytes;
}

// What waits comes first; stores share the rest. Where it is short, what left the playlists goes first, then the oldest
// segment of the fullest store.
void Node::State::weigh() {
  const std::uint64_t waiting = waiting_bytes();
  const std::uint64_t limit = admission.limits().memory_bytes;
  const std::uint64_t room = limit > waiting ? limit - waiting : 0;
  std::uint64_t kept = 0, retired = 0;
  for (const auto& [id, stream] : streams) {
    kept += stream->store.memory_bytes();
    retired += stream->hls ? stream->hls->retired_bytes() : 0;
  }
  if (kept + retired > room)
    for (const auto& [id, stream] : streams)
      if (stream->hls) stream->hls->forget_retired();
  if (kept + retired <= room) kept += retired;
  while (kept > room) {
    Stream* fullest = nullptr;
    for (const auto& [id, stream] : streams)
      if (stream->store.can_shrink() &&
          (fullest == nullptr || stream->store.memory_bytes() > fullest->store.memory_bytes()))
        fullest = stream.get();
    if (fullest == nullptr) break;
    const std::uint64_t before = fullest->store.memory_bytes();
    fullest->store.shrink();
    kept -= before - fullest->store.memory_bytes();
  }
  for (const auto& [id, stream] : streams)
    if (std::exchange(stream->removals_seen, stream->store.removals()) != stream->store.removals()) {
      prefixes.clear();
      let_go(*stream, peers);
    }
  // Stores that could shrink further are no burden; the rest decides whether anyone else may come in.
  const bool short_of_room = kept > room;
  admission.on_memory(short_of_room ? std::max(waiting + kept, limit) : std::min(waiting, limit));
  counters.memory_bytes = waiting + kept;
}

// ---- the newest go first

void Node::State::shed(std::uint64_t viewers, Now now) {
  const std::uint64_t most = admission.limits().max_viewers;
  std::uint64_t wanted = viewers / shed_share + 1;
  if (most != 0 && viewers > most) wanted = std::max(wanted, viewers - most);
  std::vector<LinkId> newest;
  for (const auto& [id, peer] : peers)
    if (is_viewer(peer) && peer.leaves_us == 0) newest.push_back(id);
  std::sort(newest.begin(), newest.end(), std::greater<>());
  if (newest.size() > wanted) newest.resize(wanted);
  for (const auto id : newest) {
    Peer& peer = *find_peer(id);
    peer.leaves_us = now.mono_us + ms_to_us(shed_drain_ms);
    peer.link->send(proto::encode(proto::GoAway{proto::GoAwayCode::load, shed_drain_ms, ""}));
    ++counters.admission_refused["shed"];
  }
}

}  // namespace streamr::core
