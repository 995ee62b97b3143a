#include <bit>

#include "crypto/crypto.hpp"

// RFC 9162 trees: a tree of n > 1 leaves splits at the largest power of two below n.
//
//   n = 5:   root = node(node(node(a, b), node(c, d)), e)
//
// the left side is always a full tree of 4 leaves, the right side is the rest, split in the same way.

namespace streamr::crypto {

namespace {

constexpr std::uint8_t leaf_mark = 0x00;
constexpr std::uint8_t node_mark = 0x01;

std::size_t split_of(std::size_t count) {
  return std::bit_floor(count - 1);
}

Hash node_hash(Hasher& hasher, const Hash& left, const Hash& right) {
  std::array<std::uint8_t, 65> block;
  block[0] = node_mark;
  std::memcpy(block.data() + 1, left.data(), 32);
  std::memcpy(block.data() + 33, right.data(), 32);
  return hasher.update(block).finish();
}

// As deep as the tree: log2 of the number of leaves.
void collect_path(Hasher& hasher, std::span<const Hash> leaves, std::size_t index, std::vector<AuditStep>& path) {
  if (leaves.size() <= 1) return;
  const std::size_t split = split_of(leaves.size());
  if (index < split) {
    collect_path(hasher, leaves.first(split), index, path);
    path.push_back({false, merkle_root(hasher, leaves.subspan(split))});
  } else {
    collect_path(hasher, leaves.subspan(split), index - split, path);
    path.push_back({true, merkle_root(hasher, leaves.first(split))});
  }
}

}  // namespace

Hash leaf_hash(Hasher& hasher, ByteView slice) {
  return hasher.update_octet(leaf_mark).update(slice).finish();
}

Hash merkle_root(Hasher& hasher, std::span<const Hash> leaves) {
  if (leaves.empty()) return hasher.finish();
  if (leaves.size() == 1) return leaves[0];
  const std::size_t split = split_of(leaves.size());
  const Hash left = merkle_root(hasher, leaves.first(split));
  return node_hash(hasher, left, merkle_root(hasher, leaves.subspan(split)));
}

std::vector<AuditStep> audit_path(Hasher& hasher, std::span<const Hash> leaves, std::size_t index) {
  std::vector<AuditStep> path;
  if (index < leaves.size()) collect_path(hasher, leaves, index, path);
  return path;
}

bool check_audit_path(Hasher& hasher, const Hash& leaf, std::span<const AuditStep> path, const Hash& root) {
  Hash at = leaf;
  for (const AuditStep& step : path) {
    at = step.sibling_is_left ? node_hash(hasher, step.sibling, at) : node_hash(hasher, at, step.sibling);
  }
  return at == root;
}

}  // namespace streamr::crypto
