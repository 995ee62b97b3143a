#include "coordinator.hpp"

#include <algorithm>

namespace streamr::sim {

namespace {

constexpr std::uint64_t silent_us = 30'000'000;
constexpr std::uint64_t behind_segments = 3;

std::string_view path_of(const core::HttpCall& call) {
  const std::string_view url = call.url;
  return url.substr(url.find('/', url.find("://") + 3));
}

std::string refusal(const char* code) { return std::string(R"({"error":{"code":")") + code + R"(","message":""}})"; }

}  // namespace

void Coordinator::place(HostId host, std::uint32_t level) { nodes_[host].level = level; }

std::string Coordinator::fresh_id() {
  ByteVector octets(16);
  store_u64(octets.data(), network_.random().next());
  store_u64(octets.data() + 8, network_.random().next());
  return to_hex(octets);
}

void Coordinator::on_call(HostId host, const core::HttpCall& call) {
  const std::uint64_t after_us = 10'000 + network_.random().below(50'000);
  if (down_) return network_.answer(host, call.call, after_us, 0, std::nullopt, {});
  Reply reply = reply_to(host, call);
  network_.answer(host, call.call, after_us, reply.status, reply.retry_after_s, std::move(reply.body));
}

Coordinator::Reply Coordinator::reply_to(HostId host, const core::HttpCall& call) {
  const std::string_view path = path_of(call);
  if (path == "/.well-known/streamr.json")
    return {200, R"({"coordinator_key":")" + to_hex(key().view()) + R"(","version":1,"time_us":1})", {}};
  if (path == "/v1/nodes/challenge") return challenge();
  if (path == "/v1/receipts") return ++figures_.viewer_receipts, Reply{204, {}, {}};
  if (path == "/v1/receipts/batch") return batch(host, call);
  const std::string_view body{reinterpret_cast<const char*>(call.body.data()), call.body.size()};
  const auto document = proto::parse_json(body, {.max_bytes = 256 * 1024});
  if (!document) return {400, refusal("malformed_json"), {}};
  const proto::JsonView root = document->root();
  if (path == "/v1/evidence") return evidence(root);
  if (path == "/v1/nodes/register") return registration(host, nodes_.contains(host));
  if (path == "/v1/nodes/heartbeat") return heartbeat(host, root);
  if (path == "/v1/streams") return announce(root);
  if (path.ends_with("/sessions")) return session(root);
  return {404, refusal("stream_unknown"), {}};
}

// A proof is checked as the real one does: two headers of one place, other octets, both signed under the certificate.
Coordinator::Reply Coordinator::evidence(const proto::JsonView& request) {
  ++figures_.evidence;
  const auto kind = request.get_string("kind");
  const auto objects = request.get_array("objects");
  if (!kind || *kind != "equivocation" || !objects || objects->size() != 2) return {200, R"({"evidence_id":"e"})", {}};
  std::vector<ByteVector> octets;
  for (const auto object : *objects) {
    auto bytes = object.as_hex("object", 64 * 1024);
    octets.push_back(bytes ? std::move(*bytes) : ByteVector{});
  }
  const auto certificate = proto::parse_certificate(octets[0]);
  if (!certificate || octets[1].size() != 448) return {400, refusal("out_of_range"), {}};
  const auto first = proto::parse_chunk_header(ByteView(octets[1]).first(224));
  const auto second = proto::parse_chunk_header(ByteView(octets[1]).last(224));
  const bool proves = first && second && first->raw != second->raw && first->pos() == second->pos() && first->epoch == second->epoch &&
                      first->track == second->track && proto::verify_chunk_header(*first, *certificate) &&
                      proto::verify_chunk_header(*second, *certificate);
  if (!proves) return {400, refusal("out_of_range"), {}};
  ++figures_.equivocations;
  return {200, R"({"evidence_id":"e"})", {}};
}

Coordinator::Reply Coordinator::challenge() {
  return {200, R"({"challenge_id":"c","nonce":")" + fresh_id() + fresh_id() + R"(","coordinator_key":")" + to_hex(key().view()) +
                   R"(","expires_at_ms":1})", {}};
}

Coordinator::Reply Coordinator::registration(HostId host, bool relay) {
  ++figures_.registrations;
  if (relay) {
    Node& node = nodes_[host];
    node.heard_us = network_.now_us();
    node.newest = 0;
    ++node.version;
    // A node that begins anew has forgotten its sessions at both ends: all of them get new tickets.
    node.upstreams.clear();
    for (auto& [id, other] : nodes_)
      for (Upstream& upstream : other.upstreams)
        if (upstream.host == host) {
          upstream.ticket = ticket(host, network_.plan(id).key.public_key(), fresh_id());
          ++other.version;
        }
  }
  return {200, R"({"node_id":"n-)" + std::to_string(host) + R"(","lease":")" + fresh_id() + R"(","heartbeat_ms":)" + std::to_string(heartbeat_ms) +
                   R"(,"server_time_us":1,"policy":{}})", {}};
}

bool Coordinator::lives(const Node& node) const { return node.heard_us != 0 && node.heard_us + silent_us > network_.now_us(); }

HostId Coordinator::subtree(HostId host) const {
  for (std::size_t steps = 0; steps < nodes_.size(); ++steps) {   // a confused coordinator may have made a circle
    const auto found = nodes_.find(host);
    if (found == nodes_.end() || found->second.level <= 1 || found->second.upstreams.empty()) break;
    host = found->second.upstreams[0].host;
  }
  return host;
}

HostId Coordinator::draw(std::vector<HostId>& from, std::optional<HostId> beside) {
  constexpr int tries = 8;
  std::size_t drawn = network_.random().below(from.size());
  for (int n = 0; n < tries && beside && subtree(from[drawn]) == subtree(*beside); ++n) drawn = network_.random().below(from.size());
  const HostId taken = from[drawn];
  from.erase(from.begin() + static_cast<std::ptrdiff_t>(drawn));
  return taken;
}

void Coordinator::choose_upstreams(HostId host, Node& node) {
  if (node.level == 0) return;
  const auto fits = [&](HostId id, const Node& other) {
    return lives(other) && (confused_ ? other.level != 0 && id != host : other.level + 1 == node.level);
  };
  const auto good = [&](const Upstream& upstream) {
    if (confused_ && network_.random().chance(0.1)) return false;
    const Node& other = nodes_[upstream.host];
    return lives(other) && (confused_ || other.level + 1 == node.level);
  };
  // New tickets when a quarter of their life is left.
  if (!node.upstreams.empty() && node.ticketed_us + 45'000'000ull * ticket_minutes < network_.now_us()) {
    for (Upstream& upstream : node.upstreams) upstream.ticket = ticket(upstream.host, network_.plan(host).key.public_key(), fresh_id());
    node.ticketed_us = network_.now_us();
    ++node.version;
  }
  if (node.upstreams.size() == 2 && std::all_of(node.upstreams.begin(), node.upstreams.end(), good)) return;
  std::vector<HostId> candidates;
  for (const auto& [id, other] : nodes_)
    if (fits(id, other)) candidates.push_back(id);
  std::vector<Upstream> chosen;
  while (chosen.size() < 2 && !candidates.empty()) {
    const HostId drawn = draw(candidates, chosen.empty() ? std::nullopt : std::optional<HostId>(chosen[0].host));
    chosen.push_back({drawn, ticket(drawn, network_.plan(host).key.public_key(), fresh_id())});
  }
  // The origin is everybody's last resort: level 1 has no other place, and where nobody of a level lives it must do.
  if (chosen.empty() || (node.upstreams.size() == chosen.size() && chosen.size() < 2 && good(node.upstreams[0]))) return;
  node.upstreams = std::move(chosen);
  node.ticketed_us = network_.now_us();
  ++node.version;
}

Coordinator::Reply Coordinator::heartbeat(HostId host, const proto::JsonView& request) {
  ++figures_.heartbeats;
  std::string reply = R"({"lease":")" + fresh_id() + R"(","server_time_us":1,"min_version":1,"revocations":[])";
  const auto found = nodes_.find(host);
  if (found != nodes_.end()) {
    Node& node = found->second;
    node.heard_us = network_.now_us();
    if (const auto streams = request.get_array("streams"))
      for (const auto stream : *streams)
        if (const auto newest = stream.get_u64("newest")) node.newest = *newest;
    if (stream_) choose_upstreams(host, node);
    const auto echoed = request.get_u64("assignments_version");
    if (stream_ && (node.level == 0 || !node.upstreams.empty()) && (!echoed || *echoed != node.version)) {
      proto::JsonWriter json;
      json.begin_array().begin_object().member_hex("stream", stream_->view()).member("alias", "show").begin_array("upstreams");
      for (const Upstream& upstream : node.upstreams) write_relay(json, upstream.host, upstream.ticket);
      json.end_array().end_object().end_array();
      reply += R"(,"assignments_version":)" + std::to_string(node.version) + R"(,"assignments":)" + json.take();
    }
  }
  return {200, reply + "}", {}};
}

Coordinator::Reply Coordinator::announce(const proto::JsonView& request) {
  const auto stream = request.get_fixed<StreamId>("stream_id");
  if (!stream) return {400, refusal("missing_member"), {}};
  if (!stream_)
    for (auto& [id, node] : nodes_) ++node.version;
  stream_ = *stream;
  proto::JsonWriter json;
  json.begin_object().member_hex("stream_id", stream->view()).begin_array("origins");
  for (const auto& [id, node] : nodes_)
    if (node.level == 0 && lives(node)) write_relay(json, id, {});
  json.end_array().end_object();
  return {200, json.take(), {}};
}

void Coordinator::write_relay(proto::JsonWriter& json, HostId host, const std::string& ticket_hex) {
  const HostPlan& plan = network_.plan(host);
  json.begin_object().member("url", plan.url).member_hex("relay_key", plan.key.public_key().view());
  if (!ticket_hex.empty()) json.member("ticket", ticket_hex);
  json.end_object();
}

std::string Coordinator::ticket(HostId relay, const Key& viewer, const std::string& session_id) {
  proto::Ticket fields;
  fields.stream_id = *stream_;
  fields.relay_key = network_.plan(relay).key.public_key();
  fields.viewer_key = viewer;
  fields.session_id = *fixed_from_hex<SessionId>(session_id);
  fields.not_before_us = Network::unix_base_us + network_.now_us();
  fields.not_after_us = fields.not_before_us + 60'000'000ull * ticket_minutes;
  fields.max_rate_bps = 1'250'000;
  fields.window_start_bytes = window_start_bytes;
  fields.window_max_bytes = window_max_bytes;
  return to_hex(proto::issue_ticket(fields, key_).raw);
}

Coordinator::Reply Coordinator::session(const proto::JsonView& request) {
  const auto viewer = request.get_fixed<Key>("viewer_key");
  if (!viewer) return {400, refusal("missing_member"), {}};
  if (!stream_) return {404, refusal("stream_unknown"), {}};
  std::uint64_t newest = 0;
  for (const auto& [id, node] : nodes_) newest = std::max(newest, node.newest);
  std::vector<HostId> fit;
  for (const auto& [id, node] : nodes_)
    if (node.level > 0 && lives(node) && node.newest != 0 && node.newest + behind_segments >= newest) fit.push_back(id);
  if (fit.empty()) return {503, refusal("no_relay"), 2};
  ++figures_.sessions;
  const std::string session_id = fresh_id();
  proto::JsonWriter json;
  json.begin_object().member("session_id", session_id).member_hex("stream_id", stream_->view()).begin_array("relays");
  std::optional<HostId> first;
  for (int n = 0; n < 2 && !fit.empty(); ++n) {
    const HostId drawn = draw(fit, first);
    write_relay(json, drawn, ticket(drawn, *viewer, n == 0 ? session_id : fresh_id()));
    first = drawn;
  }
  json.end_array().member("steering_url", "").member("origin_url", "").end_object();
  return {200, json.take(), {}};
}

Coordinator::Reply Coordinator::batch(HostId host, const core::HttpCall& call) {
  const auto document = proto::parse_json({reinterpret_cast<const char*>(call.body.data()), call.body.size()}, {.max_bytes = 1024 * 1024});
  if (!document) return {400, refusal("malformed_json"), {}};
  Node& node = nodes_[host];
  const auto prev = document->root().get_string("prev_batch_hash");
  const std::string hash = to_hex(crypto::sha256(call.body).view());
  const std::string expected = node.last_batch.empty() ? std::string(64, '0') : node.last_batch;
  if (node.last_batch != hash && (!prev || *prev != expected))
    return {409, R"({"error":{"code":"chain_broken","message":""},"expected_prev":")" + expected + R"("})", {}};
  std::size_t settled = 0;
  if (const auto receipts = document->root().get_array("receipts")) settled = receipts->size();
  if (node.last_batch != hash) {
    ++figures_.batches;
    figures_.receipts_settled += settled;
  }
  node.last_batch = hash;
  return {200, R"({"batch_hash":")" + hash + R"(","settled":)" + std::to_string(settled) + R"(,"stale":0,"refused":[]})", {}};
}

}  // namespace streamr::sim
