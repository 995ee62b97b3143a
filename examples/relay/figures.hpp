// Decides: which figures of /stats.json a person watches, and what they come to a second between two looks.
// Never: asks for them, and never trusts a byte of them: text comes out printable, numbers bounded.
// Called by: top.cpp (reading), top_view.cpp (showing).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace streamr::programs {

struct UpstreamFigures {
  std::string url, state;
  bool standby = false;
  double slices = 0;
};

struct StreamFigures {
  std::string id, alias;
  bool live = false;
  double hop = 0, lag_ms = 0, viewers = 0, rejected = 0, in_bytes = 0, out_bytes = 0;
  std::vector<UpstreamFigures> upstreams;
};

// All counters as double: they are shown, not computed with.
struct RelayFigures {
  std::string node, name, role, software;
  double time_us = 0, uptime_s = 0, load_pct = 0, memory_bytes = 0, memory_limit_bytes = 0;
  double upload_kbps = 0, max_viewers = 0;
  double http = 0, websockets = 0, connections_limit = 0, connections_refused = 0;
  double queue_bytes = 0, queue_oldest_us = 0, hop_p50_us = 0, hop_p99_us = 0, hop_count = 0;
  double sessions = 0, receipts_ok = 0, receipts_refused = 0, switches = 0;
  double admission_refused = 0, dropped = 0, rejected = 0;
  std::map<std::string, double> bytes_in, bytes_out, links;
  std::vector<StreamFigures> streams;
};

// Nothing where the text is no /stats.json.
std::optional<RelayFigures> read_figures(const std::string& json);

double sum_of(const std::map<std::string, double>& values);
// Mbit/s between two readings of a byte counter; nothing without an earlier one, or where the relay began anew.
std::optional<double> mbit_a_second(double before, double after, double seconds);

}  // namespace streamr::programs
