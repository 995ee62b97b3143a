// The public face of a node: each call is translated for the state, which then finishes what it began.
#include <utility>

#include "core/node_state.hpp"

namespace streamr::core {

Node::Node(NodeConfig config, const crypto::KeyPair& identity)
    : state_(std::make_unique<State>(std::move(config), identity)) {}
Node::~Node() = default;

const Key& Node::public_key() const {
  return state_->identity.public_key();
}
bool Node::stopped() const {
  return state_->stopping && state_->peers.empty() && (!state_->presence || state_->presence->flushed());
}
void Node::set_listening(const std::string& advertise_url) {
  state_->config.advertise_url = advertise_url;
  if (state_->presence) state_->presence->set_addresses(advertise_url);
}

void Node::start(Now now) {
  state_->start(now);
  state_->finish(now);
}
void Node::stop(Now now, std::uint64_t drain_us) {
  state_->stop(now, drain_us);
  state_->finish(now);
}

LinkId Node::on_accepted(const std::string& peer_address, Now now) {
  LinkConfig link;
  link.address = peer_address;
  return state_->add_link(std::move(link), state_->identity, now);
}

void Node::on_dialed(LinkId link, Now now) {
  if (Peer* peer = state_->find_peer(link)) peer->link->on_dialed(now);
  state_->finish(now);
}

void Node::on_message(LinkId link, const SharedBytes& message, Now now) {
  if (Peer* peer = state_->find_peer(link)) peer->link->on_message(message, now);
  state_->finish(now);
}

void Node::on_text_message(LinkId link, Now now) {
  if (Peer* peer = state_->find_peer(link))
    peer->link->fail(refuse(Wire::malformed, "expected binary messages, a text message came"));
  state_->finish(now);
}

void Node::on_oversized_message(LinkId link, Now now) {
  if (Peer* peer = state_->find_peer(link)) peer->link->fail(refuse(Wire::limit, "a message over 128 KiB"));
  state_->finish(now);
}

void Node::on_closed(LinkId link, const std::string& why, Now now) {
  state_->drop_link(link, why, now);
  state_->finish(now);
}

void Node::on_sent(LinkId link, std::uint64_t outstanding_bytes, Now now) {
  Peer* peer = state_->find_peer(link);
  if (peer == nullptr) return;
  peer->link->on_sent(outstanding_bytes);
  if (peer->waits_for_room) state_->mark_dirty(*peer);
  state_->finish(now);
}

void Node::on_http(const HttpRequest& request, Now now) {
  state_->on_http(request, now);
  state_->finish(now);
}

void Node::on_http_closed(HttpId id, Now now) {
  const auto held = state_->held_http.find(id);
  if (held == state_->held_http.end()) return;
  if (Stream* stream = state_->find_stream(held->second); stream != nullptr && stream->hls) stream->hls->on_closed(id);
  state_->held_http.erase(held);
  state_->finish(now);
}

void Node::on_http_served(const HttpServed& since_last, Now now) {
  state_->on_http_served(since_last, now);
}

void Node::on_load(std::uint32_t cpu_permille, Now) {
  state_->admission.on_cpu(cpu_permille);
}

Status Node::set_limits(const NodeLimits& limits, Now now) {
  auto result = state_->set_limits(limits, now);
  state_->finish(now);
  return result;
}

NodeLimits Node::limits() const {
  return state_->admission.limits();
}

void Node::on_http_answer(CallId call, int status, std::optional<std::uint32_t> retry_after_s, ByteView body,
                          const std::string& failure, Now now) {
  if (!state_->presence) return;
  if (call == state_->heartbeat_call)
    ++(status == 200 ? state_->counters.heartbeats_ok : state_->counters.heartbeats_failed);
  state_->presence->on_answer(call, status, retry_after_s, body, failure, now);
  state_->presence_due = true;
  state_->finish(now);
}

void Node::on_time(Now now) {
  state_->on_time(now);
  state_->finish(now);
}

std::optional<Action> Node::poll(Now now) {
  return state_->poll(now);
}

std::uint64_t Node::deadline_us() const {
  return state_->deadline_us();
}

Status Node::carry(const StreamId& id, const std::string& upstream_url, std::optional<proto::Ticket> ticket, Now now) {
  if (!crypto::is_sound_key(id)) return fail(STREAMR_E_INVALID, "stream_id is not a sound Ed25519 key");
  Stream& stream = state_->open_stream(id);
  stream.configured = true;
  stream.is_origin = upstream_url.empty();
  if (!upstream_url.empty()) {
    std::vector<UpstreamOffer> offers;
    for (const auto& source : stream.sources)
      if (!source.offer.url.empty() && !source.retired) offers.push_back(source.offer);
    UpstreamOffer offer{upstream_url, ticket ? ticket->relay_key : Key{}, ticket};
    offers.push_back(std::move(offer));
    state_->set_offers(stream, offers, now);
  }
  state_->finish(now);
  return {};
}

Status Node::drop(const StreamId& id, Now now) {
  Stream* stream = state_->find_stream(id);
  if (stream == nullptr || !stream->configured) return fail(STREAMR_E_NOTFOUND, "this stream is not carried");
  stream->configured = false;
  state_->close_unwanted(id, now);
  state_->finish(now);
  return {};
}

Result<PublicationId> Node::publish(PublishOptions options, Now now) {
  auto result = state_->publish(std::move(options), now);
  state_->finish(now);
  return result;
}

Status Node::push(PublicationId publication, const PublicationPart& part, Now now) {
  auto result = state_->push(publication, part, now);
  state_->finish(now);
  return result;
}

Status Node::end(PublicationId publication, Now now) {
  auto result = state_->end_publication(publication, now);
  state_->finish(now);
  return result;
}

void Node::close_publication(PublicationId publication, Now now) {
  state_->close_publication(publication, now);
}

Result<WatchId> Node::watch(WatchOptions options, Now now) {
  auto result = state_->watch(std::move(options), now);
  state_->finish(now);
  return result;
}

void Node::unwatch(WatchId watch, Now now) {
  state_->unwatch(watch, now);
  state_->finish(now);
}

Status Node::stalled(WatchId id, std::uint32_t stall_ms) {
  const auto watch = state_->watches.find(id);
  if (watch == state_->watches.end()) return fail(STREAMR_E_INVALID, "no such subscription");
  Stream* stream = watch->second.stream ? state_->find_stream(*watch->second.stream) : nullptr;
  if (stream == nullptr) return {};
  if (Peer* peer = state_->find_peer(stream->active); peer != nullptr && peer->keeper)
    peer->keeper->add_stall(stall_ms);
  return {};
}

void Node::set_event_backpressure(bool full) {
  if (state_->event_backpressure == full) return;
  state_->event_backpressure = full;
  for (auto& [id, peer] : state_->peers) peer.link->set_hold_credit(full);
}

void Node::set_server_stats(ServerStats stats) {
  state_->counters.server = std::move(stats);
}
std::string Node::stats_json(Now now) const {
  return render_stats_json(state_->stats(now));
}

}  // namespace streamr::core
