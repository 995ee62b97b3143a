#include "coordinator/rules/tree.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace coordinator;

namespace {

TreeNode origin(const char* key = "o") {
  return {key, true, true, 1000};
}
TreeNode relay(const std::string& key) {
  return {key, false, true, 1000};
}

std::map<std::string, std::string> parents_of(const std::map<std::string, Place>& tree) {
  std::map<std::string, std::string> out;
  for (const auto& [key, place] : tree) out[key] = place.parent;
  return out;
}

void check_sound(const std::map<std::string, Place>& tree) {
  for (const auto& [key, place] : tree) {
    std::set<std::string> seen;
    int hops = 0;
    for (std::string at = key; !tree.at(at).parent.empty(); at = tree.at(at).parent) {
      REQUIRE(seen.insert(at).second);
      ++hops;
    }
    CHECK(hops == place.hop);
    CHECK(hops <= kMaxHops);
    if (!place.standby.empty()) CHECK(place.standby != place.parent);
  }
}

}  // namespace

TEST_CASE("two relays form a chain under the origin, with the origin as standby of the second") {
  const auto tree = build_tree({origin(), relay("r1"), relay("r2")}, {}, 0);
  CHECK(tree.at("o").parent.empty());
  CHECK(tree.at("r1").parent == "o");
  CHECK(tree.at("r1").standby.empty());
  CHECK(tree.at("r2").parent == "r1");
  CHECK(tree.at("r2").standby == "o");
  CHECK(tree.at("r2").hop == 2);
}

TEST_CASE("everybody fits within three hops, with as few children as that takes") {
  for (size_t count : {1u, 3u, 4u, 14u, 15u, 40u, 300u}) {
    std::vector<TreeNode> nodes{origin()};
    for (size_t i = 0; i < count; ++i) nodes.push_back(relay("r" + std::to_string(i)));
    const auto tree = build_tree(nodes, {}, 0);
    CHECK(tree.size() == count + 1);
    check_sound(tree);
    CHECK(build_tree(nodes, parents_of(tree), 0).size() == tree.size());
  }
}

TEST_CASE("a relay keeps its parent while that serves") {
  const std::vector<TreeNode> nodes{origin(), relay("r1"), relay("r2"), relay("r3")};
  const auto tree = build_tree(nodes, {{"r1", "r3"}, {"r2", "r1"}, {"r3", "o"}}, 1);
  CHECK(tree.at("r3").parent == "o");
  CHECK(tree.at("r1").parent == "r3");
  CHECK(tree.at("r2").parent == "r1");
}

TEST_CASE("when a parent is gone its children move up and nobody else moves") {
  const auto tree = build_tree({origin(), relay("r2"), relay("r3")}, {{"r2", "r1"}, {"r3", "r2"}}, 1);
  CHECK(tree.at("r2").parent == "o");
  CHECK(tree.at("r3").parent == "r2");
}

TEST_CASE("old parents that form a loop are not kept") {
  const auto tree = build_tree({origin(), relay("r1"), relay("r2")}, {{"r1", "r2"}, {"r2", "r1"}}, 0);
  check_sound(tree);
  CHECK(tree.size() == 3);
}

TEST_CASE("a relay that nobody can reach takes and does not give") {
  std::vector<TreeNode> nodes{origin(), relay("hidden"), relay("r2")};
  nodes[1].can_serve = false;
  const auto tree = build_tree(nodes, {}, 1);
  CHECK(tree.at("hidden").parent == "o");
  CHECK(tree.at("r2").parent == "o");
}

TEST_CASE("without an origin nobody has a place") {
  CHECK(build_tree({relay("r1")}, {}, 0).empty());
}

TEST_CASE("a relay without capacity carries no children") {
  std::vector<TreeNode> nodes{origin(), relay("weak"), relay("r2")};
  nodes[1].max_children = 0;
  const auto tree = build_tree(nodes, {}, 0);
  CHECK(tree.at("r2").parent == "o");
}

TEST_CASE("random networks under churn stay sound") {
  uint64_t state = 7;
  const auto next = [&] {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return state >> 33;
  };
  std::map<std::string, std::string> before;
  for (int round = 0; round < 100; ++round) {
    std::vector<TreeNode> nodes{origin()};
    for (int i = 0; i < 30; ++i) {
      if (next() % 3 != 0)
        nodes.push_back({"r" + std::to_string(i), false, next() % 8 != 0, static_cast<int64_t>(next() % 6)});
    }
    const auto tree = build_tree(nodes, before, static_cast<int64_t>(next() % 4));
    CHECK(tree.size() == nodes.size());
    check_sound(tree);
    before = parents_of(tree);
  }
}
