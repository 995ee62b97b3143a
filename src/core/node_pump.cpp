// What goes to subscribers: who is looked at next, and one message after another until a limit is met.
#include <algorithm>
#include <utility>

#include "core/node_state.hpp"

namespace streamr::core {

namespace {

// Enough in the socket to keep a path busy, little enough that the drop rule still decides.
constexpr std::uint64_t transport_cap_bytes = 256 * 1024;
// To a relay one slice a message: it verifies and passes it on while the rest is under way. To a viewer what is here.
constexpr std::size_t relay_message_bytes = 16 * 1024;
constexpr std::size_t viewer_message_bytes = 64 * 1024;
constexpr std::size_t crowd = 64;  // followers of a track
constexpr std::uint64_t crowd_wait_us = 2'000;
constexpr std::uint64_t turn_bytes = 64 * 1024;  // under an upload limit, before the next subscriber has its turn

const char* drop_word(proto::DropReason reason) {
  switch (reason) {
    case proto::DropReason::late: return "late";
    case proto::DropReason::queue: return "queue";
    case proto::DropReason::not_held: return "not_held";
    case proto::DropReason::revoked: break;
  }
  return "revoked";
}

}  // namespace

// ---- who follows what

OutSub& Node::State::open_out(Peer& peer, std::uint16_t sub, Stream& stream, std::uint16_t track) {
  OutSub& out = peer.out[sub];
  auto& followers = stream.followers[track];
  out.peer = &peer;
  out.of = &stream;
  out.stream = stream.store.id();
  out.track = track;
  out.place = followers.size();
  followers.push_back(&out);
  return out;
}

void Node::State::forget_out(Peer& peer, std::uint16_t sub) {
  const auto found = peer.out.find(sub);
  if (found == peer.out.end()) return;
  OutSub& out = found->second;
  out.of->sent_bytes += out.delivery->counters().bytes - out.told_bytes;
  const auto followers = out.of->followers.find(out.track);
  OutSub* const last = followers->second.back();
  followers->second[out.place] = last;
  last->place = out.place;
  followers->second.pop_back();
  if (followers->second.empty()) out.of->followers.erase(followers);
  peer.out.erase(found);
}

// ---- who is next

void Node::State::mark_dirty(Peer& peer) {
  if (std::exchange(peer.dirty, true)) return;
  (peer.link->peer_role() == proto::Role::viewer ? dirty_viewers : dirty_relays).push_back(&peer);
}

void Node::State::forget_dirty(Peer& peer) {
  set_wake(peer, never_us);
  if (!peer.dirty) return;
  std::replace(dirty_relays.begin(), dirty_relays.end(), &peer, static_cast<Peer*>(nullptr));
  std::replace(dirty_viewers.begin(), dirty_viewers.end(), &peer, static_cast<Peer*>(nullptr));
}

void Node::State::set_wake(Peer& peer, std::uint64_t at_us) {
  if (peer.wake_us == at_us) return;
  if (peer.wake_us != never_us) wakes.erase({peer.wake_us, peer.link->id()});
  peer.wake_us = at_us;
  if (at_us != never_us) wakes.emplace(at_us, peer.link->id());
}

bool Node::State::pump_next(Now now) {
  const auto take = [](std::vector<Peer*>& queue, std::size_t& taken) -> Peer* {
    while (taken < queue.size())
      if (Peer* peer = queue[taken++]) return peer;
    queue.clear();
    taken = 0;
    return nullptr;
  };
  if (dirty_relays.empty() && dirty_viewers.empty()) return false;
  blocked = admission.sendable_bytes(now) == 0;
  if (blocked) {
    admission.on_blocked(true, now);
    return false;
  }
  Peer* peer = take(dirty_relays, relays_taken);
  if (peer == nullptr && now.mono_us < crowd_until_us) return false;
  crowd_until_us = peer == nullptr ? 0 : crowd_until_us;
  if (peer == nullptr) peer = take(dirty_viewers, viewers_taken);
  if (peer == nullptr) {
    admission.on_blocked(false, now);
    return false;
  }
  peer->dirty = false;
  pump(*peer, now);
  return true;
}

std::uint64_t Node::State::dirty_deadline_us() const {
  if (dirty_relays.empty() && dirty_viewers.empty()) return never_us;
  if (blocked) return admission.sendable_at_us();
  return dirty_relays.empty() ? crowd_until_us : 0;
}

// To go round a crowd takes longer than the rest of a chunk takes to come: whoever is handed each slice alone costs a
// round for each, and the last one waits for all of them.
void Node::State::await_rest(const StoredChunk& chunk, std::size_t followers, Now now) {
  if (chunk.whole())
    crowd_until_us = 0;
  else if (followers >= crowd && crowd_until_us == 0)
    crowd_until_us = now.mono_us + crowd_wait_us;
}

// ---- one subscriber

struct Node::State::Outgoing {
  Peer& peer;
  std::vector<SharedBytes> pieces;
  std::uint64_t credited = 0, bytes = 0, turn_bytes = 0;

  void add(SharedBytes piece) {
    bytes += piece.size();
    pieces.push_back(std::move(piece));
  }
  void flush() {
    if (pieces.empty()) return;
    turn_bytes += bytes;
    peer.link->send_pieces(std::exchange(pieces, {}), credited);
    credited = bytes = 0;
  }
  // What belongs together stays in one message, which has a limit.
  void make_room(std::size_t wanted) {
    if (bytes + wanted > limits::message_bytes) flush();
    if (pieces.capacity() == 0) pieces.reserve(10);
  }
};

std::optional<Delivered> Node::State::poll_subs(Peer& peer, std::uint64_t budget, std::uint16_t& sub, Now now) {
  if (peer.out.size() == 1) {
    sub = peer.out.begin()->first;
    return peer.out.begin()->second.delivery->poll(budget, peer.link->next_ref, now);
  }
  // The subscriber's own priority first, then the order of value: INIT, audio, independent video, the rest.
  std::vector<std::tuple<int, Delivery::Value, std::uint16_t>> order;
  order.reserve(peer.out.size());
  for (const auto& [number, out] : peer.out) order.emplace_back(-int{out.priority}, out.delivery->next_value(), number);
  std::sort(order.begin(), order.end());
  for (const auto& [rank, value, number] : order)
    if (auto item = peer.out[number].delivery->poll(budget, peer.link->next_ref, now)) {
      sub = number;
      return item;
    }
  return std::nullopt;
}

void Node::State::put(Outgoing& out, const Delivered& item, std::uint16_t sub, Now now) {
  Peer& peer = out.peer;
  if (const auto* slice = std::get_if<DeliverSlice>(&item)) {
    auto data = slice->chunk->slice(slice->index);
    out.make_room(proto::frame_header_bytes + 8 + data.size());
    out.credited += 8 + data.size();
    if (peer.session) peer.session->window.on_sent(data.size(), now, slice->repeat);
    if (slice->live_since_us != 0)
      counters.hop_latency_us.add(now.mono_us - std::min(now.mono_us, slice->live_since_us));
    out.add(prefixes.slice(slice->chunk, sub, slice->chunk_ref, slice->index));
    out.add(std::move(data));
  } else if (const auto* chunk = std::get_if<DeliverChunk>(&item)) {
    const auto& octets = chunk->chunk->header_and_leaves();
    out.make_room(proto::frame_header_bytes + 8 + octets.size());
    out.credited += 8 + octets.size();
    out.add(prefixes.chunk(chunk->chunk, sub, chunk->chunk_ref));
    out.add(octets);
  } else if (const auto* cert = std::get_if<DeliverCert>(&item)) {
    if (!peer.certificates_sent.insert(cert->certificate->id()).second) return;
    out.make_room(proto::frame_header_bytes + proto::Certificate::size);
    out.add(SharedBytes::take(proto::encode(proto::CertFrame{*cert->certificate})));
  } else if (const auto* drop = std::get_if<DeliverDrop>(&item)) {
    ++counters.chunks_dropped[drop_word(drop->reason)];
    out.make_room(proto::frame_header_bytes + 16);
    out.add(SharedBytes::take(
        proto::encode(proto::Drop{drop->chunk_ref, drop->reason, drop->pos.part, drop->pos.segment}, sub)));
  } else if (const auto* end = std::get_if<DeliverEnd>(&item)) {
    out.make_room(proto::frame_header_bytes + 16);
    out.add(SharedBytes::take(proto::encode(proto::SubEnd{end->code, end->last_segment}, sub)));
    forget_out(peer, sub);
  }
}

void Node::State::pump(Peer& peer, Now now) {
  Link& link = *peer.link;
  if (!link.open() || peer.out.empty()) return;
  for (auto& [number, out] : peer.out) out.delivery->apply_drop_rule(link.outstanding_bytes(), now);
  const std::size_t target = link.peer_role() == proto::Role::viewer ? viewer_message_bytes : relay_message_bytes;
  const std::uint64_t upload = admission.sendable_bytes(now);
  ReceiptWindow* window = peer.session ? &peer.session->window : nullptr;
  Outgoing out{peer, {}};
  while (link.outstanding_bytes() + out.bytes < transport_cap_bytes && !peer.out.empty()) {
    if (upload != never_us && out.turn_bytes + out.bytes >= std::min(upload, turn_bytes)) {
      mark_dirty(peer);  // goes on behind the others
      break;
    }
    std::uint64_t budget = link.sendable_bytes() - std::min(link.sendable_bytes(), out.credited);
    if (window != nullptr) budget = std::min(budget, window->available(now) + 8);
    std::uint16_t sub = 0;
    const auto item = poll_subs(peer, budget, sub, now);
    if (!item) break;
    put(out, *item, sub, now);
    if (out.bytes >= target) out.flush();
  }
  out.flush();
  peer.waits_for_room = link.outstanding_bytes() >= transport_cap_bytes;
  if (out.turn_bytes != 0) admission.on_sent(out.turn_bytes, now);
  settle_pump(peer, now);
}

// After a round of sending: what it was, and when to look again.
void Node::State::settle_pump(Peer& peer, Now now) {
  std::uint64_t queued = 0, wake_us = never_us;
  for (auto& [number, out] : peer.out) {
    queued += out.delivery->queued_bytes();
    wake_us = std::min(wake_us, out.delivery->deadline_us(now));
    const std::uint64_t sent = out.delivery->counters().bytes;
    out.of->sent_bytes += sent - std::exchange(out.told_bytes, sent);
  }
  if (peer.session) {
    ReceiptWindow& window = peer.session->window;
    window.on_queue(queued, now);
    if (queued != 0)
      wake_us = std::min(
          wake_us, window.available_at_us(std::min<std::uint64_t>(queued, 1u << limits::default_slice_log2), now));
  }
  set_wake(peer, wake_us);
}

}  // namespace streamr::core
