#include <algorithm>

#include "coordinator/app/network.hpp"
#include "coordinator/http/addresses.hpp"
#include "coordinator/http/assignments.hpp"
#include "coordinator/http/routes.hpp"
#include "coordinator/http/signed.hpp"
#include "coordinator/rules/errors.hpp"
#include "coordinator/rules/json_in.hpp"
#include "coordinator/rules/json_out.hpp"
#include "coordinator/rules/live.hpp"
#include "coordinator/rules/text.hpp"

namespace coordinator {
namespace {

constexpr size_t kMostStreams = 24;
constexpr size_t kMostRevocations = 100;
constexpr size_t kReplyBytes = 64 * 1024;
constexpr int64_t kTurnMs = 60'000;  // with more than 24 streams, each is named at least this often
constexpr int64_t kMinVersion = 1;

struct Heartbeat {
  int64_t uptime_s = 0;
  int64_t free_kbps = 0;
  int64_t load_pct = 0;
  int64_t assignments_version = 0;
  std::vector<ReportRecord> streams;
  std::optional<std::vector<Address>> addresses;
};

Heartbeat read_heartbeat(Context& context, const Request& request, const NodeRecord& node) {
  const JsonBody parsed(request.body, kHeartbeatBytes);
  const JsonValue body = parsed.root();
  Heartbeat beat;
  body.integer("seq", 0, kMaxInteger);
  beat.uptime_s = body.integer("uptime_s", 0, kMaxInteger);
  for (const JsonValue& item : body.array("streams", kMostStreams)) {
    item.require_object();
    ReportRecord report;
    report.node = node.key;
    report.stream = item.hex("stream", 32);
    report.epoch = item.decimal("epoch");
    report.head = item.hex("head", 32);
    report.newest = item.integer("newest", 0, kMaxInteger);
    report.lag_ms = item.integer("lag_ms", 0, kMaxInteger);
    report.viewers = item.integer("viewers", 0, kMaxInteger);
    report.at_ms = context.now_ms();
    beat.streams.push_back(std::move(report));
  }
  beat.free_kbps = body.integer("free_kbps", 0, kMaxInteger);
  beat.load_pct = body.integer("load_pct", 0, 100);
  if (body.has("addresses")) beat.addresses = read_addresses(body);
  body.object("counters");
  beat.assignments_version = body.optional_integer("assignments_version", 0, kMaxInteger, 0);
  return beat;
}

void note_addresses(Context& context, NodeRecord& node, const std::vector<Address>& addresses) {
  const auto same = [](const Address& a, const Address& b) {
    return a.kind == b.kind && a.url == b.url && a.priority == b.priority;
  };
  if (std::equal(addresses.begin(), addresses.end(), node.addresses.begin(), node.addresses.end(), same)) return;
  node.addresses = addresses;
  context.network->addresses_changed(node);
}

void note_streams(Context& context, const NodeRecord& node, const Heartbeat& beat,
                  const std::vector<Carried>& carried) {
  // Who names fewer streams than fit has named all that it holds.
  const bool all = beat.streams.size() < kMostStreams;
  context.store->drop_reports(node.key, all ? context.now_ms() : context.now_ms() - kTurnMs);
  for (const ReportRecord& report : beat.streams) {
    auto stream = context.store->stream_by_id(report.stream);
    if (!stream) continue;  // carried for somebody else
    context.store->save_report(report);
    if (context.network->speaks_for_streams(node)) {
      note_origin_report(*stream, report, context.now_ms());
      context.store->save_stream(*stream);
    }
    const bool assigned =
        std::any_of(carried.begin(), carried.end(), [&](const Carried& c) { return c.stream.id == report.stream; });
    if (assigned) context.store->add_beat({node.key, report.stream, {context.now_ms(), context.config.heartbeat_ms}});
  }
}

std::string reply_of(Context& context, const SignedBy& by, int64_t echoed_version) {
  JsonOut out;
  out.object().member("lease", to_hex(by.node.lease.current));
  out.member("server_time_us", static_cast<int64_t>(context.now_us));
  out.member("assignments_version", by.node.assignments_version);
  if (echoed_version != by.node.assignments_version) out.raw("assignments", by.node.assignments);
  out.array("revocations");
  for (const std::string& bytes : context.store->revocations(kMostRevocations)) {
    // The newest come first; what does not fit has been told before.
    if (out.str().size() + 2 * bytes.size() + 256 > kReplyBytes) break;
    out.text(to_hex(bytes));
  }
  out.end_array().member("min_version", kMinVersion);
  if (by.clock_warning) out.member("warning", "clock");
  return out.end_object().str();
}

}  // namespace

Response node_heartbeat(Context& context, const Request& request) {
  return with_node(context, request, [&](SignedBy& by) {
    NodeRecord& node = by.node;
    if (!context.heartbeats.take(node.key, context.now_ms())) {
      throw too_many("expected at most 10 heartbeats a second, the lease is unchanged", 1);
    }
    const Heartbeat beat = read_heartbeat(context, request, node);
    const bool was_up = context.network->is_up(node);
    node.beat_ms = context.now_ms();
    ++node.beats;
    node.uptime_s = beat.uptime_s;
    node.free_kbps = beat.free_kbps;
    node.load_pct = beat.load_pct;
    node.seen_from = request.address;
    if (beat.addresses) note_addresses(context, node, *beat.addresses);
    renew_lease(node.lease, by.lease, random_bytes(16));
    context.store->save_node(node);
    if (!was_up) {
      context.network->nodes_changed();
      context.network->check_soon(node);
    }
    const auto carried = context.network->carried_by(node);
    note_streams(context, node, beat, carried);
    refresh_assignments(context, node, carried);
    context.store->save_node(node);
    return Response::json(reply_of(context, by, beat.assignments_version));
  });
}

}  // namespace coordinator
