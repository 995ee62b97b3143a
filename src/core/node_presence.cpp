#include <algorithm>
#include <charconv>

#include "core/node_state.hpp"

namespace streamr::core {

namespace {

constexpr std::string_view stream_prefix = "stream-";
constexpr std::uint64_t save_every_us = 2'000'000;

std::optional<std::uint64_t> next_number(std::string_view& text) {
  std::uint64_t value = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (bad != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (!text.empty()) text.remove_prefix(1);
  return value;
}

}  // namespace

// Durable facts: "stream-{id}" = "{highest epoch} {first number never held} {discontinuity number}".
void Node::State::load_state() {
  for (const auto& [name, value] : config.state) {
    if (!name.starts_with(stream_prefix)) continue;
    const auto id = fixed_from_hex<StreamId>(std::string_view(name).substr(stream_prefix.size()));
    std::string_view rest = value;
    const auto epoch = next_number(rest), segment = next_number(rest), discontinuity = next_number(rest);
    if (id && epoch && segment && discontinuity)
      remembered[*id] = {*epoch, {*segment, static_cast<std::uint32_t>(*discontinuity)}};
  }
}

void Node::State::save_state(Stream& stream, Now now) {
  if (!stream.state_dirty) return;
  stream.state_dirty = false;
  stream.state_saved_us = now.mono_us;
  emit(SaveState{std::string(stream_prefix) + to_hex(stream.store.id().view()),
                 std::to_string(stream.verifier.highest_epoch()) + " " + std::to_string(stream.next_segment) + " " +
                     std::to_string(stream.discontinuity)});
}

NodeReport Node::State::report(Now now) const {
  NodeReport told;
  told.free_kbps = config.capacity_kbps;
  told.load_pct = load_pct();
  for (const auto& [id, stream] : streams) {
    const auto* epoch = stream->store.newest_epoch();
    // A publisher serves its origin only; it is no node that carries the stream.
    if (!stream->carried() || epoch == nullptr || stream->publication) continue;
    StreamReport row;
    row.stream = id;
    row.epoch = epoch->epoch;
    for (const auto& [number, track] : epoch->tracks) {
      const auto newest = track.newest();
      if (!newest || newest->header().segment < row.newest) continue;
      row.newest = newest->header().segment;
      row.head = newest->header_hash();
      const auto captured_us = newest->header().capture_time_us + newest->header().duration_us;
      row.lag_ms = now.unix_us > captured_us ? (now.unix_us - captured_us) / 1000 : 0;
    }
    std::set<SessionId> viewers;
    for (const auto& [number, followers] : stream->followers)
      for (const OutSub* out : followers)
        if (out->peer->session) viewers.insert(out->peer->session->ticket.session_id);
    row.viewers = static_cast<std::uint32_t>(viewers.size());
    told.streams.push_back(row);
  }
  std::uint64_t rejected = 0, verified = 0, chunks = 0;
  for (const auto& [id, stream] : streams) {
    rejected += stream->slices_rejected;
    verified += stream->verified_bytes;
    chunks += stream->chunks;
  }
  told.counters = {
      {"chunks", chunks}, {"verified_bytes", verified}, {"slices_rejected", rejected}, {"links", peers.size()}};
  return told;
}

void Node::State::run_presence(Now now) {
  if (!presence) return;
  presence->on_time(now);
  // A report goes through all that is carried: it is made for heartbeats alone.
  while (auto call = presence->poll_call(now, presence->heartbeat_due(now) ? report(now) : NodeReport{})) {
    if (call->url.ends_with("/v1/nodes/heartbeat")) heartbeat_call = call->call;
    emit(std::move(*call));
  }
  while (auto happened = presence->poll_event()) on_presence_event(*happened, now);
  presence_due = false;
}

void Node::State::on_presence_event(PresenceEvent& happened, Now now) {
  if (auto* registered = std::get_if<Registered>(&happened)) {
    event(STREAMR_EVENT_REGISTERED, 1, registered->node_id, now);
  } else if (auto* reachable = std::get_if<Reachable>(&happened)) {
    event(STREAMR_EVENT_COORDINATOR, reachable->reachable ? 1 : 0, reachable->why, now);
  } else if (auto* key = std::get_if<CoordinatorKey>(&happened)) {
    emit(SaveState{"coordinator-key", to_hex(key->key.view())});
  } else if (auto* assignments = std::get_if<Assignments>(&happened)) {
    apply_assignments(*assignments, now);
  } else if (auto* revocations = std::get_if<Revocations>(&happened)) {
    for (const auto& revocation : revocations->revocations) (void)on_revoke(nullptr, revocation, now);
  } else if (auto* announced = std::get_if<StreamAnnounced>(&happened)) {
    Stream* stream = find_stream(announced->stream);
    if (stream != nullptr && stream->publication && stream->publication->options.origin_url.empty() &&
        !announced->origins.empty())
      set_offers(*stream, announced->origins, now);
  } else if (auto* refused = std::get_if<StreamRefused>(&happened)) {
    event(STREAMR_EVENT_ERROR, STREAMR_E_REFUSED,
          "the coordinator refuses the stream: " + std::to_string(refused->status) + " " + refused->code + ": " +
              refused->message,
          now)
        .stream = refused->stream;
  } else if (auto* granted = std::get_if<SessionGranted>(&happened)) {
    on_session(*granted, now);
  } else if (auto* denied = std::get_if<SessionRefused>(&happened)) {
    on_session_refused(*denied, now);
  } else if (auto* settled = std::get_if<BatchSettled>(&happened)) {
    emit(SaveState{"batch-chain", to_hex(settled->batch_hash.view())});
  }
}

void Node::State::apply_assignments(const Assignments& given, Now now) {
  std::set<StreamId> kept;
  for (const auto& assignment : given.assignments) {
    Stream& stream = open_stream(assignment.stream);
    kept.insert(assignment.stream);
    const bool fresh = !stream.carried();
    stream.assigned = true;
    stream.is_origin = assignment.upstreams.empty();
    if (!assignment.alias.empty()) {
      stream.alias = assignment.alias;
      set_alias(assignment.alias, assignment.stream);
    }
    stream.steering_url =
        config.coordinator_url.empty() ? "" : config.coordinator_url + "/steering/" + to_hex(assignment.stream.view());
    if (fresh)
      event(STREAMR_EVENT_CARRYING, 1, stream.alias.empty() ? to_hex(assignment.stream.view()) : stream.alias, now)
          .stream = assignment.stream;
    set_offers(stream, assignment.upstreams, now);
  }
  std::vector<StreamId> gone;
  for (auto& [id, stream] : streams)
    if (stream->assigned && !kept.contains(id)) gone.push_back(id);
  for (const auto& id : gone) {
    streams[id]->assigned = false;
    event(STREAMR_EVENT_CARRYING, 0, to_hex(id.view()), now).stream = id;
    close_unwanted(id, now);
  }
}

}  // namespace streamr::core
