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

const char* role_of(const streamr_event_t& event) {
  switch (event.role) {
    case STREAMR_ROLE_VIEWER: return "viewer";
    case STREAMR_ROLE_RELAY: return "relay";
    case STREAMR_ROLE_PUBLISHER: return "publisher";
    default: return "peer";
  }
}

// A refusal is told by what it was for: logs are searched by that word.
const char* refusal_of(std::int64_t code) {
  constexpr std::int64_t ticket = 6, overloaded = 8, bad_slice = 10;
  return code == ticket ? "ticket_refused" : code == overloaded ? "admission_refused" : code == bad_slice ? "slice_rejected" : "rejected";
}

}  // namespace

void EventLog::on_peer(const streamr_event_t& event) {
  if (event.time_us / 1'000'000 != peer_second_) {
    peer_second_ = event.time_us / 1'000'000;
    peers_in_second_ = 0;
    if (peers_left_out_ > 0) log_info("peers_more", "more peers came and went than this log tells", {{"left_out", peers_left_out_}});
    peers_left_out_ = 0;
  }
  if (++peers_in_second_ > peers_a_second) {
    ++peers_left_out_;
    return;
  }
  const std::string role = role_of(event);
  if (event.value != 0) {
    log_info(role + "_joined", role + " joined", {{"address", std::string(event.text)}});
    return;
  }
  const std::string sentence = role + " left: " + event.text, stream = stream_of(event);
  const std::uint64_t seconds = event.duration_us / 1'000'000;
  if (stream.find_first_not_of('0') == std::string::npos)  // without a ticket it is bound to no stream
    log_info(role + "_left", sentence, {{"bytes", event.bytes}, {"seconds", seconds}});
  else
    log_info(role + "_left", sentence, {{"bytes", event.bytes}, {"seconds", seconds}, {"stream", stream}});
}

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
        log_warn(refusal_of(event.value), "refused: " + text, {{"code", static_cast<std::int64_t>(event.value)}, {"stream", stream_of(event)}});
      break;
    case STREAMR_EVENT_PEER: on_peer(event); break;
    case STREAMR_EVENT_RECEIPT:
      if (!quiet(event.time_us))
        log_warn("receipt_refused", "receipt refused: " + text, {{"code", static_cast<std::int64_t>(event.value)}, {"stream", stream_of(event)}});
      break;
    case STREAMR_EVENT_GOAWAY:
      log_info("goaway", "an upstream asks us to leave it: " + text, {{"code", static_cast<std::int64_t>(event.value)}});
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
