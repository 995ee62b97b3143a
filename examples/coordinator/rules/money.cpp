#include "coordinator/rules/money.hpp"

#include <algorithm>
#include <numeric>

namespace coordinator {
namespace {

__extension__ typedef unsigned __int128 u128;

constexpr uint64_t kMaxAmount = static_cast<uint64_t>(INT64_MAX);

void check_amount(uint64_t value, const char* what) {
  if (value > kMaxAmount) {
    throw PayError(std::string(what) + ": expected 0.." + std::to_string(kMaxAmount) + ", got " +
                   std::to_string(value));
  }
}

u128 sum_of(const std::vector<Weight>& weights) {
  u128 sum = 0;
  for (const Weight& w : weights) {
    check_amount(w.weight, "weight");
    sum += w.weight;
  }
  return sum;
}

}  // namespace

std::vector<Share> alloc(uint64_t pool, const std::vector<Weight>& weights) {
  check_amount(pool, "pool");
  const u128 sum = sum_of(weights);
  if (sum > UINT64_MAX) throw PayError("sum: expected 0..18446744073709551615, got a larger one");
  std::vector<Share> shares;
  for (const Weight& w : weights) shares.push_back({w.id, 0});
  if (sum == 0) return shares;

  std::vector<uint64_t> remainder(weights.size());
  uint64_t given = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    const u128 product = static_cast<u128>(pool) * weights[i].weight;
    shares[i].amount = static_cast<uint64_t>(product / sum);
    remainder[i] = static_cast<uint64_t>(product % sum);
    given += shares[i].amount;
  }
  std::vector<size_t> order(weights.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return remainder[a] != remainder[b] ? remainder[a] > remainder[b] : weights[a].id < weights[b].id;
  });
  for (size_t i = 0; given < pool; ++i, ++given) ++shares[order[i]].amount;
  return shares;
}

std::vector<Share> limited(uint64_t limit, const std::vector<Weight>& wanted) {
  if (sum_of(wanted) > limit) return alloc(limit, wanted);
  std::vector<Share> shares;
  for (const Weight& w : wanted) shares.push_back({w.id, w.weight});
  return shares;
}

Smoothed smooth(uint64_t income, uint64_t target, uint64_t fund) {
  check_amount(income, "income");
  check_amount(target, "target");
  check_amount(fund, "fund");
  Smoothed out;
  if (target == 0) {
    out.target = income;
  } else {
    out.target = income > target ? target + (income - target) / 8 : target - (target - income) / 8;
  }
  if (income > out.target) {
    out.in = (income - out.target) / 2;
    out.pool = income - out.in;
  } else {
    out.out = std::min(fund / 10, out.target - income);
    out.pool = income + out.out;
  }
  return out;
}

}  // namespace coordinator
