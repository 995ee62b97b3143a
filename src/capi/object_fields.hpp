// Decides which member of a C struct is which field of a signed object; nothing else.
// Never checks.
// Called by capi_objects.cpp and capi_event.cpp.
#pragma once

#include "proto/objects.hpp"
#include "streamr/streamr.h"

namespace streamr::capi {

proto::Certificate certificate_from(const streamr_certificate_t& in);
proto::Ticket ticket_from(const streamr_ticket_t& in);
proto::Receipt receipt_from(const streamr_receipt_t& in);
streamr_certificate_t to_fields(const proto::Certificate& from);
streamr_ticket_t to_fields(const proto::Ticket& from);
streamr_receipt_t to_fields(const proto::Receipt& from);
streamr_chunk_header_t to_fields(const proto::ChunkHeader& from);

}  // namespace streamr::capi
