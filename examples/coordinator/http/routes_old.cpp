// The first system's reading routes, in its shapes (docs/first-system-api.md).
#include <algorithm>
#include <map>

#include "coordinator/app/hours.hpp"
#include "coordinator/app/network.hpp"
#include "coordinator/http/old_query.hpp"
#include "coordinator/http/routes.hpp"
#include "coordinator/rules/json_out.hpp"
#include "coordinator/rules/live.hpp"
#include "coordinator/rules/settle.hpp"
#include "coordinator/rules/text.hpp"

namespace coordinator {
namespace {

constexpr int64_t kHoursADay = 24;
constexpr int64_t kMostHours = 24 * 366;
constexpr int64_t kMostDays = 366;
constexpr int64_t kMostRows = 1'000'000;

std::map<std::string, NodeRecord> nodes_by_key(Context& context) {
  std::map<std::string, NodeRecord> nodes;
  for (NodeRecord& node : context.store->nodes()) nodes.emplace(node.key, std::move(node));
  return nodes;
}

std::string node_name(const std::map<std::string, NodeRecord>& nodes, const std::string& key) {
  const auto found = nodes.find(key);
  return found == nodes.end() ? to_hex(key) : found->second.node_id;
}

void write_time(JsonOut& out, const char* name, int64_t ms) {
  if (ms == 0)
    out.null(name);
  else
    out.member(name, format_time(ms));
}

void write_old_stream(JsonOut& out, const StreamRecord& s) {
  const std::string state = state_word(s);
  out.object().member("id", s.row).member("stream_id", to_hex(s.id)).member("sponsor_address", "");
  out.raw("token_balance", format_money(s.pool)).null("owner_user_id").member("rtmp_url", "");
  out.member("status", state).member("created_at", format_time(s.created_ms));
  write_time(out, "live_started_at", s.live_started_ms);
  write_time(out, "offline_at", state == "OFFLINE" ? s.offline_ms : 0);
  out.null("testing_started_at").null("stale_at").null("archived_at");
  out.member("alias", s.alias).member("title", s.title).end_object();
}

Response stream_array(Context& context, const std::string& state) {
  JsonOut out;
  out.array();
  for (const StreamRecord& s : context.store->streams()) {
    if (state == "ALL" || state == state_word(s)) write_old_stream(out, s);
  }
  return Response::json(out.end_array().str());
}

}  // namespace

Response old_streams(Context& context, const Request& request) {
  return stream_array(context, query_word(request, "status", "ALL",
                                          {"ALL", "READY", "TESTING", "LIVE", "OFFLINE", "STALE", "ARCHIVED"}));
}

Response old_streams_live(Context& context, const Request&) {
  return stream_array(context, "LIVE");
}

Response old_dashboard(Context& context, const Request& request) {
  const int64_t limit = query_number(request, "limit", 10, 0, kMostRows);
  const auto states = query_words(request, "node_statuses", "active", {"active", "inactive", "flagged"});
  const auto wanted = [&](const NodeRecord& node) {
    const char* state = context.network->is_up(node) ? "active" : "inactive";
    return std::find(states.begin(), states.end(), state) != states.end();
  };
  const auto nodes = nodes_by_key(context);
  JsonOut out;
  out.object().array("streams");
  int64_t written = 0;
  for (const StreamRecord& s : context.store->streams()) {
    if (written++ >= limit) break;
    JsonOut list;
    int64_t count = 0;
    list.array();
    for (const ReportRecord& report : context.store->reports_of(s.id)) {
      const auto node = nodes.find(report.node);
      if (node == nodes.end() || !wanted(node->second)) continue;
      list.object().member("node_id", node->second.node_id).member("stats_url", "").end_object();
      ++count;
    }
    out.object().member("stream_id", to_hex(s.id)).member("sponsor", "").raw("token_balance", format_money(s.pool));
    out.null("owner_user_id").member("status", state_word(s)).member("node_count", count);
    out.raw("nodes", list.end_array().str()).end_object();
  }
  return Response::json(out.end_array().end_object().str());
}

Response old_payouts(Context& context, const Request& request) {
  const int64_t hours_back = query_number(request, "hours_back", 1, 1, kMostHours);
  const int64_t from_ms = context.now_ms() - hours_back * kHourMs;
  const auto rows = pay_rows(context, from_ms / kHourMs);
  const auto nodes = nodes_by_key(context);
  JsonOut out;
  out.object().member("status", "success");
  out.member("calculation_time", "Last " + std::to_string(hours_back) + " hour(s)").object("payouts");
  for (const StreamRecord& s : context.store->streams()) {
    std::map<std::string, std::pair<NodeSlots, Uptime>> served;
    for (const PayRow& row : rows) {
      if (row.stream != s.id || served.contains(row.node)) continue;
      const Uptime up = uptime_of(rows, s.id, row.node, from_ms, context.now_ms());
      const auto node = nodes.find(row.node);
      if (up.good == 0) continue;
      served[row.node] = {{to_hex(row.node), node != nodes.end() && node->second.role == "origin", up.good}, up};
    }
    std::vector<NodeSlots> slots;
    for (const auto& [key, entry] : served) slots.push_back(entry.first);
    const auto shares = divide_by_slots(s.pool, slots);
    int64_t paid = 0;
    for (const Share& share : shares) paid += static_cast<int64_t>(share.amount);
    const auto count = static_cast<int64_t>(std::count_if(
        shares.begin(), shares.end(), [&](const Share& share) { return share.amount > 0 || s.pool == 0; }));
    out.object(to_hex(s.id)).raw("total_pool", format_money(s.pool)).member("node_count", count);
    out.raw("individual_earnings", format_money(count == 0 ? 0 : paid / count)).member("alias", s.alias);
    out.object("node_payouts");
    size_t at = 0;
    for (const auto& [key, entry] : served) {
      const std::string pay = format_money(static_cast<int64_t>(shares[at++].amount));
      out.object(node_name(nodes, key)).raw("base_payout", pay).raw("final_payout", pay);
      out.raw("uptime_percentage",
              format_ratio(static_cast<uint64_t>(entry.second.good), static_cast<uint64_t>(entry.second.total)));
      out.member("total_polls", entry.second.total).member("successful_polls", entry.second.good);
      out.member("failed_spot_checks", int64_t{0}).flag("is_flagged", false).null("penalty_reason").end_object();
    }
    out.end_object().end_object();
  }
  return Response::json(out.end_object().end_object().str());
}

Response old_earnings(Context& context, const Request& request, const std::string& name) {
  const int64_t days_back = query_number(request, "days_back", 7, 1, kMostDays);
  const int64_t from_hour = context.now_ms() / kHourMs - days_back * kHoursADay + 1;
  auto node = context.store->node_by_id(name);
  if (!node) {
    if (const auto key = from_hex(name, 32)) node = context.store->node_by_key(*key);
  }
  JsonOut details;
  details.array();
  int64_t total = 0;
  int64_t streams = 0;
  int64_t entries = 0;
  if (node) {
    const auto rows = pay_rows(context, from_hour);
    for (const StreamRecord& s : context.store->streams()) {
      int64_t earned = 0;
      for (const PayRow& row : rows) {
        if (row.stream != s.id || row.node != node->key) continue;
        earned += row.pay;
        ++entries;
      }
      const Uptime up = uptime_of(rows, s.id, node->key, from_hour * kHourMs, context.now_ms());
      if (up.good == 0) continue;
      total += earned;
      ++streams;
      details.object().member("stream_id", to_hex(s.id));
      details.raw("uptime_percentage", format_ratio(static_cast<uint64_t>(up.good), static_cast<uint64_t>(up.total)));
      details.raw("estimated_earnings", format_money(earned)).member("total_polls", up.total);
      details.member("successful_polls", up.good).end_object();
    }
  }
  JsonOut out;
  out.object()
      .member("node_id", node ? node->node_id : name)
      .member("period", "Last " + std::to_string(days_back) + " days");
  out.raw("total_estimated_earnings", format_money(total)).member("streams_participated", streams);
  out.raw("stream_details", details.end_array().str()).member("entries", entries);
  out.member("earned", format_money(total));
  out.member("bytes_settled", std::to_string(node ? context.store->settled_bytes(node->key) : 0)).end_object();
  return Response::json(out.str());
}

Response old_leaderboard(Context& context, const Request& request) {
  const int64_t limit = query_number(request, "limit", 10, 0, kMostRows);
  const int64_t from_hour = context.now_ms() / kHourMs - 7 * kHoursADay + 1;
  const auto rows = pay_rows(context, from_hour);
  struct Line {
    std::string node;
    Uptime up;
    int64_t pay = 0;
  };
  std::map<std::string, Line> lines;
  std::map<std::pair<std::string, std::string>, bool> seen;
  for (const PayRow& row : rows) {
    Line& line = lines[row.node];
    line.node = row.node;
    line.pay += row.pay;
    if (std::exchange(seen[{row.node, row.stream}], true)) continue;
    const Uptime up = uptime_of(rows, row.stream, row.node, from_hour * kHourMs, context.now_ms());
    line.up.good += up.good;
    line.up.total += up.total;
  }
  std::vector<Line> ranked;
  for (auto& [key, line] : lines) ranked.push_back(std::move(line));
  std::sort(ranked.begin(), ranked.end(), [](const Line& a, const Line& b) {
    return a.up.good != b.up.good ? a.up.good > b.up.good : a.node < b.node;
  });
  if (static_cast<int64_t>(ranked.size()) > limit) ranked.resize(static_cast<size_t>(limit));
  const auto nodes = nodes_by_key(context);
  JsonOut out;
  out.object().member("status", "success").array("leaderboard");
  for (const Line& line : ranked) {
    out.object().member("node_id", node_name(nodes, line.node));
    out.raw("uptime_percentage",
            format_ratio(static_cast<uint64_t>(line.up.good), static_cast<uint64_t>(line.up.total)));
    out.member("total_probes", line.up.total).member("successful_probes", line.up.good);
    out.member("estimated_score", line.up.good).raw("earnings_30d", format_money(line.pay));
    out.raw("gb_relayed", format_ratio(context.store->settled_bytes(line.node), uint64_t{1} << 30))
        .raw("trust_score", "1.0");
    out.end_object();
  }
  return Response::json(out.end_array().end_object().str());
}

}  // namespace coordinator
