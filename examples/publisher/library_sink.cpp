#include "publisher/library_sink.hpp"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "common/cli.hpp"
#include "common/log.hpp"

namespace streamr::publisher {
namespace {

using namespace programs;

// Live encoders overshoot their mean; the limit is there to bound a stolen session key, not to shape the stream.
constexpr std::uint32_t least_kbps = 2'000;
constexpr std::uint64_t clock_margin_s = 5;

std::uint32_t kbps_with_headroom(std::uint32_t measured) {
  const std::uint64_t wanted = std::max<std::uint64_t>(2ull * measured, least_kbps);
  return static_cast<std::uint32_t>((wanted + 499) / 500 * 500);
}

const char* or_null(const std::string& text) { return text.empty() ? nullptr : text.c_str(); }

}  // namespace

LibrarySink::~LibrarySink() {
  streamr_publication_close(publication_);
  streamr_node_destroy(node_);
}

bool LibrarySink::start() {
  streamr_node_options_t options = STREAMR_NODE_OPTIONS_INIT;
  options.role = STREAMR_ROLE_PUBLISHER;
  options.coordinator_url = or_null(options_.coordinator_url);
  options.name = or_null(options_.alias);
  options.software = "streamr-publish/" STREAMR_VERSION_STRING;
  streamr_error_t error = STREAMR_ERROR_INIT;
  streamr_status_t status = streamr_node_create(&options, &node_, &error);
  if (status == STREAMR_OK) status = streamr_node_start(node_, &error);
  if (status == STREAMR_OK) return true;
  reason_ = error.text[0] != 0 ? error.text : streamr_status_message(status);
  return false;
}

std::string LibrarySink::stream_id_hex() const {
  if (options_.root) return public_hex(options_.root.get());
  streamr_certificate_t fields = STREAMR_CERTIFICATE_INIT;
  const CertificateBytes& first = options_.certificates.front();
  streamr_certificate_check(first.data(), first.size(), &fields);
  return to_hex(fields.stream_id, sizeof fields.stream_id);
}

bool LibrarySink::choose_certificate(std::uint32_t kbps) {
  if (!options_.root) {
    if (certificates_used_ == options_.certificates.size()) {
      reason_ = "every certificate given is used up, and each start of the source needs one; make more with "
                "streamr-keygen session --count, or give the root key with --key";
      return false;
    }
    certificate_ = options_.certificates[certificates_used_++];
  } else {
    // A serial and an epoch never repeat, even when the clock was set back while the program runs.
    const std::uint64_t now_ms = unix_us() / 1000;
    CertificateWishes wishes;
    wishes.serial = last_serial_ = std::max(now_ms, last_serial_ + 1);
    wishes.epoch = last_epoch_ = std::max(new_epoch(now_ms), last_epoch_ + 1);
    wishes.not_before_s = now_ms / 1000 - clock_margin_s;
    wishes.max_kbps = options_.max_kbps != 0 ? options_.max_kbps : std::max(kbps_, kbps_with_headroom(kbps));
    session_ = new_key();
    const auto bytes = session_ ? make_certificate(options_.root.get(), session_.get(), wishes, reason_) : std::nullopt;
    if (!bytes) return false;
    certificate_ = *bytes;
  }
  streamr_certificate_t fields = STREAMR_CERTIFICATE_INIT;
  const streamr_status_t status = streamr_certificate_check(certificate_.data(), certificate_.size(), &fields);
  if (status != STREAMR_OK) {
    reason_ = std::string("the certificate cannot be used: ") + streamr_status_message(status);
    return false;
  }
  not_after_s_ = fields.not_after_s;
  kbps_ = fields.max_kbps;
  figures_.epoch = fields.epoch;
  return true;
}

SinkAnswer LibrarySink::open_epoch(const EpochBegin& begin) {
  // What the old epoch still holds back belongs to it.
  if (publication_ != nullptr) hand_over();
  if (!choose_certificate(begin.plan.kbps)) return SinkAnswer::failed;
  streamr_track_t track = {0, STREAMR_TRACK_MUXED, STREAMR_CONTENT_CMAF, std::max<std::uint32_t>(begin.plan.kbps, 1)};
  streamr_publication_options_t options = STREAMR_PUBLICATION_OPTIONS_INIT;
  options.track_count = 1;
  options.tracks = &track;
  options.session_key = options_.root ? session_.get() : options_.session.get();
  options.certificate = certificate_.data();
  options.alias = or_null(options_.alias);
  options.title = or_null(options_.title);
  options.pool = or_null(options_.pool);
  options.origin_url = or_null(options_.origin_url);
  options.bearer = or_null(options_.bearer);
  options.part_target_us = begin.plan.part_target_us;
  options.target_duration_s = begin.plan.target_duration_s;
  streamr_publication_t* opened = nullptr;
  streamr_error_t error = STREAMR_ERROR_INIT;
  const streamr_status_t status = streamr_publication_open(node_, &options, &opened, &error);
  if (status != STREAMR_OK) {
    reason_ = std::string("the stream could not be opened: ") + (error.text[0] != 0 ? error.text : streamr_status_message(status));
    return SinkAnswer::failed;
  }
  streamr_publication_close(publication_);
  publication_ = opened;
  waiting_.clear();
  waiting_bytes_ = 0;
  over_rate_ = skip_to_independent_ = skip_after_queue_ = false;
  discontinuity_ = figures_.epochs++ > 0;
  log_info("epoch", "a new epoch begins",
           {{"epoch", std::to_string(figures_.epoch)}, {"part_us", begin.plan.part_target_us},
            {"target_s", begin.plan.target_duration_s}, {"kbps", begin.plan.kbps}, {"max_kbps", kbps_}});
  Waiting init{STREAMR_CHUNK_INIT, begin.init->bytes, begin.media_time_us, begin.capture_time_us, 0};
  return enqueue(std::move(init));
}

SinkAnswer LibrarySink::push(MediaPart part) {
  Waiting waiting;
  waiting.flags = static_cast<std::uint16_t>((part.independent && !part.gap ? STREAMR_CHUNK_INDEPENDENT : 0) |
                                             (part.last_in_segment ? STREAMR_CHUNK_LAST_IN_SEGMENT : 0) |
                                             (part.gap ? STREAMR_CHUNK_GAP : 0) |
                                             (std::exchange(discontinuity_, false) ? STREAMR_CHUNK_DISCONTINUITY : 0));
  waiting.media_time_us = part.media_time_us;
  waiting.capture_time_us = part.capture_time_us;
  waiting.duration_us = part.duration_us;
  waiting.bytes = std::move(part.bytes);
  return enqueue(std::move(waiting));
}

SinkAnswer LibrarySink::enqueue(Waiting part) {
  // Rather a gap that everyone can see than memory without end.
  if (waiting_bytes_ + part.bytes.size() > max_waiting_bytes && (part.flags & STREAMR_CHUNK_INIT) == 0) {
    skip_after_queue_ = true;
  }
  if ((part.flags & (STREAMR_CHUNK_INDEPENDENT | STREAMR_CHUNK_INIT)) != 0 && waiting_bytes_ < max_waiting_bytes / 2) {
    skip_after_queue_ = false;
  }
  waiting_bytes_ += part.bytes.size();
  if (skip_after_queue_ && (part.flags & STREAMR_CHUNK_GAP) == 0) make_gap(part);
  waiting_.push_back(std::move(part));
  return hand_over();
}

void LibrarySink::make_gap(Waiting& part) {
  waiting_bytes_ -= part.bytes.size();
  part.bytes.clear();
  part.flags = static_cast<std::uint16_t>((part.flags | STREAMR_CHUNK_GAP) & ~STREAMR_CHUNK_INDEPENDENT);
}

SinkAnswer LibrarySink::hand_over() {
  SinkAnswer answer = SinkAnswer::taken;
  while (!waiting_.empty()) {
    Waiting& next = waiting_.front();
    if ((next.flags & (STREAMR_CHUNK_INDEPENDENT | STREAMR_CHUNK_INIT)) != 0) skip_to_independent_ = false;
    if (skip_to_independent_ && (next.flags & STREAMR_CHUNK_GAP) == 0) make_gap(next);
    streamr_part_t part = STREAMR_PART_INIT;
    part.flags = next.flags;
    part.bytes = next.bytes.data();
    part.len = next.bytes.size();
    part.media_time_us = next.media_time_us;
    part.capture_time_us = next.capture_time_us;
    part.duration_us = next.duration_us;
    const streamr_status_t status = streamr_publication_push(publication_, &part);
    if (status == STREAMR_E_AGAIN) return answer;
    if (status == STREAMR_E_LIMIT && (next.flags & STREAMR_CHUNK_GAP) == 0) {
      make_gap(next);
      skip_to_independent_ = true;
      // A fixed limit stays; only one that we chose may grow, with a new epoch.
      const bool may_grow = options_.root != nullptr && options_.max_kbps == 0;
      if (may_grow) answer = SinkAnswer::new_epoch_wanted;
      if (!std::exchange(over_rate_, true)) {
        log_warn("over_rate", std::string("the source is faster than its certificate allows; parts are left out") +
                                  (may_grow ? " until the next key frame" : "; lower its rate or raise the limit"),
                 {{"max_kbps", kbps_}});
        if (may_grow) kbps_ *= 2;
      }
      continue;
    }
    if (status == STREAMR_E_EXPIRED) {
      answer = SinkAnswer::new_epoch_wanted;
    } else if (status != STREAMR_OK) {
      log_warn("part_refused", std::string("a part was not taken: ") + streamr_status_message(status));
    } else {
      const bool gap = (next.flags & STREAMR_CHUNK_GAP) != 0, init = (next.flags & STREAMR_CHUNK_INIT) != 0;
      ++figures_.chunks;
      figures_.parts += init ? 0 : 1;
      figures_.gaps += gap ? 1 : 0;
      figures_.bytes += next.bytes.size();
      figures_.segments += (next.flags & STREAMR_CHUNK_LAST_IN_SEGMENT) != 0 ? 1 : 0;
    }
    waiting_bytes_ -= next.bytes.size();
    waiting_.pop_front();
  }
  return answer;
}

bool LibrarySink::renewal_due(std::uint64_t now_s) const {
  if (publication_ == nullptr || now_s + renewal_before_end_s < not_after_s_) return false;
  return options_.root != nullptr || certificates_used_ < options_.certificates.size();
}

void LibrarySink::on_ready() {
  streamr_event_t event{};
  event.struct_size = sizeof event;
  while (streamr_node_poll(node_, &event, 0) == STREAMR_OK) {
    on_event(event);
    streamr_blob_release(event.blob);
    event = {};
    event.struct_size = sizeof event;
  }
  if (publication_ != nullptr) hand_over();
}

void LibrarySink::on_event(const streamr_event_t& event) {
  switch (event.kind) {
    case STREAMR_EVENT_READY:
      if (!std::exchange(figures_.ready, true)) log_info("ready", "an origin takes the stream");
      break;
    case STREAMR_EVENT_COORDINATOR:
      figures_.coordinator = event.value != 0;
      if (event.value != 0) {
        log_info("coordinator", "the coordinator answers");
      } else {
        log_warn("coordinator", std::string("waiting for the coordinator: ") + event.text);
      }
      break;
    case STREAMR_EVENT_UPSTREAM: log_info("origin", event.text, {{"state", event.value}}); break;
    case STREAMR_EVENT_REJECTED: log_warn("rejected", event.text, {{"code", event.value}}); break;
    case STREAMR_EVENT_ENDED: log_info("ended", event.text, {{"code", event.value}}); break;
    case STREAMR_EVENT_ERROR:
      log_warn("library", event.text, {{"status", event.value}});
      // A stream that runs goes on; one that nobody took yet has nobody to go on for.
      if (event.value == STREAMR_E_REFUSED && !figures_.ready) {
        refused_ = true;
        reason_ = event.text;
      }
      break;
    default: break;
  }
}

void LibrarySink::end() {
  if (publication_ == nullptr) return;
  hand_over();
  const streamr_status_t status = streamr_publication_end(publication_);
  if (status != STREAMR_OK && status != STREAMR_E_STATE) {
    log_warn("end", std::string("the stream could not be ended: ") + streamr_status_message(status));
  }
  streamr_publication_close(std::exchange(publication_, nullptr));
}

void LibrarySink::stop(std::uint32_t deadline_ms) {
  if (node_ == nullptr) return;
  const streamr_status_t status = streamr_node_stop(node_, deadline_ms);
  if (status == STREAMR_E_TIMEOUT) log_warn("stop", "not everything could be sent within the time allowed");
}

}  // namespace streamr::publisher
