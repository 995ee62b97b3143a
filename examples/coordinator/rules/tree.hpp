// Decides from whom each relay takes the streams it carries: one tree under the origins, at most three hops deep.
// Never forms a loop and never moves a relay whose parent still serves.
// Called by app/network whenever the set of live nodes changes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace coordinator {

constexpr int kMaxHops = 3;

struct TreeNode {
  std::string key;
  bool is_origin = false;
  bool can_serve = true;             // has an address that others are told, or one that is being proven
  int64_t max_children = 1'000'000;  // what its declared capacity carries
};

struct Place {
  std::string parent;   // empty for an origin
  std::string standby;  // from another subtree; empty where there is none
  int hop = 0;
};

// `nodes` are the live ones in the order of their registration; `before` holds the parents of the last tree. `fanout`
// is how many children a node takes; 0 means: as few as fit everybody within three hops, so the origin sends as little
// as it can. A relay with no origin to hang from has no place.
std::map<std::string, Place> build_tree(const std::vector<TreeNode>& nodes,
                                        const std::map<std::string, std::string>& before, int64_t fanout);

}  // namespace coordinator
