#include <doctest/doctest.h>

#include "crypto/crypto.hpp"

using namespace streamr;
using namespace streamr::crypto;

namespace {

std::vector<Hash> leaves_of(std::size_t count) {
  Hasher hasher;
  std::vector<Hash> leaves;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t octets[] = {static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i >> 8)};
    leaves.push_back(leaf_hash(hasher, octets));
  }
  return leaves;
}

Hash node(const Hash& left, const Hash& right) {
  ByteVector octets{1};
  octets.insert(octets.end(), left.octets.begin(), left.octets.end());
  octets.insert(octets.end(), right.octets.begin(), right.octets.end());
  return sha256(octets);
}

}  // namespace

TEST_CASE("a leaf is H of a zero octet and the slice") {
  Hasher hasher;
  CHECK(leaf_hash(hasher, view_of("abc")) == sha256(view_of(std::string_view("\0abc", 4))));
}

TEST_CASE("no leaf gives H of nothing and one leaf gives itself") {
  Hasher hasher;
  CHECK(merkle_root(hasher, {}) == sha256({}));
  CHECK(merkle_root(hasher, leaves_of(1)) == leaves_of(1)[0]);
}

TEST_CASE("trees split at the largest power of two below their size") {
  Hasher hasher;
  const auto l = leaves_of(7);
  CHECK(merkle_root(hasher, std::span(l).first(2)) == node(l[0], l[1]));
  CHECK(merkle_root(hasher, std::span(l).first(3)) == node(node(l[0], l[1]), l[2]));
  CHECK(merkle_root(hasher, std::span(l).first(4)) == node(node(l[0], l[1]), node(l[2], l[3])));
  CHECK(merkle_root(hasher, std::span(l).first(5)) == node(node(node(l[0], l[1]), node(l[2], l[3])), l[4]));
  CHECK(merkle_root(hasher, l) == node(node(node(l[0], l[1]), node(l[2], l[3])), node(node(l[4], l[5]), l[6])));
}

TEST_CASE("every leaf of every tree up to 70 has a path to the root and to no other") {
  Hasher hasher;
  const auto all = leaves_of(70);
  for (std::size_t count = 1; count <= all.size(); ++count) {
    const auto leaves = std::span(all).first(count);
    const Hash root = merkle_root(hasher, leaves);
    for (std::size_t i = 0; i < count; ++i) {
      CAPTURE(count);
      CAPTURE(i);
      auto path = audit_path(hasher, leaves, i);
      CHECK(check_audit_path(hasher, leaves[i], path, root));
      CHECK_FALSE(check_audit_path(hasher, sha256(view_of("other")), path, root));
      if (path.empty()) continue;
      path.back().sibling_is_left = !path.back().sibling_is_left;
      CHECK_FALSE(check_audit_path(hasher, leaves[i], path, root));
      path.pop_back();
      CHECK_FALSE(check_audit_path(hasher, leaves[i], path, root));
    }
  }
}

TEST_CASE("a leaf outside the tree has no path") {
  Hasher hasher;
  CHECK(audit_path(hasher, leaves_of(3), 3).empty());
  CHECK(audit_path(hasher, {}, 0).empty());
}

TEST_CASE("a tree of 1024 leaves has paths of ten steps") {
  Hasher hasher;
  const auto leaves = leaves_of(1024);
  const auto path = audit_path(hasher, leaves, 777);
  CHECK(path.size() == 10);
  CHECK(check_audit_path(hasher, leaves[777], path, merkle_root(hasher, leaves)));
}
