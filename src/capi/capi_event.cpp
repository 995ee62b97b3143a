// streamr_node_poll and streamr_blob_*: what the library tells, and the payloads it hands out.
#include "capi/guard.hpp"
#include "capi/handles.hpp"
#include "capi/node_host.hpp"

using namespace streamr::capi;

streamr_status_t streamr_node_poll(streamr_node_t* node, streamr_event_t* event, uint32_t timeout_ms) {
  return guarded([&]() -> streamr_status_t {
    if (!node || !event || event->struct_size < 2 * sizeof(std::uint32_t) || event->struct_size > struct_bytes_max)
      return STREAMR_E_INVALID;
    return node->host->poll(event, timeout_ms);
  });
}

const uint8_t* streamr_blob_data(const streamr_blob_t* blob) {
  return blob ? blob->bytes.data() : nullptr;
}

size_t streamr_blob_size(const streamr_blob_t* blob) {
  return blob ? blob->bytes.size() : 0;
}

void streamr_blob_retain(streamr_blob_t* blob) {
  if (blob) blob->owners.fetch_add(1, std::memory_order_relaxed);
}

void streamr_blob_release(streamr_blob_t* blob) {
  if (blob && blob->owners.fetch_sub(1, std::memory_order_acq_rel) == 1) delete blob;
}
