#include "coordinator/rules/tree.hpp"

#include <algorithm>
#include <optional>

namespace coordinator {
namespace {

class Builder {
 public:
  Builder(const std::vector<TreeNode>& nodes, const std::map<std::string, std::string>& before, int64_t fanout)
      : nodes_(nodes), before_(before), fanout_(fanout) {}

  std::map<std::string, Place> build() {
    for (const TreeNode& node : nodes_) {
      if (node.is_origin) places_[node.key] = Place{};
    }
    if (places_.empty()) return {};
    keep_standing_parents();
    for (const TreeNode& node : nodes_) {
      if (!places_.contains(node.key)) place_under_free(node);
    }
    for (auto& [key, place] : places_) place.standby = standby_for(key);
    return places_;
  }

  // Whether every relay found a parent with room for it.
  bool everyone_fits() const { return overflow_ == 0; }

 private:
  int64_t room(const TreeNode& node) const {
    if (!node.can_serve) return 0;
    const auto found = children_.find(node.key);
    const int64_t taken = found == children_.end() ? 0 : found->second;
    // An origin always takes one: without it nothing would leave the house.
    const int64_t most =
        std::min(fanout_, node.is_origin ? std::max<int64_t>(1, node.max_children) : node.max_children);
    return most - taken;
  }

  const TreeNode* find(const std::string& key) const {
    const auto found = std::find_if(nodes_.begin(), nodes_.end(), [&](const TreeNode& n) { return n.key == key; });
    return found == nodes_.end() ? nullptr : &*found;
  }

  void hang(const std::string& child, const std::string& parent) {
    places_[child] = Place{parent, "", places_.at(parent).hop + 1};
    ++children_[parent];
  }

  // Passes until nothing moves: a child can be kept only after its parent has its place.
  void keep_standing_parents() {
    for (bool moved = true; moved;) {
      moved = false;
      for (const TreeNode& node : nodes_) {
        if (places_.contains(node.key)) continue;
        const auto old = before_.find(node.key);
        if (old == before_.end()) continue;
        const TreeNode* parent = find(old->second);
        if (parent == nullptr || !places_.contains(parent->key) || room(*parent) <= 0) continue;
        if (places_.at(parent->key).hop >= kMaxHops) continue;
        hang(node.key, parent->key);
        moved = true;
      }
    }
  }

  void place_under_free(const TreeNode& node) {
    // The shallowest place with room; on one level the node that registered first.
    for (int hop = 0; hop < kMaxHops; ++hop) {
      for (const TreeNode& parent : nodes_) {
        const auto place = places_.find(parent.key);
        if (place == places_.end() || place->second.hop != hop || room(parent) <= 0) continue;
        hang(node.key, parent.key);
        return;
      }
    }
    // No room: better a crowded parent than a relay without one.
    ++overflow_;
    const TreeNode* least = nullptr;
    for (const TreeNode& parent : nodes_) {
      const auto place = places_.find(parent.key);
      if (place == places_.end() || place->second.hop >= kMaxHops || !parent.can_serve) continue;
      if (least == nullptr || children_[parent.key] < children_[least->key]) least = &parent;
    }
    if (least != nullptr) hang(node.key, least->key);
  }

  bool is_below(const std::string& key, const std::string& ancestor) const {
    for (std::string at = key; !at.empty();) {
      if (at == ancestor) return true;
      const auto place = places_.find(at);
      at = place == places_.end() ? "" : place->second.parent;
    }
    return false;
  }

  // An origin where the parent is a relay; under an origin another origin, else a relay of another subtree.
  std::string standby_for(const std::string& key) const {
    const Place& place = places_.at(key);
    if (place.parent.empty()) return "";
    std::string other;
    for (const TreeNode& node : nodes_) {
      const auto found = places_.find(node.key);
      if (found == places_.end() || !node.can_serve || node.key == place.parent || is_below(node.key, key)) continue;
      if (node.is_origin) return node.key;
      if (other.empty() && found->second.hop < kMaxHops && !is_below(place.parent, node.key)) other = node.key;
    }
    return other;
  }

  const std::vector<TreeNode>& nodes_;
  const std::map<std::string, std::string>& before_;
  int64_t fanout_;
  std::map<std::string, Place> places_;
  std::map<std::string, int64_t> children_;
  int64_t overflow_ = 0;
};

// The most children that a living node has now: a network that shrinks keeps its shape.
int64_t standing_width(const std::vector<TreeNode>& nodes, const std::map<std::string, std::string>& before) {
  std::map<std::string, int64_t> children;
  int64_t width = 1;
  for (const TreeNode& node : nodes) {
    const auto old = before.find(node.key);
    if (old == before.end() || node.is_origin) continue;
    const bool lives = std::any_of(nodes.begin(), nodes.end(), [&](const TreeNode& n) { return n.key == old->second; });
    if (lives) width = std::max(width, ++children[old->second]);
  }
  return width;
}

}  // namespace

std::map<std::string, Place> build_tree(const std::vector<TreeNode>& nodes,
                                        const std::map<std::string, std::string>& before, int64_t fanout) {
  if (fanout > 0) return Builder(nodes, before, fanout).build();
  const auto most = static_cast<int64_t>(nodes.size()) + 1;
  for (int64_t width = standing_width(nodes, before); width < most; ++width) {
    Builder builder(nodes, before, width);
    auto tree = builder.build();
    if (builder.everyone_fits()) return tree;
    // Growing one by one keeps trees small; a capacity that fits nobody stops it early.
    if (width > 64) return tree;
  }
  return Builder(nodes, before, most).build();
}

}  // namespace coordinator
