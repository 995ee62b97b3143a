// streamr_node_limits, _set_limits, _reload_tls: what changes while a node runs.
#include "capi/guard.hpp"
#include "capi/handles.hpp"
#include "capi/node_host.hpp"

using namespace streamr;
using namespace streamr::capi;

streamr_status_t streamr_node_limits(const streamr_node_t* node, streamr_limits_t* limits) {
  return guarded([&]() -> streamr_status_t {
    return node ? write_struct(node->host->limits(), limits) : STREAMR_E_INVALID;
  });
}

streamr_status_t streamr_node_set_limits(streamr_node_t* node, const streamr_limits_t* limits, streamr_error_t* error) {
  return guarded(error, [&]() -> Status {
    if (!node) return invalid("a node is expected");
    streamr_limits_t in;
    if (const auto status = read_struct(limits, in); status != STREAMR_OK)
      return fail(status, "limits: " + std::string(streamr_status_message(status)));
    return node->host->set_limits(in);
  });
}

streamr_status_t streamr_node_reload_tls(streamr_node_t* node, streamr_error_t* error) {
  return guarded(error, [&]() -> Status {
    if (!node) return invalid("a node is expected");
    return node->host->runtime().reload_tls();
  });
}
