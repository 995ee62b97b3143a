// streamr_relay_*: streams that a relay carries because its owner says so.
#include "capi/guard.hpp"
#include "capi/handles.hpp"
#include "capi/node_host.hpp"

using namespace streamr;
using namespace streamr::capi;

streamr_status_t streamr_relay_carry(streamr_node_t* node, const uint8_t stream_id[32], const char* upstream_url,
                                     const uint8_t* ticket, size_t ticket_len) {
  return guarded([&]() -> streamr_status_t {
    if (!node || !stream_id || !is_view(ticket, ticket_len)) return STREAMR_E_INVALID;
    const std::string url = upstream_url ? upstream_url : "";
    if (!url.empty() && !io::parse_ws_url(url)) return STREAMR_E_INVALID;
    std::optional<proto::Ticket> parsed;
    if (ticket) {
      auto read = proto::parse_ticket({ticket, ticket_len});
      if (!read) return STREAMR_E_INVALID;
      parsed = *read;
    }
    const auto id = fixed_from<StreamId>(stream_id);
    const auto ran = node->host->run([&](core::Node& core, Now now) { return core.carry(id, url, parsed, now); });
    return ran ? STREAMR_OK : ran.error().status;
  });
}

streamr_status_t streamr_relay_drop(streamr_node_t* node, const uint8_t stream_id[32]) {
  return guarded([&]() -> streamr_status_t {
    if (!node || !stream_id) return STREAMR_E_INVALID;
    const auto id = fixed_from<StreamId>(stream_id);
    const auto ran = node->host->run([&](core::Node& core, Now now) { return core.drop(id, now); });
    return ran ? STREAMR_OK : ran.error().status;
  });
}
