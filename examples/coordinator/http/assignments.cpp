#include "coordinator/http/assignments.hpp"

#include <algorithm>
#include <stdexcept>

#include "coordinator/rules/json_out.hpp"
#include "coordinator/rules/text.hpp"

namespace coordinator {
namespace {

constexpr uint64_t kTicketUs = 3'600'000'000;
constexpr uint32_t kWindowStart = 262'144;
constexpr int64_t kWindowLeast = 1 << 20;
constexpr int64_t kWindowMost = 8 << 20;

// Everything but the tickets: a change of it is a new version. A node that registers anew may have forgotten its
// sessions, at whichever end of them it stands, so that is a change too and brings new tickets.
std::string shape_of(Context& context, const NodeRecord& node, const std::vector<Carried>& carried) {
  std::string shape = std::to_string(node.registered_ms) + "\n";
  for (const Carried& item : carried) {
    if (!item.assigned) continue;
    shape += to_hex(item.stream.id) + " " + item.stream.alias + " " + std::to_string(item.stream.serial);
    for (const std::string& key : item.upstreams) {
      const auto upstream = context.network->node(key);
      const auto address =
          upstream ? context.network->told(*upstream, Network::peer(node.seen_from, node.addresses)) : std::nullopt;
      shape += " " + to_hex(key) + "=" + (address ? address->url : "") + "@" +
               (upstream ? std::to_string(upstream->registered_ms) : "");
    }
    shape += "\n";
  }
  return shape;
}

}  // namespace

std::string issue_ticket(Context& context, const StreamRecord& stream, const TicketWish& wish) {
  const int64_t kbps = std::max<int64_t>(1, wish.max_kbps);
  streamr_ticket_t ticket = STREAMR_TICKET_INIT;
  // kbps x 1000 / 8 x 1.25
  ticket.max_rate_bps = static_cast<uint32_t>(std::min<int64_t>(UINT32_MAX, kbps * 625 / 4));
  ticket.not_before_us = context.now_us;
  ticket.not_after_us = context.now_us + kTicketUs;
  ticket.window_start_bytes = kWindowStart;
  ticket.window_max_bytes = static_cast<uint32_t>(std::clamp(kbps * 125 * 4, kWindowLeast, kWindowMost));
  std::copy_n(stream.id.begin(), 32, ticket.stream_id);
  std::copy_n(wish.relay.begin(), 32, ticket.relay_key);
  std::copy_n(wish.viewer.begin(), 32, ticket.viewer_key);
  std::copy_n(wish.session.begin(), 16, ticket.session_id);
  std::string bytes(STREAMR_TICKET_BYTES, '\0');
  if (streamr_ticket_issue(context.key, &ticket, reinterpret_cast<uint8_t*>(bytes.data())) != STREAMR_OK) {
    throw std::runtime_error("a ticket could not be signed");
  }
  SessionRecord session;
  session.id = wish.session;
  session.relay = wish.relay;
  session.viewer = wish.viewer;
  session.stream = stream.id;
  session.seat = wish.seat;
  session.place = wish.place;
  session.not_before_us = ticket.not_before_us;
  session.not_after_us = ticket.not_after_us;
  session.max_rate = ticket.max_rate_bps;
  session.window_max = ticket.window_max_bytes;
  session.created_ms = context.now_ms();
  session.drawn_ms = wish.drawn_ms;
  session.viewer_address = wish.viewer_address;
  context.store->add_session(session);
  return to_hex(bytes);
}

void refresh_assignments(Context& context, NodeRecord& node, const std::vector<Carried>& carried) {
  const std::string shape = shape_of(context, node, carried);
  const bool due =
      node.assignments_refresh_us != 0 && static_cast<int64_t>(context.now_us) >= node.assignments_refresh_us;
  if (node.assignments_version != 0 && shape == node.assignments_shape && !due) return;

  bool tickets = false;
  JsonOut out;
  out.array();
  for (const Carried& item : carried) {
    if (!item.assigned) continue;
    out.object().member("stream", to_hex(item.stream.id)).member("alias", item.stream.alias).array("upstreams");
    for (const std::string& key : item.upstreams) {
      const auto upstream = context.network->node(key);
      const auto address =
          upstream ? context.network->told(*upstream, Network::peer(node.seen_from, node.addresses)) : std::nullopt;
      if (!address) continue;
      TicketWish wish{random_bytes(16), key, node.key, "", 0, context.now_ms(), item.stream.max_kbps, node.seen_from};
      out.object().member("url", address->url).member("relay_key", to_hex(key));
      out.member("ticket", issue_ticket(context, item.stream, wish)).end_object();
      tickets = true;
    }
    out.end_array().end_object();
  }
  node.assignments = out.end_array().str();
  node.assignments_shape = shape;
  node.assignments_refresh_us = tickets ? static_cast<int64_t>(context.now_us + kTicketUs * 3 / 4) : 0;
  ++node.assignments_version;
}

}  // namespace coordinator
