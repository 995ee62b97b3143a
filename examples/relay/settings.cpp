#include "relay/settings.hpp"

#include <algorithm>

#include "common/json_text.hpp"

namespace streamr::programs {

namespace {

constexpr std::uint32_t most = 4'000'000'000u;
constexpr std::uint32_t most_memory_mb = 1u << 20;

std::string range_of(const LiveNumber& number) {
  return std::string(number.zero_is_none ? "0 (no limit) or " : "") + std::to_string(number.low) + " to " + std::to_string(number.high);
}

bool in_range(const LiveNumber& number, std::int64_t value) {
  if (value == 0 && number.zero_is_none) return true;
  return value >= number.low && value <= number.high;
}

std::string refusal(const LiveNumber& number, std::int64_t value) {
  return std::string(number.name) + " expects " + range_of(number) + ", got " + std::to_string(value);
}

}  // namespace

const std::vector<LiveNumber>& live_numbers() {
  static const std::vector<LiveNumber> list = {
      {"upload_kbps", &LiveSettings::upload_kbps, 256, most, true, "What may be sent in all; 0 is no limit"},
      {"max_viewers", &LiveSettings::max_viewers, 1, most, true, "Viewers over SRW/1 at the same time; 0 is no limit"},
      {"memory_mb", &LiveSettings::memory_mb, 16, most_memory_mb, false, "Limit of the memory for media and what waits"},
      {"http_per_address", &LiveSettings::http_per_address, 1, most, false, "HTTP connections that one address may have"},
      {"websockets_per_address", &LiveSettings::websockets_per_address, 1, most, false, "WebSocket connections that one address may have"},
      {"connections", &LiveSettings::connections, 1, most, false, "Connections in all"},
  };
  return list;
}

std::string set_number(LiveSettings& settings, std::string_view name, std::int64_t value) {
  for (const LiveNumber& number : live_numbers()) {
    if (name != number.name) continue;
    if (!in_range(number, value)) return refusal(number, value);
    settings.*number.member = static_cast<std::uint32_t>(value);
    return {};
  }
  std::string known = "log_level";
  for (const LiveNumber& number : live_numbers()) known += std::string(", ") + number.name;
  return "\"" + std::string(name) + "\" is no setting that changes while the relay runs; these do: " + known;
}

std::string set_log_level(LiveSettings& settings, std::string_view word) {
  if (word != "debug" && word != "info" && word != "warn" && word != "error")
    return "log_level expects debug, info, warn or error, got \"" + std::string(word) + "\"";
  settings.log_level = word;
  return {};
}

std::string check(const LiveSettings& settings) {
  for (const LiveNumber& number : live_numbers()) {
    if (!in_range(number, settings.*number.member)) return refusal(number, settings.*number.member);
  }
  return {};
}

std::vector<std::string> differences(const LiveSettings& before, const LiveSettings& after) {
  std::vector<std::string> out;
  for (const LiveNumber& number : live_numbers()) {
    const std::uint32_t was = before.*number.member, is = after.*number.member;
    if (was != is) out.push_back(std::string(number.name) + " " + std::to_string(was) + " -> " + std::to_string(is));
  }
  if (before.log_level != after.log_level) out.push_back("log_level " + before.log_level + " -> " + after.log_level);
  return out;
}

std::string to_json(const LiveSettings& settings) {
  JsonObject json;
  for (const LiveNumber& number : live_numbers()) json.number(number.name, settings.*number.member);
  return json.text("log_level", settings.log_level).str();
}

streamr_limits_t to_limits(const LiveSettings& settings) {
  streamr_limits_t out = STREAMR_LIMITS_INIT;
  out.upload_kbps = settings.upload_kbps;
  out.max_viewers = settings.max_viewers;
  out.memory_kib = settings.memory_mb * 1024;
  out.http_per_address = settings.http_per_address;
  out.websockets_per_address = settings.websockets_per_address;
  out.max_connections = settings.connections;
  return out;
}

}  // namespace streamr::programs
