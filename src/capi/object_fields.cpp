#include "capi/object_fields.hpp"

#include "capi/guard.hpp"

namespace streamr::capi {

proto::Certificate certificate_from(const streamr_certificate_t& in) {
  proto::Certificate out;
  out.session_key = fixed_from<Key>(in.session_key);
  out.epoch = in.epoch;
  out.not_before_s = in.not_before_s;
  out.not_after_s = in.not_after_s;
  out.track_mask = in.track_mask == 0 ? 0xFFFFFFFFu : in.track_mask;
  out.max_kbps = in.max_kbps;
  out.serial = in.serial;
  out.min_segment = in.min_segment;
  return out;
}

proto::Ticket ticket_from(const streamr_ticket_t& in) {
  proto::Ticket out;
  out.stream_id = fixed_from<Key>(in.stream_id);
  out.epoch = in.epoch;
  out.relay_key = fixed_from<Key>(in.relay_key);
  out.viewer_key = fixed_from<Key>(in.viewer_key);
  out.session_id = fixed_from<SessionId>(in.session_id);
  out.not_before_us = in.not_before_us;
  out.not_after_us = in.not_after_us;
  out.max_rate_bps = in.max_rate_bps;
  out.window_start_bytes = in.window_start_bytes;
  out.window_max_bytes = in.window_max_bytes;
  return out;
}

proto::Receipt receipt_from(const streamr_receipt_t& in) {
  proto::Receipt out;
  out.flags = static_cast<std::uint8_t>(in.flags);
  out.stream_id = fixed_from<Key>(in.stream_id);
  out.epoch = in.epoch;
  out.relay_key = fixed_from<Key>(in.relay_key);
  out.viewer_key = fixed_from<Key>(in.viewer_key);
  out.session_id = fixed_from<SessionId>(in.session_id);
  out.seq = in.seq;
  out.interval_ms = in.interval_ms;
  out.bytes_ok = in.bytes_ok;
  out.first_us = in.first_us;
  out.last_us = in.last_us;
  out.last_segment = in.last_segment;
  out.slices_ok = in.slices_ok;
  out.slices_bad_or_late = in.slices_bad_or_late;
  out.ttfb_ms = in.ttfb_ms;
  out.stall_ms = in.stall_ms;
  return out;
}

streamr_certificate_t to_fields(const proto::Certificate& from) {
  streamr_certificate_t out = STREAMR_CERTIFICATE_INIT;
  out.track_mask = from.track_mask;
  copy_out(from.stream_id, out.stream_id);
  copy_out(from.session_key, out.session_key);
  out.epoch = from.epoch;
  out.not_before_s = from.not_before_s;
  out.not_after_s = from.not_after_s;
  out.serial = from.serial;
  out.min_segment = from.min_segment;
  out.max_kbps = from.max_kbps;
  return out;
}

streamr_ticket_t to_fields(const proto::Ticket& from) {
  streamr_ticket_t out = STREAMR_TICKET_INIT;
  out.max_rate_bps = from.max_rate_bps;
  copy_out(from.stream_id, out.stream_id);
  copy_out(from.relay_key, out.relay_key);
  copy_out(from.viewer_key, out.viewer_key);
  copy_out(from.session_id, out.session_id);
  out.epoch = from.epoch;
  out.not_before_us = from.not_before_us;
  out.not_after_us = from.not_after_us;
  out.window_start_bytes = from.window_start_bytes;
  out.window_max_bytes = from.window_max_bytes;
  return out;
}

streamr_receipt_t to_fields(const proto::Receipt& from) {
  streamr_receipt_t out = STREAMR_RECEIPT_INIT;
  out.flags = from.flags;
  copy_out(from.stream_id, out.stream_id);
  copy_out(from.relay_key, out.relay_key);
  copy_out(from.viewer_key, out.viewer_key);
  copy_out(from.session_id, out.session_id);
  out.epoch = from.epoch;
  out.seq = from.seq;
  out.interval_ms = from.interval_ms;
  out.bytes_ok = from.bytes_ok;
  out.first_us = from.first_us;
  out.last_us = from.last_us;
  out.last_segment = from.last_segment;
  out.slices_ok = from.slices_ok;
  out.slices_bad_or_late = from.slices_bad_or_late;
  out.ttfb_ms = from.ttfb_ms;
  out.stall_ms = from.stall_ms;
  return out;
}

streamr_chunk_header_t to_fields(const proto::ChunkHeader& from) {
  streamr_chunk_header_t out = STREAMR_CHUNK_HEADER_INIT;
  out.flags = from.flags;
  copy_out(from.stream_id, out.stream_id);
  out.epoch = from.epoch;
  out.segment = from.segment;
  out.media_time_us = from.media_time_us;
  out.capture_time_us = from.capture_time_us;
  out.duration_us = from.duration_us;
  out.payload_bytes = from.payload_length;
  out.track = from.track;
  out.part = from.part;
  out.slice_count = from.slice_count;
  out.slice_log2 = from.slice_log2;
  out.content_type = static_cast<std::uint8_t>(from.content_type);
  copy_out(from.merkle_root, out.merkle_root);
  copy_out(from.prev_header_hash, out.prev_header_hash);
  copy_out(from.cert_id, out.cert_id);
  return out;
}

}  // namespace streamr::capi
