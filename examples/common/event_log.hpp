// Decides: which line a person or a log reader gets for each event of a node, and how many of a noisy kind.
// Never: logs chunks, and never acts on an event.
// Called by: streamr-relay, streamr-watch, with every event they poll.
#pragma once

#include <streamr/streamr.h>

#include <cstdint>
#include <string>

namespace streamr::programs {

class EventLog {
 public:
  void on_event(const streamr_event_t& event);

 private:
  bool quiet(std::uint64_t time_us);
  void on_peer(const streamr_event_t& event);
  bool said_before(const streamr_event_t& event);

  // A hostile peer must not fill a disk: at most so many refusals are written in one second, the rest are counted.
  static constexpr std::uint32_t refusals_a_second = 10;
  static constexpr std::uint32_t peers_a_second = 100;
  std::uint64_t second_ = 0;
  std::uint32_t in_second_ = 0;
  std::uint64_t left_out_ = 0;
  std::uint64_t peer_second_ = 0;
  std::uint32_t peers_in_second_ = 0;
  std::uint64_t peers_left_out_ = 0;
  // The same trouble again and again is one line every half minute.
  std::string last_trouble_;
  std::uint64_t last_trouble_us_ = 0;
};

}  // namespace streamr::programs
