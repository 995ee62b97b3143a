#include "core/node.hpp"

#include <algorithm>
#include <utility>

#include "core/node_state.hpp"

namespace streamr::core {

namespace {

constexpr std::uint64_t tick_us = 50'000;  // repairs, holes and receipts are looked at this often while media runs
constexpr std::uint64_t round_us = 10'000;
constexpr std::uint64_t finest_us = 1'000;  // a wake-up never comes sooner after the one before
constexpr std::uint64_t trim_every_us = 500'000;
constexpr std::uint32_t least_drain_ms = 1'000;    // told in GOAWAY
constexpr std::uint64_t drain_slack_us = 250'000;  // beyond what GOAWAY told: the good-bye is under way
constexpr std::uint64_t asked_kept_us = 30'000'000;

}  // namespace

Node::State::State(NodeConfig given, const crypto::KeyPair& key)
    : config(std::move(given)),
      identity(key),
      own_prefix(PathEntry::copy(key.public_key().data())),
      random(config.seed),
      admission({config.upload_kbps, config.max_viewers, config.memory_bytes}, config.capacity_kbps) {
  counters.limits = {config.upload_kbps, config.max_viewers};
  load_state();
  if (config.coordinator_url.empty()) return;
  while (config.coordinator_url.ends_with('/')) config.coordinator_url.pop_back();
  PresenceConfig presence_config;
  presence_config.coordinator_url = config.coordinator_url;
  presence_config.role = config.role == STREAMR_ROLE_RELAY       ? "relay"
                         : config.role == STREAMR_ROLE_ORIGIN    ? "origin"
                         : config.role == STREAMR_ROLE_PUBLISHER ? "publisher"
                                                                 : "viewer";
  presence_config.name = config.name;
  presence_config.software = config.software;
  presence_config.advertise_url = config.advertise_url;
  presence_config.capacity_kbps = config.capacity_kbps;
  presence_config.boot_id = config.boot_id;
  presence_config.seed = random.next();
  presence_config.coordinator_key = config.coordinator_key;
  for (const auto& [name, value] : config.state) {
    if (name == "batch-chain")
      if (const auto hash = fixed_from_hex<Hash>(value)) presence_config.batch_chain = *hash;
  }
  presence = std::make_unique<Presence>(std::move(presence_config), identity);
}

// Unpredictable to peers because the seed and the secret key go into it; different each time because a counter does.
Nonce Node::State::next_nonce() {
  crypto::Hasher hasher;
  std::array<std::uint8_t, 16> fresh{};
  store_u64(fresh.data(), random.next());
  store_u64(fresh.data() + 8, ++nonce_counter);
  const auto secret = identity.seed();
  hasher.update(view_of("streamr nonce")).update(secret).update(config.boot_id).update(fresh);
  return Nonce::copy(hasher.finish().data());
}

NodeEvent& Node::State::event(std::uint32_t kind, std::int64_t value, std::string text, Now now) {
  NodeEvent happened;
  happened.kind = kind;
  happened.value = value;
  happened.time_us = now.unix_us;
  happened.text = std::move(text);
  actions.push_back(std::move(happened));
  return std::get<NodeEvent>(actions.back());
}

Stream* Node::State::find_stream(const StreamId& id) {
  const auto found = streams.find(id);
  return found == streams.end() ? nullptr : found->second.get();
}

Stream& Node::State::open_stream(const StreamId& id) {
  auto& stream = streams[id];
  if (stream) return *stream;
  StoreLimits store_limits;
  store_limits.memory_bytes = config.memory_bytes;
  stream = std::make_unique<Stream>(id, store_limits, config.buffers);
  if (config.serves_http) {
    HlsConfig hls;
    hls.pathway_id = to_hex(identity.public_key().view()).substr(0, 16);
    if (!config.coordinator_url.empty()) hls.steering_url = config.coordinator_url + "/steering/" + to_hex(id.view());
    stream->hls = std::make_unique<HlsStream>(stream->store, hls);
  }
  if (const auto known = remembered.find(id); known != remembered.end()) {
    stream->verifier.set_highest_epoch(known->second.first);
    stream->saved_epoch = known->second.first;
    stream->next_segment = known->second.second.first;
    stream->discontinuity = known->second.second.second;
    stream->discontinuity_known = true;
  }
  return *stream;
}

void Node::State::close_unwanted(const StreamId& id, Now now) {
  Stream* stream = find_stream(id);
  if (stream == nullptr || stream->wanted() || stream->publication) return;
  for (auto& [link_id, peer] : peers) {
    for (auto at = peer.out.begin(); at != peer.out.end();) {
      const auto [sub, ends] = std::pair((at->first), at->second.stream == id);
      ++at;
      if (!ends) continue;
      if (peer.link->open()) peer.link->send(proto::encode(proto::SubEnd{proto::SubEndCode::not_held, 0}, sub));
      forget_out(peer, sub);
    }
    bool used = false;
    for (auto at = peer.in.begin(); at != peer.in.end();) {
      if (at->second.stream != id) {
        used = true;
        ++at;
        continue;
      }
      if (peer.link->open())
        peer.link->send(proto::encode(proto::SubEnd{proto::SubEndCode::unsubscribed, 0}, at->first));
      peer.in_ended.insert(at->first);
      at = peer.in.erase(at);
    }
    if (!used && find_source(*stream, link_id) != nullptr && peer.link->is_client()) {
      send_receipts(peer, now, true);
      peer.link->close();
    }
  }
  stream->sources.clear();
  save_state(*stream, now);
  remembered[id] = {stream->verifier.highest_epoch(), {stream->next_segment, stream->discontinuity}};
  if (!stream->alias.empty()) aliases.erase(stream->alias);
  if (stream->hls) stream->hls->give_up();
  drain_hls(*stream);
  std::erase_if(held_http, [&](const auto& held) { return held.second == id; });
  streams.erase(id);
}

void Node::State::start(Now now) {
  started = true;
  started_mono_us = now.mono_us;
  if (presence) presence->start(now);
  presence_due = true;
}

void Node::State::stop(Now now, std::uint64_t drain_us) {
  if (stopping) return;
  stopping = true;
  for (auto& [id, stream] : streams)
    if (stream->publication && !stream->publication->end_wanted && stream->publication->closed)
      (void)end_publication(stream->publication->id, now);
  drains_until_us = drain_us == 0 ? 0 : now.mono_us + drain_us + drain_slack_us;
  for (auto& [id, peer] : peers) {
    if (!peer.link->open() || peer.link->is_client()) continue;
    pump(peer, now);
    const auto drain_ms = static_cast<std::uint32_t>(std::max<std::uint64_t>(drain_us / 1'000, least_drain_ms));
    peer.link->send(proto::encode(proto::GoAway{proto::GoAwayCode::shutdown, drain_ms, ""}));
  }
  run_presence(now);
}

// The stream goes on for those who have not gone elsewhere yet; the last of them, or the time, ends it for all.
void Node::State::run_drain(Now now) {
  const auto served = [](const auto& entry) {
    const Peer& peer = entry.second;
    return !peer.link->is_client() && peer.link->open() && !peer.out.empty();
  };
  if (closing || (now.mono_us < drains_until_us && std::any_of(peers.begin(), peers.end(), served))) return;
  closing = true;
  for (auto& [id, stream] : streams) {
    stream->state_dirty = stream->state_dirty || stream->store.newest_epoch() != nullptr;
    save_state(*stream, now);
  }
  for (auto& [id, peer] : peers) {
    if (peer.link->open()) {
      pump(peer, now);
      send_receipts(peer, now, true);
    }
    peer.link->close();
  }
}

void Node::State::on_time(Now now) {
  if (!started) return;
  last_tick_us = now.mono_us;
  while (!wakes.empty() && wakes.begin()->first <= now.mono_us) {
    Peer& peer = *find_peer(wakes.begin()->second);
    set_wake(peer, never_us);
    mark_dirty(peer);
  }
  // Pacing wakes a node every few milliseconds; everything else is content with a coarser clock.
  if (last_round_us != 0 && now.mono_us < last_round_us + round_us) return;
  last_round_us = now.mono_us;
  links_deadline_us = never_us;
  for (auto& [id, peer] : peers) {
    peer.link->on_time(now);
    links_deadline_us = std::min(links_deadline_us, peer.link->deadline_us());
    if (peer.leaves_us != 0) links_deadline_us = std::min(links_deadline_us, peer.leaves_us);
    if (!peer.link->open()) continue;
    if (peer.leaves_us != 0 && now.mono_us >= peer.leaves_us) {
      peer.link->close();
      continue;
    }
    send_receipts(peer, now, false);
    if (!peer.session) continue;
    if (peer.session->window.overdue(now)) {
      peer.link->fail(refuse(Wire::receipt_overdue, "no receipt for 5 s while more than the window is unreceipted"));
    } else if (!peer.session->expired && now.unix_us > peer.session->ticket.not_after_us + limits::ticket_grace_us) {
      peer.session->expired = true;
      while (!peer.out.empty()) {
        const std::uint16_t sub = peer.out.begin()->first;
        peer.link->send(proto::encode(proto::SubEnd{proto::SubEndCode::refused, 0}, sub));
        forget_out(peer, sub);
      }
    }
  }
  for (auto& [id, stream] : streams) {
    run_sources(*stream, now);
    run_publication(*stream, now);
    if (stream->hls) stream->hls->on_time(now);
    flush_watches(*stream, now);
    if (now.mono_us >= stream->last_trim_us + trim_every_us) {
      stream->last_trim_us = now.mono_us;
      stream->store.trim(now);
      std::erase_if(stream->asked, [&](const auto& entry) { return entry.second + asked_kept_us < now.mono_us; });
      std::erase_if(stream->unfinished, [&](const ChunkPtr& chunk) {
        return chunk->whole() || chunk->arrived_mono_us() + asked_kept_us < now.mono_us;
      });
      if (now.mono_us >= stream->state_saved_us + 2'000'000) save_state(*stream, now);
    }
  }
  for (auto& [id, watch] : watches) run_watch(watch, now);
  run_admission(now);
  std::erase_if(sessions, [&](const auto& entry) {
    return entry.second->links.empty() && now.unix_us > entry.second->ticket.not_after_us + 2 * limits::ticket_grace_us;
  });
}

std::uint64_t Node::State::deadline_us() const {
  const std::uint64_t wake = wakes.empty() ? never_us : wakes.begin()->first;
  std::uint64_t round = links_deadline_us;
  bool media = false;
  for (const auto& [id, stream] : streams) media = media || !stream->followers.empty() || stream->active != 0;
  for (const auto& [id, stream] : streams) {
    round = std::min(round, sources_deadline_us(*stream));
    if (stream->hls) round = std::min(round, stream->hls->deadline_us());
    media = media || (stream->publication && !stream->publication->pending.empty());
  }
  if (stopping && !closing) round = std::min(round, drains_until_us);
  for (const auto& [id, watch] : watches) round = std::min(round, watch.ask_session_us);
  if (media) round = std::min(round, last_round_us + tick_us);
  const std::uint64_t said = presence ? presence->deadline_us() : never_us;
  return std::min(
      {std::max(round, last_round_us + round_us), std::max(wake, last_tick_us + finest_us), said, dirty_deadline_us()});
}

void Node::State::finish(Now now) {
  for (auto& [id, stream] : streams) drain_hls(*stream);
  if (stopping) run_drain(now);
  if (stopping && presence && peers.empty() && !std::exchange(presence_flushed, true)) {  // the last receipts are in
    presence->flush(now);
    presence_due = true;
  }
  if (presence && started && (presence_due || now.mono_us >= presence->deadline_us())) run_presence(now);
}

// What inputs asked for comes first; then subscribers are looked at one by one, so that all that came in one turn of
// the caller's loop leaves together.
std::optional<Action> Node::State::poll(Now now) {
  while (actions_taken == actions.size()) {
    actions.clear();
    actions_taken = 0;
    if (!pump_next(now)) return std::nullopt;
  }
  return std::move(actions[actions_taken++]);
}

}  // namespace streamr::core
