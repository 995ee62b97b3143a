#include "coordinator/rules/draw.hpp"

#include <algorithm>

#include "streamr/streamr.h"

namespace coordinator {
namespace {

__extension__ typedef unsigned __int128 u128;

uint64_t weight_of(const Candidate& c) {
  return std::max<uint64_t>(1, c.trust_ppm * std::max<uint64_t>(1, c.capacity_kbps));
}

// Index drawn by weight, `skip` left out.
size_t pick(const std::vector<Candidate>& all, uint64_t random, size_t skip) {
  u128 sum = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    if (i != skip) sum += weight_of(all[i]);
  }
  u128 at = (static_cast<u128>(random) * sum) >> 64;
  for (size_t i = 0; i < all.size(); ++i) {
    if (i == skip) continue;
    const uint64_t weight = weight_of(all[i]);
    if (at < weight) return i;
    at -= weight;
  }
  return skip == 0 ? 1 : 0;
}

// Used part of the capacity in ppm.
uint64_t used_ppm(const Candidate& c) {
  if (c.capacity_kbps == 0) return 1'000'000;
  const uint64_t free_kbps = std::min(c.free_kbps, c.capacity_kbps);
  return (c.capacity_kbps - free_kbps) * 1'000'000 / c.capacity_kbps;
}

}  // namespace

uint64_t draw_capacity(uint64_t declared_kbps, uint64_t best_hour_kbps) {
  return std::min(declared_kbps, std::max<uint64_t>(20'000, 2 * best_hour_kbps));
}

std::vector<std::string> draw_two(const std::vector<Candidate>& candidates, uint64_t random_a, uint64_t random_b) {
  if (candidates.empty()) return {};
  if (candidates.size() == 1) return {candidates[0].key};
  const size_t first = pick(candidates, random_a, candidates.size());
  const size_t second = pick(candidates, random_b, first);
  if (used_ppm(candidates[second]) < used_ppm(candidates[first]))
    return {candidates[second].key, candidates[first].key};
  return {candidates[first].key, candidates[second].key};
}

std::string seat_of(const std::string& secret, const std::string& group, const std::string& viewer_key) {
  const std::string keyed = secret + viewer_key;
  uint8_t hash[32] = {};
  streamr_control_hash(reinterpret_cast<const uint8_t*>(keyed.data()), keyed.size(), hash);
  return group + "#" + std::to_string(hash[0] % 16);
}

}  // namespace coordinator
