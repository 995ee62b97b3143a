// Decides: what the command line, the environment and the configuration file of a relay say together, and whether that can be.
// Never: opens anything, and never prints.
// Called by: main() and, for SIGHUP, relay.cpp, which reads the same command line over the file as it is now.
#pragma once

#include <streamr/streamr.h>

#include <string>
#include <vector>

#include "common/cli.hpp"
#include "relay/settings.hpp"

namespace streamr::programs {

struct RelayOptions {
  std::string coordinator, listen, key, role = "relay", advertise, state, name, coordinator_key;
  std::string tls_cert, tls_key, tls_authorities, control;
  std::vector<std::string> carry;
  std::uint32_t capacity_kbps = 100'000;
  std::uint32_t loops = 0;  // 0 = one for each core
  bool open = false, any_stream = false;
  LiveSettings live;
};

struct Carried {
  std::uint8_t stream[STREAMR_KEY_BYTES];
  std::string upstream;
};

Cli relay_cli();
void add_flags(CLI::App& app, RelayOptions& options);
// Nothing, or the sentence that says what is wrong.
std::string check(const RelayOptions& options);
std::string read_carried(const std::vector<std::string>& texts, std::vector<Carried>& carried);

// Flags that differ but hold only after a restart.
std::vector<std::string> need_restart(const RelayOptions& before, const RelayOptions& after);

}  // namespace streamr::programs
