// streamr_node_*: one peer in the network.
#include "capi/guard.hpp"
#include "capi/handles.hpp"
#include "capi/node_host.hpp"

using namespace streamr;
using namespace streamr::capi;

namespace {

// Copies a text with its NUL; `needed` gets the length that it takes.
streamr_status_t copy_text(const std::string& text, char* out, std::size_t out_len, std::size_t* needed) {
  if (needed) *needed = text.size() + 1;
  if (!out || out_len < text.size() + 1) return STREAMR_E_LIMIT;
  std::memcpy(out, text.c_str(), text.size() + 1);
  return STREAMR_OK;
}

}  // namespace

streamr_status_t streamr_node_create(const streamr_node_options_t* options, streamr_node_t** node,
                                     streamr_error_t* error) {
  return guarded(error, [&]() -> Status {
    if (!node) return invalid("a place for the node is expected");
    *node = nullptr;
    streamr_node_options_t in;
    if (const auto status = read_struct(options, in); status != STREAMR_OK)
      return fail(status, "node options: " + std::string(streamr_status_message(status)));
    auto host = NodeHost::create(in);
    if (!host) return host.error();
    *node = new streamr_node{std::move(*host)};
    return {};
  });
}

streamr_status_t streamr_node_start(streamr_node_t* node, streamr_error_t* error) {
  return guarded(error, [&]() -> Status {
    if (!node) return invalid("a node is expected");
    return node->host->start();
  });
}

streamr_status_t streamr_node_stop(streamr_node_t* node, uint32_t deadline_ms) {
  return guarded([&]() -> streamr_status_t { return node ? node->host->stop(deadline_ms) : STREAMR_E_INVALID; });
}

void streamr_node_destroy(streamr_node_t* node) {
  if (!node) return;
  guarded([&]() -> streamr_status_t {
    const std::unique_ptr<streamr_node> owned(node);
    return owned->host->runtime().running() ? owned->host->stop(1000) : STREAMR_OK;
  });
}

streamr_status_t streamr_node_listening(const streamr_node_t* node, char* out, size_t out_len) {
  return guarded([&]() -> streamr_status_t {
    if (!node || !out) return STREAMR_E_INVALID;
    const auto address = node->host->runtime().listening();
    if (!address) return STREAMR_E_STATE;
    return copy_text(io::format_host_port(address->host, address->port), out, out_len, nullptr);
  });
}

streamr_status_t streamr_node_public(const streamr_node_t* node, uint8_t out[32]) {
  if (!node || !out) return STREAMR_E_INVALID;
  copy_out(node->host->public_key(), out);
  return STREAMR_OK;
}

streamr_status_t streamr_node_stats(const streamr_node_t* node, char* out, size_t out_len, size_t* needed) {
  return guarded([&]() -> streamr_status_t {
    if (!node || !is_view(out, out_len)) return STREAMR_E_INVALID;
    std::string json;
    const auto ran = node->host->run([&](core::Node& core, Now now) -> Status {
      json = core.stats_json(now);
      return {};
    });
    return ran ? copy_text(json, out, out_len, needed) : ran.error().status;
  });
}

int32_t streamr_node_fd(const streamr_node_t* node) {
  return node ? node->host->fd() : STREAMR_E_INVALID;
}

int32_t streamr_node_timeout_ms(const streamr_node_t* node) {
  return node ? node->host->runtime().host_timeout_ms() : -1;
}

streamr_status_t streamr_node_run(streamr_node_t* node) {
  return guarded([&]() -> streamr_status_t {
    if (!node) return STREAMR_E_INVALID;
    const auto ran = node->host->runtime().host_run();
    return ran ? STREAMR_OK : ran.error().status;
  });
}
