#include "coordinator/app/network.hpp"

#include <algorithm>

#include "common/log.hpp"

namespace coordinator {
namespace {

constexpr size_t kMostAssigned = 24;
constexpr int64_t kCheckGoodMs = 60'000;
constexpr int64_t kCheckBadMs = 10'000;
constexpr int64_t kCheckSoonMs = 2'000;
constexpr int64_t kCertificateSlackS = 120;

}  // namespace

Network::Network(Context& context, std::function<void()> wake)
    : context_(context), dialler_(context.config.allow_private, std::move(wake)) {
  for (AddressProof& proof : context_.store->proofs()) proofs_[proof.node][proof.url] = proof;
}

bool Network::is_up(const NodeRecord& node) const {
  return context_.now_ms() - node.seen_ms() < context_.silent_ms();
}

bool Network::speaks_for_streams(const NodeRecord& node) {
  if (node.role == "origin") return true;
  if (stale_ || context_.now_ms() - rebuilt_ms_ >= 1000) rebuild();
  return node.role == "relay" && tree_.empty();
}

AskedBy Network::peer(const std::string& seen_from, const std::vector<Address>& own) {
  AskedBy asker{seen_from, {"public", "lan", "tunnel"}};
  const bool vpn = std::any_of(own.begin(), own.end(), [](const Address& a) { return a.kind == "vpn"; });
  if (vpn) asker.kinds.push_back("vpn");
  return asker;
}

std::optional<Address> Network::told(const NodeRecord& node, const AskedBy& asker) const {
  NodeAddresses known{node.addresses, {}, node.seen_from};
  const auto proofs = proofs_.find(node.key);
  if (proofs != proofs_.end()) {
    for (const auto& [url, proof] : proofs->second) {
      if (proof.good) known.proven.push_back(url);
    }
  }
  return address_for(known, asker);
}

bool Network::waits_for_proof(const NodeRecord& node) const {
  return std::any_of(node.addresses.begin(), node.addresses.end(), [&](const Address& a) {
    return dialling_.contains({node.key, a.url});
  });
}

std::vector<StreamRecord> Network::active_streams() const {
  std::vector<StreamRecord> active;
  for (StreamRecord& stream : context_.store->streams()) {
    if (stream.certificate_void()) continue;
    if (stream.not_after_s + kCertificateSlackS < context_.now_ms() / 1000) continue;
    active.push_back(std::move(stream));
  }
  std::stable_sort(active.begin(), active.end(), [](const StreamRecord& a, const StreamRecord& b) {
    return a.is_live != b.is_live ? a.is_live : a.posted_ms > b.posted_ms;
  });
  if (active.size() > kMostAssigned) active.resize(kMostAssigned);
  // In a fixed order, so that a list changes only when its members do.
  std::sort(active.begin(), active.end(), [](const StreamRecord& a, const StreamRecord& b) { return a.row < b.row; });
  return active;
}

void Network::rebuild() {
  nodes_.clear();
  int64_t stream_kbps = 1;
  for (const StreamRecord& stream : active_streams()) stream_kbps = std::max(stream_kbps, stream.max_kbps);
  std::vector<TreeNode> live;
  std::map<std::string, std::string> parents;
  for (NodeRecord& node : context_.store->nodes()) {
    const bool carries = node.role == "relay" || node.role == "origin";
    if (carries && is_up(node)) {
      const bool serves = told(node, peer(node.seen_from, {{"vpn", "", 0}})).has_value() || waits_for_proof(node);
      live.push_back({node.key, node.role == "origin", serves, node.capacity_kbps / stream_kbps});
      if (!node.parent.empty()) parents[node.key] = node.parent;
    }
    nodes_.emplace(node.key, std::move(node));
  }
  tree_ = build_tree(live, parents, context_.config.fanout);
  for (auto& [key, node] : nodes_) {
    // Who fell silent starts anew when it comes back: its place may be taken.
    const auto place = tree_.find(key);
    const std::string parent = place == tree_.end() ? std::string() : place->second.parent;
    if (node.parent == parent) continue;
    node.parent = parent;
    try {
      context_.store->save_parent(key, parent);
    } catch (const StoreUnavailable&) {
      // Only a memory for the next start; reading goes on while the disk is full.
    }
  }
  rebuilt_ms_ = context_.now_ms();
  stale_ = false;
}

std::vector<Carried> Network::carried_by(const NodeRecord& node) {
  if (stale_ || context_.now_ms() - rebuilt_ms_ >= 1000) rebuild();
  std::vector<Carried> out;
  if (node.role != "relay" && node.role != "origin") return out;
  const auto place = tree_.find(node.key);
  std::vector<std::string> upstreams;
  if (place != tree_.end()) {
    for (const std::string& key : {place->second.parent, place->second.standby}) {
      if (key.empty()) continue;
      const auto upstream = nodes_.find(key);
      if (upstream != nodes_.end() && told(upstream->second, peer(node.seen_from, node.addresses))) {
        upstreams.push_back(key);
      }
    }
  }
  const bool assigned = node.role == "origin" || !upstreams.empty();
  for (StreamRecord& stream : active_streams()) out.push_back({std::move(stream), upstreams, assigned});
  return out;
}

std::optional<Place> Network::place_of(const std::string& node_key) {
  if (stale_ || context_.now_ms() - rebuilt_ms_ >= 1000) rebuild();
  const auto found = tree_.find(node_key);
  if (found == tree_.end()) return std::nullopt;
  return found->second;
}

std::optional<NodeRecord> Network::node(const std::string& key) {
  return context_.store->node_by_key(key);
}

void Network::dial(const NodeRecord& node, const std::string& url) {
  const auto parsed = parse_url(url);
  if (!parsed || !may_dial(host_kind(parsed->host), context_.config.allow_private)) return;
  if (!dialling_.insert({node.key, url}).second) return;
  dialler_.dial(node.key, url);
}

void Network::addresses_changed(const NodeRecord& node) {
  stale_ = true;
  auto& proofs = proofs_[node.key];
  const auto listed = [&](const std::string& url) {
    return std::any_of(node.addresses.begin(), node.addresses.end(),
                       [&](const Address& a) { return a.kind == "public" && a.url == url; });
  };
  if (std::erase_if(proofs, [&](const auto& entry) { return !listed(entry.first); }) > 0) {
    context_.store->drop_proofs(node.key);
    for (const auto& [url, proof] : proofs) context_.store->save_proof(proof);
  }
  for (const Address& address : node.addresses) {
    if (address.kind == "public") dial(node, address.url);
  }
}

void Network::check_soon(const NodeRecord& node) {
  for (const Address& address : node.addresses) {
    if (address.kind != "public") continue;
    const AddressProof& proof = proofs_[node.key][address.url];
    if (context_.now_ms() - proof.checked_ms >= kCheckSoonMs) dial(node, address.url);
  }
}

void Network::collect_proofs() {
  for (const Dialler::Result& result : dialler_.collect()) {
    dialling_.erase({result.node, result.url});
    stale_ = true;
    const auto node = context_.store->node_by_key(result.node);
    if (!node) continue;
    const bool listed = std::any_of(node->addresses.begin(), node->addresses.end(),
                                    [&](const Address& a) { return a.kind == "public" && a.url == result.url; });
    if (!listed) continue;
    AddressProof& proof = proofs_[result.node][result.url];
    const bool was_good = proof.good;
    const bool was_proven = proof.proven_ms != 0;
    proof = {result.node, result.url, result.reached ? context_.now_ms() : proof.proven_ms, context_.now_ms(),
             result.reached};
    if (was_good != result.reached) {
      streamr::programs::log_info(
          result.reached ? "address_proven" : "address_lost",
          result.reached ? "a dial-back reached the address" : "a dial-back failed: " + result.why,
          {{"node", node->node_id}, {"url", result.url}});
    } else if (!result.reached && !was_proven) {
      streamr::programs::log_debug("address_unproven", "a dial-back failed: " + result.why,
                                   {{"node", node->node_id}, {"url", result.url}});
    }
    context_.store->save_proof(proof);
    // A node that never was reachable was told to nobody; its check says nothing about its service.
    if (was_proven || result.reached) context_.store->add_check({result.node, {context_.now_ms(), result.reached}});
  }
}

void Network::note_silence(const NodeRecord& node, bool up) {
  if (up && up_.insert(node.key).second) {
    stale_ = true;
  } else if (!up && up_.erase(node.key) != 0) {
    stale_ = true;
    streamr::programs::log_warn("node_silent", "a node has not been heard of for three intervals and counts as offline",
                                {{"node", node.node_id}, {"role", node.role}, {"name", node.name}});
  }
}

void Network::every_second() {
  for (const NodeRecord& node : context_.store->nodes()) {
    const bool up = is_up(node);
    note_silence(node, up);
    if (!up) continue;
    for (const Address& address : node.addresses) {
      if (address.kind != "public") continue;
      const AddressProof& proof = proofs_[node.key][address.url];
      const int64_t wait = proof.good ? kCheckGoodMs : kCheckBadMs;
      if (context_.now_ms() - proof.checked_ms >= wait) dial(node, address.url);
    }
  }
  if (stale_) rebuild();
}

}  // namespace coordinator
