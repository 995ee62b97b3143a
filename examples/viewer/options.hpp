// Decides: the flags of streamr-watch and whether they fit together.
// Never: opens anything but the file that a ticket is read from.
// Called by: streamr-watch's main.
#pragma once

#include <streamr/streamr.h>

#include <array>
#include <optional>
#include <string>

#include "common/cli.hpp"

namespace streamr::viewer {

struct Options {
  std::string coordinator, stream, out, serve, relay, ticket, relay_key, key, start = "independent";
  std::uint32_t seconds = 0;
  std::uint32_t track = 0;
  std::uint32_t buffer_ms = 1'000;
  std::uint32_t max_latency_ms = 10'000;   // a file wants every chunk more than the newest one
  bool json = false;

  std::optional<std::array<std::uint8_t, STREAMR_TICKET_BYTES>> ticket_bytes;
  std::optional<std::array<std::uint8_t, STREAMR_KEY_BYTES>> relay_key_bytes;

  std::uint32_t start_number() const;
};

extern const char* const examples_text;
void add_flags(CLI::App& app, Options& options);
// Reads ticket and relay key, and checks what fits together; the sentence that says what is wrong, or nothing.
std::string check(Options& options);

}  // namespace streamr::viewer
