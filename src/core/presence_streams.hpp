// Decides how a publisher's streams are announced and repeated until an origin is told.
// Never connects to an origin; the node does with what it is told here.
// Called by core/presence.
#pragma once

#include "core/presence_context.hpp"

namespace streamr::core {

class StreamAnnouncer {
 public:
  explicit StreamAnnouncer(PresenceContext& context) : context_(context) {}

  // The same stream again replaces what was announced, as a new certificate does.
  void announce(const StreamAnnouncement& announcement, Now now);
  void announce_again(Now now);                          // the coordinator was away and may have forgotten

  std::optional<HttpCall> poll(Now now);
  void on_answer(const Answer& answer, Now now);
  std::uint64_t deadline_us() const;

 private:
  struct Entry {
    StreamAnnouncement announcement;
    SharedBytes body;                                    // the same octets each time
    std::uint64_t due_us = 0;
    std::uint64_t signed_unix_us = 0;                    // rises per stream
    std::optional<std::vector<std::string>> told;        // origins of the last event
    Backoff backoff;
  };
  HttpCall ask(Entry& entry, Now now);
  void on_origins(Entry& entry, const Answer& answer, Now now);

  PresenceContext& context_;
  std::vector<Entry> entries_;
  std::optional<StreamId> under_way_;
};

}  // namespace streamr::core
