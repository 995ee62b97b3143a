#include "coordinator/http/find.hpp"

#include <algorithm>

#include "coordinator/rules/live.hpp"

namespace coordinator {

Holders holders_of(Context& context, const StreamRecord& stream, const AskedBy& asker) {
  Holders out;
  std::vector<Holder> relays;
  // An origin serves plain HLS to everybody, whatever kinds were asked for.
  AskedBy public_too = asker;
  public_too.kinds.push_back("public");
  std::optional<ReportRecord> edge;         // of the origin
  std::optional<ReportRecord> newest_held;  // of anybody, where no origin reports
  for (const ReportRecord& report : context.store->reports_of(stream.id)) {
    const auto node = context.network->node(report.node);
    if (!node || !context.network->is_up(*node)) continue;
    if (!newest_held || report.newest > newest_held->newest) newest_held = report;
    const auto address = context.network->told(*node, node->role == "origin" ? public_too : asker);
    if (node->role == "origin") {
      if (!edge || report.newest > edge->newest) edge = report;
      if (address && (!out.origin || report.newest > out.origin->report.newest)) {
        out.origin = Holder{*node, report, *address};
      }
    } else if (node->role == "relay" && address) {
      relays.push_back({*node, report, *address});
    }
  }
  if (!edge) edge = newest_held;
  for (Holder& relay : relays) {
    if (is_near(relay.report, *edge)) out.relays.push_back(std::move(relay));
  }
  std::sort(out.relays.begin(), out.relays.end(),
            [](const Holder& a, const Holder& b) { return a.node.row < b.node.row; });
  return out;
}

std::string own_url(const Context& context, const Request& request) {
  if (!context.config.public_url.empty()) return context.config.public_url;
  const std::string host = request.header("host");
  const auto url = parse_url("http://" + host + "/");
  return "http://" + (url ? authority(*url) : context.config.listen);
}

}  // namespace coordinator
