#include "coordinator/rules/settle.hpp"

#include <algorithm>

namespace coordinator {

std::vector<Share> divide_by_slots(int64_t pool, const std::vector<NodeSlots>& nodes) {
  const bool others =
      std::any_of(nodes.begin(), nodes.end(), [](const NodeSlots& n) { return !n.is_origin && n.slots > 0; });
  std::vector<Weight> weights;
  for (const NodeSlots& node : nodes) {
    weights.push_back({node.id, others && node.is_origin ? 0 : static_cast<uint64_t>(node.slots)});
  }
  return alloc(static_cast<uint64_t>(pool), weights);
}

SettledHour settle_uptime_v0(const StreamHour& hour) {
  SettledHour out;
  out.target_after = hour.target_before;
  out.fund_after = hour.fund_before;
  out.served = std::any_of(hour.nodes.begin(), hour.nodes.end(), [](const NodeSlots& n) { return n.slots > 0; });
  if (!out.served) {
    for (const NodeSlots& node : hour.nodes) out.pay.push_back({node.id, 0});
    return out;
  }
  const Smoothed smoothed = smooth(static_cast<uint64_t>(hour.income), static_cast<uint64_t>(hour.target_before),
                                   static_cast<uint64_t>(hour.fund_before));
  out.pool = static_cast<int64_t>(smoothed.pool);
  out.target_after = static_cast<int64_t>(smoothed.target);
  out.pay = divide_by_slots(out.pool, hour.nodes);
  uint64_t paid = 0;
  for (const Share& share : out.pay) paid += share.amount;
  out.surplus = out.pool - static_cast<int64_t>(paid);
  out.fund_after =
      hour.fund_before + static_cast<int64_t>(smoothed.in) - static_cast<int64_t>(smoothed.out) + out.surplus;
  return out;
}

}  // namespace coordinator
