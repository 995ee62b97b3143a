// Decides the strong names of time, links and chunks, and every limit with its reason.
// Never holds state.
// Called by every layer.
#pragma once

#include <compare>
#include <cstdint>
#include <tuple>

namespace streamr {

// Both clocks at one moment: `mono_us` for timers, `unix_us` for what peers signed. Time enters the core only as this.
struct Now {
  std::uint64_t mono_us = 0;
  std::uint64_t unix_us = 0;
};

constexpr std::uint64_t ms_to_us(std::uint64_t ms) { return ms * 1000; }
constexpr std::uint64_t never_us = UINT64_MAX;   // a deadline that does not come
constexpr std::uint64_t s_to_us(std::uint64_t s) { return s * 1'000'000; }

using LinkId = std::uint64_t;     // one peer connection, numbered by the core or io, never reused
using CallId = std::uint64_t;     // one HTTP request to the coordinator
using HttpId = std::uint64_t;     // one HTTP exchange with a client of our own server

constexpr std::uint16_t init_part = 0xFFFF;

// Place of a chunk inside an epoch and track; INIT sorts after the parts of its segment but is kept apart by stores.
struct ChunkPos {
  std::uint64_t segment = 0;
  std::uint16_t part = 0;
  auto operator<=>(const ChunkPos&) const = default;
};

namespace limits {
constexpr std::uint32_t frame_payload_bytes = 65'544;      // a 64 KiB slice and its 8 octets
constexpr std::uint32_t chunk_frame_bytes = 33'000;        // 232 + 32 x 1024 leaves
constexpr std::uint32_t message_bytes = 128 * 1024;        // one WebSocket message
constexpr std::uint32_t chunk_payload_bytes = 16 * 1024 * 1024;
constexpr std::uint32_t slices = 1024;
constexpr std::uint32_t default_slice_log2 = 14;
constexpr std::uint32_t chunk_duration_us = 60'000'000;
constexpr std::uint32_t subscriptions = 32;                // a connection
constexpr std::uint32_t unfinished_chunks = 8;             // a subscription
constexpr std::uint32_t unfinished_chunks_without_slice = 4;
constexpr std::uint32_t uri_bytes = 512;
constexpr std::uint32_t text_bytes = 256;
constexpr std::uint32_t tlvs = 16;
constexpr std::uint32_t tlv_bytes = 1024;
constexpr std::uint64_t hello_within_us = 5'000'000;
constexpr std::uint32_t before_auth_bytes = 4096;
constexpr std::uint32_t websockets_an_address = 64;
constexpr std::uint32_t http_an_address = 256;
constexpr std::uint32_t outstanding_fetches = 64;
constexpr std::uint32_t path_entries = 4;                  // the origin and three relays
constexpr std::uint32_t bad_slices = 9;                    // the ninth ends the connection
constexpr std::uint64_t ping_every_us = 5'000'000;
constexpr std::uint64_t silence_us = 30'000'000;
constexpr std::uint32_t queue_bytes = 512 * 1024;
constexpr std::uint64_t queue_us = 500'000;
constexpr std::uint64_t clock_slack_us = 120'000'000;      // certificate times against capture_time; tickets before not_before
constexpr std::uint64_t ticket_grace_us = 60'000'000;      // after not_after
constexpr std::uint64_t certificate_s = 24 * 3600;
constexpr std::uint64_t receipt_every_us = 1'000'000;
constexpr std::uint64_t receipt_every_bytes = 1024 * 1024;
constexpr std::uint64_t receipt_pause_us = 5'000'000;
constexpr std::uint32_t tracks = 32;
}  // namespace limits

}  // namespace streamr
