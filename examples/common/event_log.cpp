#include "common/event_log.hpp"

#include "common/cli.hpp"
#include "common/log.hpp"

namespace streamr::programs {

namespace {

std::string stream_of(const streamr_event_t& event) { return to_hex(event.stream_id, sizeof event.stream_id); }

void log_upstream(const streamr_event_t& event) {
  const std::string text = event.text;
  if (event.value == 1) log_info("upstream_connected", "upstream: " + text, {{"stream", stream_of(event)}});
  else if (event.value == 2) log_info("upstream_switched", "upstream switched: " + text, {{"stream", stream_of(event)}});
  else log_warn("upstream_lost", "upstream: " + text, {{"stream", stream_of(event)}});
}

}  // namespace

bool EventLog::quiet(std::uint64_t time_us) {
  if (time_us / 1'000'000 != second_) {
    second_ = time_us / 1'000'000;
    in_second_ = 0;
    if (left_out_ > 0) log_warn("rejected_more", "more refusals were left out of the log", {{"left_out", left_out_}});
    left_out_ = 0;
  }
  if (++in_second_ <= refusals_a_second) return false;
  ++left_out_;
  return true;
}

bool EventLog::said_before(const streamr_event_t& event) {
  constexpr std::uint64_t again_us = 30'000'000;
  if (last_trouble_ == event.text && event.time_us < last_trouble_us_ + again_us) return true;
  last_trouble_ = event.text;
  last_trouble_us_ = event.time_us;
  return false;
}

void EventLog::on_event(const streamr_event_t& event) {
  const std::string text = event.text;
  switch (event.kind) {
    case STREAMR_EVENT_REGISTERED:
      log_info("registered", "registered with the coordinator as " + text, {{"node_id", text}});
      break;
    case STREAMR_EVENT_COORDINATOR:
      if (event.value != 0) log_info("coordinator_up", text);
      else log_warn("coordinator_down", text);
      break;
    case STREAMR_EVENT_CARRYING:
      if (event.value != 0) log_info("carrying", "carrying the stream " + text, {{"stream", stream_of(event)}});
      else log_info("carrying_ended", "no longer carrying the stream " + text, {{"stream", stream_of(event)}});
      break;
    case STREAMR_EVENT_UPSTREAM: log_upstream(event); break;
    case STREAMR_EVENT_REJECTED:
      if (!quiet(event.time_us))
        log_warn("rejected", "refused: " + text, {{"code", static_cast<std::int64_t>(event.value)}, {"stream", stream_of(event)}});
      break;
    case STREAMR_EVENT_ENDED:
      log_info("ended", "ended: " + text, {{"code", static_cast<std::int64_t>(event.value)}, {"stream", stream_of(event)}});
      break;
    case STREAMR_EVENT_ERROR:
      if (!said_before(event) && !quiet(event.time_us))
        log_warn("trouble", text, {{"status", streamr_status_name(static_cast<streamr_status_t>(event.value))}});
      break;
    case STREAMR_EVENT_READY: log_debug("ready", text); break;
    default: break;
  }
}

}  // namespace streamr::programs
