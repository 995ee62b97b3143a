// Decides how a C node handle is kept together: runtime, event queue, and which handle belongs to which number.
// Never calls back into the host except for the wake-up.
// Called by capi_node.cpp, capi_publication.cpp, capi_subscription.cpp, capi_event.cpp.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "capi/event_queue.hpp"
#include "io/runtime.hpp"
#include "streamr/streamr.h"

namespace streamr::capi {

class NodeHost {
 public:
  // INVALID with a sentence for every option that cannot be.
  static Result<std::shared_ptr<NodeHost>> create(const streamr_node_options_t& options);

  Status start();
  streamr_status_t stop(std::uint32_t deadline_ms);
  // All limits or none: INVALID names the one that is out of range.
  Status set_limits(const streamr_limits_t& limits);
  streamr_limits_t limits() const;
  streamr_status_t poll(streamr_event_t* event, std::uint32_t timeout_ms);
  std::int32_t fd() const;
  io::Runtime& runtime() { return runtime_; }
  const Key& public_key() const { return public_key_; }
  bool started() const { return started_; }

  // Runs `work`, which gives a Status, on the loop's thread and waits for it.
  Status run(std::function<Status(core::Node&, Now)> work);

  // Handles that events name. `watched` is called on the loop's thread before the first event of the watch.
  void watched(core::WatchId id, streamr_subscription_t* handle);
  void unwatched(core::WatchId id);
  void published(core::PublicationId id, streamr_publication_t* handle);
  void unpublished(core::PublicationId id);
  // push was refused with E_AGAIN: WRITABLE follows when there is room again.
  void want_writable() { writable_wanted_ = true; }

 private:
  NodeHost(io::RuntimeOptions options, const streamr_node_options_t& from);
  void on_event(core::NodeEvent event);
  void told_writable();
  std::optional<core::NodeEvent> next(std::uint32_t timeout_ms);
  bool name_handles(const core::NodeEvent& from, streamr_event_t& out);
  bool fill(const core::NodeEvent& from, streamr_event_t& out);

  const Key public_key_;
  const bool host_loop_;
  mutable std::mutex limits_mutex_;
  const std::shared_ptr<io::AddressLedger> ledger_;
  streamr_limits_t limits_;  // as set last, with defaults as numbers
  EventQueue events_;
  std::mutex handles_mutex_;
  std::map<core::WatchId, streamr_subscription_t*> watches_;
  std::map<core::PublicationId, streamr_publication_t*> publications_;
  std::atomic<bool> writable_wanted_{false};
  std::atomic<bool> started_{false};
  io::Runtime runtime_;  // last: its thread ends before the rest goes
};

}  // namespace streamr::capi
