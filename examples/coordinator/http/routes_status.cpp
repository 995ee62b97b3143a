#include <algorithm>
#include <map>

#include "coordinator/app/hours.hpp"
#include "coordinator/app/network.hpp"
#include "coordinator/http/routes.hpp"
#include "coordinator/rules/json_out.hpp"
#include "coordinator/rules/live.hpp"
#include "coordinator/rules/text.hpp"

namespace coordinator {
namespace {

struct Seen {
  int64_t viewers = 0;
  int64_t lag_ms = 0;
  int64_t newest = 0;
  int64_t streams = 0;
};

std::map<std::string, Seen> by_node(const std::vector<ReportRecord>& reports) {
  std::map<std::string, Seen> out;
  for (const ReportRecord& r : reports) {
    Seen& seen = out[r.node];
    seen.viewers += r.viewers;
    seen.lag_ms = std::max(seen.lag_ms, r.lag_ms);
    seen.newest = std::max(seen.newest, r.newest);
    ++seen.streams;
  }
  return out;
}

std::string http_address(Context& context, const NodeRecord& node) {
  const auto address = context.network->told(node, {"", {"public"}});
  const auto url = address ? parse_url(address->url) : std::nullopt;
  return url ? http_base(*url) : "";
}

void write_streams(Context& context, JsonOut& out, const std::vector<ReportRecord>& reports,
                   const std::vector<PayRow>& rows) {
  out.array("streams");
  for (const StreamRecord& s : context.store->streams()) {
    int64_t nodes = 0;
    int64_t viewers = 0;
    int64_t newest = s.newest;
    for (const ReportRecord& r : reports) {
      const auto node = context.store->node_by_key(r.node);
      if (r.stream != s.id || !node || !context.network->is_up(*node)) continue;
      ++nodes;
      viewers += r.viewers;
      if (r.epoch >= s.epoch) newest = std::max(newest, r.newest);
    }
    int64_t earned = 0;
    for (const PayRow& row : rows) earned += row.stream == s.id ? row.pay : 0;
    out.object().member("stream_id", to_hex(s.id)).member("alias", s.alias).member("title", s.title);
    out.member("status", state_word(s)).member("epoch", std::to_string(s.epoch)).member("newest", newest);
    out.member("nodes", nodes).member("viewers", viewers).member("pool", format_money(s.pool));
    out.member("paid", format_money(earned)).end_object();
  }
  out.end_array();
}

void write_nodes(Context& context, JsonOut& out, const std::vector<ReportRecord>& reports,
                 const std::vector<PayRow>& rows, int64_t& beats) {
  const auto seen_by = by_node(reports);
  out.array("nodes");
  for (const NodeRecord& node : context.store->nodes()) {
    beats += node.beats;
    const bool up = context.network->is_up(node);
    const auto place = context.network->place_of(node.key);
    const auto found = seen_by.find(node.key);
    const Seen seen = found == seen_by.end() ? Seen{} : found->second;
    int64_t earned = 0;
    for (const PayRow& row : rows) earned += row.node == node.key ? row.pay : 0;
    out.object().member("node_id", node.node_id).member("key", to_hex(node.key)).member("name", node.name);
    out.member("role", node.role).member("software", node.software).member("health", up ? "online" : "offline");
    if (place)
      out.member("hop", int64_t{place->hop});
    else
      out.null("hop");
    const auto parent = place && !place->parent.empty() ? context.store->node_by_key(place->parent) : std::nullopt;
    if (parent)
      out.member("parent", parent->node_id);
    else
      out.null("parent");
    out.member("heartbeats", node.beats)
        .member("last_seen_ms", std::max<int64_t>(0, context.now_ms() - node.seen_ms()));
    out.member("streams", seen.streams).member("newest", seen.newest).member("viewers", seen.viewers);
    out.member("lag_ms", seen.lag_ms).member("load_pct", node.load_pct).member("free_kbps", node.free_kbps);
    out.member("capacity_kbps", node.capacity_kbps).member("url", http_address(context, node));
    out.member("earned", format_money(earned));
    out.member("bytes_settled", std::to_string(context.store->settled_bytes(node.key))).end_object();
  }
  out.end_array();
}

}  // namespace

Response status(Context& context, const Request&) {
  const auto reports = context.store->reports();
  const auto rows = pay_rows(context, context.now_ms() / kHourMs - 7 * 24 + 1);
  int64_t beats = 0;
  JsonOut out;
  out.object().member("version", STREAMR_VERSION_STRING).member("coordinator_key", to_hex(context.public_key));
  out.member("time_us", static_cast<int64_t>(context.now_us))
      .member("uptime_s", (context.now_ms() - context.started_ms) / 1000);
  out.member("storage", context.storage_good ? "good" : "cannot be written");
  write_streams(context, out, reports, rows);
  write_nodes(context, out, reports, rows, beats);
  int64_t paid = 0;
  for (const PayRow& row : rows) paid += row.pay;
  out.member("heartbeats", beats).member("earned", format_money(paid)).end_object();
  return Response::json(out.str());
}

}  // namespace coordinator
