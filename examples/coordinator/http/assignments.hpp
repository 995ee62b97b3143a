// Decides what a heartbeat's reply says about carriage: the list, its version, and tickets for the upstreams.
// Never changes the tree; that is app/network.
// Called by the heartbeat route, inside its transaction.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/app/context.hpp"
#include "coordinator/app/network.hpp"

namespace coordinator {

// Brings the node's assignments up to date; its version rises when they change or a ticket nears its end.
void refresh_assignments(Context& context, NodeRecord& node, const std::vector<Carried>& carried);

struct TicketWish {
  std::string session;
  std::string relay;
  std::string viewer;
  std::string seat;  // empty for a leg between relays
  int64_t place = 0;
  int64_t drawn_ms = 0;
  int64_t max_kbps = 0;  // the smaller of certificate and request
  std::string viewer_address;
};
// Issues a ticket of one hour and keeps its session. Hex.
std::string issue_ticket(Context& context, const StreamRecord& stream, const TicketWish& wish);

}  // namespace coordinator
