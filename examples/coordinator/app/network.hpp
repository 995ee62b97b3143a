// Decides which nodes are up, which of their addresses are told, who hangs from whom, and what each is to carry.
// Never answers a request; never tells an address that did not prove itself.
// Called by the node, stream and session routes and once a second.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "coordinator/app/context.hpp"
#include "coordinator/app/dialler.hpp"
#include "coordinator/rules/tree.hpp"

namespace coordinator {

struct Carried {
  StreamRecord stream;
  std::vector<std::string> upstreams;  // node keys, the parent first; empty for an origin
  bool assigned = false;               // false: nobody to take it from yet, so it is not sent
};

class Network {
 public:
  Network(Context& context, std::function<void()> wake);

  bool is_up(const NodeRecord& node) const;
  // Whose reports make a stream live: origins, and any relay where no origin is up.
  bool speaks_for_streams(const NodeRecord& node);
  // The address to tell; nothing while none has proved itself.
  std::optional<Address> told(const NodeRecord& node, const AskedBy& asker) const;
  // What a relay or publisher asks for that stands behind this address.
  static AskedBy peer(const std::string& seen_from, const std::vector<Address>& own);

  // Streams that nodes carry now: with a valid certificate, live ones first, the newest posted next, at most 24.
  std::vector<StreamRecord> active_streams() const;
  std::vector<Carried> carried_by(const NodeRecord& node);
  std::optional<Place> place_of(const std::string& node_key);
  std::optional<NodeRecord> node(const std::string& key);

  // Addresses were registered or changed: dial those that need it.
  void addresses_changed(const NodeRecord& node);
  void check_soon(const NodeRecord& node);
  void nodes_changed() { stale_ = true; }
  void collect_proofs();
  void every_second();

 private:
  void rebuild();
  bool waits_for_proof(const NodeRecord& node) const;
  void dial(const NodeRecord& node, const std::string& url);
  void note_silence(const NodeRecord& node, bool up);

  Context& context_;
  Dialler dialler_;
  std::map<std::string, std::map<std::string, AddressProof>> proofs_;
  std::set<std::pair<std::string, std::string>> dialling_;
  std::set<std::string> up_;                 // as of the last look, by key
  std::map<std::string, NodeRecord> nodes_;  // as of the last rebuild
  std::map<std::string, Place> tree_;
  int64_t rebuilt_ms_ = 0;
  bool stale_ = true;
};

}  // namespace coordinator
