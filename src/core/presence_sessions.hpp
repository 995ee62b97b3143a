// Decides how sessions are asked for: which body, one at a time, again after Retry-After, one answer each.
// Never opens a relay; the node does with the tickets it gets here.
// Called by core/presence.
#pragma once

#include "core/presence_context.hpp"

namespace streamr::core {

class Sessions {
 public:
  explicit Sessions(PresenceContext& context) : context_(context) {}

  void request(const SessionRequest& request, Now now);
  void cancel(std::uint64_t request);

  std::optional<HttpCall> poll(Now now);
  void on_answer(const Answer& answer, Now now);
  std::uint64_t deadline_us() const;

 private:
  struct Entry {
    SessionRequest request;
    std::uint64_t due_us = 0;
    Backoff backoff;
  };
  void on_granted(const SessionRequest& request, const Answer& answer);

  PresenceContext& context_;
  std::vector<Entry> entries_;
  std::optional<std::uint64_t> under_way_;
};

}  // namespace streamr::core
