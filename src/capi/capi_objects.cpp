// streamr_certificate_*, ticket, receipt, revocation, chunk_header: signed objects as structs.
#include "capi/guard.hpp"
#include "capi/handles.hpp"
#include "capi/object_fields.hpp"
#include "proto/objects.hpp"

using namespace streamr;
using namespace streamr::capi;

streamr_status_t streamr_certificate_issue(const streamr_key_t* root, const streamr_certificate_t* fields,
                                           uint8_t out[184]) {
  return guarded([&]() -> streamr_status_t {
    streamr_certificate_t in;
    if (const auto status = read_struct(fields, in); status != STREAMR_OK) return status;
    if (!root || !out || in.max_kbps == 0 || in.not_after_s <= in.not_before_s) return STREAMR_E_INVALID;
    if (in.not_after_s - in.not_before_s > limits::certificate_s) return STREAMR_E_INVALID;
    if (!crypto::is_sound_key(fixed_from<Key>(in.session_key))) return STREAMR_E_INVALID;
    const auto issued = proto::issue_certificate(certificate_from(in), root->pair);
    std::memcpy(out, issued.raw.data(), issued.raw.size());
    return STREAMR_OK;
  });
}

streamr_status_t streamr_certificate_check(const uint8_t* bytes, size_t len, streamr_certificate_t* fields) {
  return guarded([&]() -> streamr_status_t {
    if (!is_view(bytes, len)) return STREAMR_E_INVALID;
    const auto parsed = proto::parse_certificate({bytes, len});
    if (!parsed) return STREAMR_E_MALFORMED;
    if (!proto::verify_certificate(*parsed)) return STREAMR_E_SIGNATURE;
    return fields ? write_struct(to_fields(*parsed), fields) : STREAMR_OK;
  });
}

streamr_status_t streamr_ticket_issue(const streamr_key_t* coordinator, const streamr_ticket_t* fields,
                                      uint8_t out[248]) {
  return guarded([&]() -> streamr_status_t {
    streamr_ticket_t in;
    if (const auto status = read_struct(fields, in); status != STREAMR_OK) return status;
    if (!coordinator || !out || in.not_after_us <= in.not_before_us) return STREAMR_E_INVALID;
    if (in.window_start_bytes == 0 || in.window_max_bytes == 0) return STREAMR_E_INVALID;
    const auto issued = proto::issue_ticket(ticket_from(in), coordinator->pair);
    std::memcpy(out, issued.raw.data(), issued.raw.size());
    return STREAMR_OK;
  });
}

streamr_status_t streamr_ticket_check(const uint8_t* bytes, size_t len, const uint8_t coordinator_key[32],
                                      streamr_ticket_t* fields) {
  return guarded([&]() -> streamr_status_t {
    if (!is_view(bytes, len) || !coordinator_key) return STREAMR_E_INVALID;
    const auto parsed = proto::parse_ticket({bytes, len});
    if (!parsed) return STREAMR_E_MALFORMED;
    if (!proto::verify_ticket(*parsed, fixed_from<Key>(coordinator_key))) return STREAMR_E_SIGNATURE;
    return fields ? write_struct(to_fields(*parsed), fields) : STREAMR_OK;
  });
}

streamr_status_t streamr_receipt_issue(const streamr_key_t* viewer, const streamr_receipt_t* fields, uint8_t out[272]) {
  return guarded([&]() -> streamr_status_t {
    streamr_receipt_t in;
    if (const auto status = read_struct(fields, in); status != STREAMR_OK) return status;
    if (!viewer || !out || in.flags > 0xFF) return STREAMR_E_INVALID;
    const auto issued = proto::issue_receipt(receipt_from(in), viewer->pair);
    std::memcpy(out, issued.raw.data(), issued.raw.size());
    return STREAMR_OK;
  });
}

streamr_status_t streamr_receipt_check(const uint8_t* bytes, size_t len, streamr_receipt_t* fields) {
  return guarded([&]() -> streamr_status_t {
    if (!is_view(bytes, len)) return STREAMR_E_INVALID;
    const auto parsed = proto::parse_receipt({bytes, len});
    if (!parsed) return STREAMR_E_MALFORMED;
    if (!proto::verify_receipt(*parsed)) return STREAMR_E_SIGNATURE;
    return fields ? write_struct(to_fields(*parsed), fields) : STREAMR_OK;
  });
}

streamr_status_t streamr_revocation_issue(const streamr_key_t* root, uint64_t serial_max, uint64_t at_s,
                                          uint8_t out[120]) {
  return guarded([&]() -> streamr_status_t {
    if (!root || !out) return STREAMR_E_INVALID;
    proto::Revocation fields;
    fields.serial_max = serial_max;
    fields.at_s = at_s;
    const auto issued = proto::issue_revocation(fields, root->pair);
    std::memcpy(out, issued.raw.data(), issued.raw.size());
    return STREAMR_OK;
  });
}

streamr_status_t streamr_revocation_check(const uint8_t* bytes, size_t len, uint8_t stream_id[32], uint64_t* serial_max,
                                          uint64_t* at_s) {
  return guarded([&]() -> streamr_status_t {
    if (!is_view(bytes, len)) return STREAMR_E_INVALID;
    const auto parsed = proto::parse_revocation({bytes, len});
    if (!parsed) return STREAMR_E_MALFORMED;
    if (!proto::verify_revocation(*parsed)) return STREAMR_E_SIGNATURE;
    if (stream_id) copy_out(parsed->stream_id, stream_id);
    if (serial_max) *serial_max = parsed->serial_max;
    if (at_s) *at_s = parsed->at_s;
    return STREAMR_OK;
  });
}

streamr_status_t streamr_chunk_header_check(const uint8_t* header, size_t len, const uint8_t* certificate,
                                            size_t certificate_len, streamr_chunk_header_t* fields) {
  return guarded([&]() -> streamr_status_t {
    if (!is_view(header, len) || !is_view(certificate, certificate_len)) return STREAMR_E_INVALID;
    const auto parsed = proto::parse_chunk_header({header, len});
    const auto by = proto::parse_certificate({certificate, certificate_len});
    if (!parsed || !by) return STREAMR_E_MALFORMED;
    if (!proto::verify_certificate(*by) || !proto::verify_chunk_header(*parsed, *by)) return STREAMR_E_SIGNATURE;
    return fields ? write_struct(to_fields(*parsed), fields) : STREAMR_OK;
  });
}
