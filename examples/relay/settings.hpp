// Decides: which settings of a relay change while it runs, their ranges, and how a change is read and told.
// Never: puts anything in force; relay.cpp does that.
// Called by: the command line, SIGHUP, the control socket.
#pragma once

#include <streamr/streamr.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace streamr::programs {

struct LiveSettings {
  std::uint32_t upload_kbps = 0;
  std::uint32_t max_viewers = 0;
  std::uint32_t memory_mb = 256;
  std::uint32_t http_per_address = 256;
  std::uint32_t websockets_per_address = 64;
  std::uint32_t connections = 8192;
  std::string log_level = "info";
};

// One number among them. Zero is allowed where it means "no limit".
struct LiveNumber {
  const char* name;  // of the flag with _ for -
  std::uint32_t LiveSettings::*member;
  std::uint32_t low, high;
  bool zero_is_none;
  const char* help;
};
const std::vector<LiveNumber>& live_numbers();

// Each gives nothing, or the sentence that says what was expected and what came; then `settings` is as before.
std::string set_number(LiveSettings& settings, std::string_view name, std::int64_t value);
std::string set_log_level(LiveSettings& settings, std::string_view word);
std::string check(const LiveSettings& settings);

// "upload_kbps 0 -> 5000", one for each setting that differs.
std::vector<std::string> differences(const LiveSettings& before, const LiveSettings& after);
std::string to_json(const LiveSettings& settings);
streamr_limits_t to_limits(const LiveSettings& settings);

}  // namespace streamr::programs
