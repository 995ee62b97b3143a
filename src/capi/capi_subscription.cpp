// streamr_subscription_*: a stream that this node watches.
#include "capi/guard.hpp"
#include "capi/handles.hpp"
#include "capi/node_host.hpp"

using namespace streamr;
using namespace streamr::capi;

namespace {

Result<core::WatchOptions> read_options(const streamr_subscription_options_t& from) {
  core::WatchOptions out;
  if (!from.stream || !*from.stream) return invalid("stream is 64 hex digits or an alias");
  if (from.start > STREAMR_START_OLDEST || from.flags != 0)
    return invalid("start is one of STREAMR_START_*, flags is 0");
  out.stream = from.stream;
  if (from.relay_url) {
    if (auto url = io::parse_ws_url(from.relay_url); !url) return url.error();
    out.relay_url = from.relay_url;
  }
  if (from.relay_key) out.relay_key = fixed_from<Key>(from.relay_key);
  if (from.ticket) {
    auto ticket = proto::parse_ticket({from.ticket, STREAMR_TICKET_BYTES});
    if (!ticket) return invalid(ticket.error().text);
    out.ticket = *ticket;
  }
  if (from.from_part > 0xFFFF) return invalid("from_part is at most 65535");
  out.track_mask = from.track_mask;
  out.start = static_cast<proto::Start>(from.start);
  out.from = {from.from_segment, static_cast<std::uint16_t>(from.from_part)};
  out.max_latency_ms = from.max_latency_ms;
  return out;
}

Status open(NodeHost& host, core::WatchOptions options, streamr_subscription& handle) {
  return host.run([&](core::Node& node, Now now) -> Status {
    auto id = node.watch(std::move(options), now);
    if (!id) return id.error();
    handle.id = *id;
    host.watched(*id, &handle);  // before the first event can name it
    return {};
  });
}

}  // namespace

streamr_status_t streamr_subscription_open(streamr_node_t* node, const streamr_subscription_options_t* options,
                                           streamr_subscription_t** subscription, streamr_error_t* error) {
  return guarded(error, [&]() -> Status {
    if (!node || !subscription) return invalid("a node and a place for the subscription are expected");
    *subscription = nullptr;
    streamr_subscription_options_t in;
    if (const auto status = read_struct(options, in); status != STREAMR_OK)
      return fail(status, "subscription options: " + std::string(streamr_status_message(status)));
    auto read = read_options(in);
    if (!read) return read.error();
    auto handle = std::make_unique<streamr_subscription>();
    handle->host = node->host;
    if (auto opened = open(*node->host, std::move(*read), *handle); !opened) return opened;
    *subscription = handle.release();
    return {};
  });
}

void streamr_subscription_close(streamr_subscription_t* subscription) {
  if (!subscription) return;
  guarded([&]() -> streamr_status_t {
    const std::unique_ptr<streamr_subscription> owned(subscription);
    owned->host->unwatched(owned->id);
    owned->host->runtime().post([id = owned->id](core::Node& node, Now now) { node.unwatch(id, now); });
    return STREAMR_OK;
  });
}

streamr_status_t streamr_subscription_stalled(streamr_subscription_t* subscription, uint32_t stall_ms) {
  return guarded([&]() -> streamr_status_t {
    if (!subscription) return STREAMR_E_INVALID;
    const auto told =
        subscription->host->run([&](core::Node& node, Now) { return node.stalled(subscription->id, stall_ms); });
    return told ? STREAMR_OK : told.error().status;
  });
}
