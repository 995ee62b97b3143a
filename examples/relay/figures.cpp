#include "relay/figures.hpp"

#include <cJSON.h>

#include <memory>

namespace streamr::programs {

namespace {

const cJSON* member(const cJSON* object, const char* name) { return cJSON_GetObjectItemCaseSensitive(object, name); }

double number(const cJSON* object, const char* name) {
  const cJSON* found = member(object, name);
  return cJSON_IsNumber(found) ? found->valuedouble : 0;
}

// A relay's words must not move the cursor.
std::string text(const cJSON* object, const char* name) {
  const cJSON* found = member(object, name);
  std::string out = cJSON_IsString(found) ? found->valuestring : "";
  for (char& c : out)
    if (c < 0x20 || c > 0x7E) c = '?';
  return out;
}

std::map<std::string, double> numbers(const cJSON* object, const char* name) {
  std::map<std::string, double> out;
  const cJSON* found = member(object, name);
  for (const cJSON* item = found == nullptr ? nullptr : found->child; item != nullptr; item = item->next)
    if (item->string != nullptr && cJSON_IsNumber(item)) out[item->string] = item->valuedouble;
  return out;
}

StreamFigures read_stream(const cJSON* from) {
  StreamFigures out;
  out.id = text(from, "stream");
  out.alias = text(from, "alias");
  out.live = cJSON_IsTrue(member(from, "live"));
  out.hop = number(from, "hop");
  out.lag_ms = number(from, "lag_ms");
  out.viewers = number(from, "viewers");
  out.rejected = number(from, "slices_rejected");
  out.in_bytes = number(from, "verified_bytes");
  out.out_bytes = number(from, "sent_bytes");
  const cJSON* upstreams = member(from, "upstreams");
  for (const cJSON* item = upstreams == nullptr ? nullptr : upstreams->child; item != nullptr; item = item->next)
    out.upstreams.push_back({text(item, "url"), text(item, "state"), cJSON_IsTrue(member(item, "standby")) != 0, number(item, "slices")});
  return out;
}

void read_counters(const cJSON* root, RelayFigures& out) {
  const cJSON* connections = member(root, "connections");
  out.http = number(connections, "http");
  out.websockets = number(connections, "websocket");
  out.connections_limit = number(connections, "limit");
  out.connections_refused = sum_of(numbers(connections, "refused"));
  out.queue_bytes = number(root, "queue_bytes");
  out.queue_oldest_us = number(root, "queue_oldest_us");
  out.hop_p50_us = number(member(root, "hop_latency_us"), "p50");
  out.hop_p99_us = number(member(root, "hop_latency_us"), "p99");
  out.hop_count = number(member(root, "hop_latency_us"), "count");
  out.sessions = number(root, "sessions");
  out.receipts_ok = number(root, "receipts_ok");
  out.receipts_refused = number(root, "receipts_refused");
  out.switches = number(root, "failovers");
  out.admission_refused = sum_of(numbers(root, "admission_refused"));
  out.dropped = sum_of(numbers(root, "chunks_dropped"));
  out.rejected = sum_of(numbers(root, "slices_rejected"));
  out.bytes_in = numbers(root, "bytes_in");
  out.bytes_out = numbers(root, "bytes_out");
  out.links = numbers(root, "links");
}

}  // namespace

std::optional<RelayFigures> read_figures(const std::string& json) {
  const std::unique_ptr<cJSON, void (*)(cJSON*)> tree(cJSON_ParseWithLength(json.data(), json.size()), cJSON_Delete);
  const cJSON* root = tree.get();
  if (!cJSON_IsObject(root) || member(root, "node") == nullptr || member(root, "streams") == nullptr) return std::nullopt;
  RelayFigures out;
  out.node = text(root, "node");
  out.name = text(root, "name");
  out.role = text(root, "role");
  out.software = text(root, "software");
  out.time_us = number(root, "time_us");
  out.uptime_s = number(root, "uptime_s");
  out.load_pct = number(root, "load_pct");
  out.memory_bytes = number(root, "memory_bytes");
  out.memory_limit_bytes = number(root, "memory_limit_bytes");
  out.upload_kbps = number(member(root, "limits"), "upload_kbps");
  out.max_viewers = number(member(root, "limits"), "max_viewers");
  read_counters(root, out);
  for (const cJSON* item = member(root, "streams")->child; item != nullptr; item = item->next) out.streams.push_back(read_stream(item));
  return out;
}

double sum_of(const std::map<std::string, double>& values) {
  double sum = 0;
  for (const auto& [name, value] : values) sum += value;
  return sum;
}

std::optional<double> mbit_a_second(double before, double after, double seconds) {
  if (seconds <= 0 || after < before) return std::nullopt;
  return (after - before) * 8 / 1e6 / seconds;
}

}  // namespace streamr::programs
