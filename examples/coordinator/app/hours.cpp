#include "coordinator/app/hours.hpp"

#include <algorithm>
#include <map>

#include "common/log.hpp"
#include "coordinator/app/network.hpp"
#include "coordinator/rules/live.hpp"
#include "coordinator/rules/settle.hpp"
#include "coordinator/rules/text.hpp"

namespace coordinator {
namespace {

constexpr int64_t kCutMs = 120'000;
constexpr int64_t kLongestSpanMs = 60'000;                         // over 1.5 x the longest heartbeat interval
constexpr uint64_t kSessionKeptUs = 8ULL * 24 * 3600 * 1'000'000;  // a batch may come up to 7 days late

using Served = std::map<std::string, std::map<std::string, SlotBits>>;  // by stream, by node

Served slots_in(Context& context, int64_t hour) {
  const int64_t start = hour * kHourMs;
  std::map<std::pair<std::string, std::string>, std::vector<Beat>> beats;
  for (const StreamBeat& b : context.store->beats(start - kLongestSpanMs, start + kHourMs)) {
    beats[{b.stream, b.node}].push_back(b.beat);
  }
  std::map<std::string, std::vector<Check>> checks;
  if (!beats.empty()) {
    for (const NodeCheck& c : context.store->checks(start + kHourMs)) checks[c.node].push_back(c.check);
  }
  Served served;
  for (const auto& [who, list] : beats) {
    SlotBits bits = slots_of_hour(list, checks[who.second], start);
    // Slots that have not begun are nobody's yet.
    const int64_t begun = std::clamp<int64_t>((context.now_ms() - start + kSlotMs - 1) / kSlotMs, 0, kSlotsAnHour);
    for (auto i = static_cast<size_t>(begun); i < bits.size(); ++i) bits.reset(i);
    if (bits.any()) served[who.first][who.second] = bits;
  }
  return served;
}

struct Division {
  SettledHour settled;
  std::vector<PayRow> rows;
  int64_t income = 0;
};

Division divide(Context& context, int64_t hour, const StreamRecord& stream, const HourRecord& before,
                const std::map<std::string, SlotBits>& nodes) {
  Division out;
  out.income = stream.pool;
  StreamHour work{stream.pool, before.target_after, before.fund_after, {}};
  for (const auto& [key, bits] : nodes) {
    const auto node = context.store->node_by_key(key);
    work.nodes.push_back({to_hex(key), node && node->role == "origin", static_cast<int64_t>(bits.count())});
    out.rows.push_back({hour, stream.id, key, bits, 0, false});
  }
  out.settled = settle_uptime_v0(work);
  for (size_t i = 0; i < out.rows.size(); ++i) out.rows[i].pay = static_cast<int64_t>(out.settled.pay[i].amount);
  return out;
}

std::string pack(const SlotBits& bits) {
  std::string out(45, '\0');
  for (size_t i = 0; i < bits.size(); ++i) {
    if (bits[i]) out[i / 8] = static_cast<char>(out[i / 8] | 1 << (i % 8));
  }
  return out;
}

SlotBits unpack(const std::string& bytes) {
  SlotBits bits;
  for (size_t i = 0; i < bits.size() && i / 8 < bytes.size(); ++i) bits[i] = (bytes[i / 8] >> (i % 8) & 1) != 0;
  return bits;
}

int64_t closed_hour(Context& context) {
  const auto value = parse_i64(context.store->setting("closed_hour"));
  return value ? *value : context.now_ms() / kHourMs - 1;
}

void close_hour(Context& context, int64_t hour) {
  for (const auto& [id, nodes] : slots_in(context, hour)) {
    const auto stream = context.store->stream_by_id(id);
    if (!stream) continue;
    const Division d = divide(context, hour, *stream, context.store->last_hour(id).value_or(HourRecord{}), nodes);
    context.store->add_hour(
        {hour, id, d.income, d.settled.pool, d.settled.target_after, d.settled.fund_after, d.settled.surplus});
    for (const PayRow& row : d.rows) {
      context.store->add_hour_node(
          {hour, id, row.node, pack(row.bits), static_cast<int64_t>(row.bits.count()), row.pay});
    }
    streamr::programs::log_info("hour_closed", "an hour of a stream was divided",
                                {{"hour", hour},
                                 {"stream", to_hex(id)},
                                 {"pool", format_money(d.settled.pool)},
                                 {"nodes", static_cast<int64_t>(d.rows.size())}});
  }
}

}  // namespace

std::vector<PayRow> pay_rows(Context& context, int64_t from_hour) {
  std::vector<PayRow> rows;
  for (const HourNodeRecord& r : context.store->hour_nodes(from_hour)) {
    rows.push_back({r.hour, r.stream, r.node, unpack(r.bits), r.pay, true});
  }
  std::map<std::string, HourRecord> before;
  const int64_t running = context.now_ms() / kHourMs;
  for (int64_t hour = std::max(from_hour, closed_hour(context) + 1); hour <= running; ++hour) {
    for (const auto& [id, nodes] : slots_in(context, hour)) {
      const auto stream = context.store->stream_by_id(id);
      if (!stream) continue;
      if (!before.contains(id)) before[id] = context.store->last_hour(id).value_or(HourRecord{});
      const Division d = divide(context, hour, *stream, before[id], nodes);
      before[id].target_after = d.settled.target_after;
      before[id].fund_after = d.settled.fund_after;
      rows.insert(rows.end(), d.rows.begin(), d.rows.end());
    }
  }
  return rows;
}

Uptime uptime_of(const std::vector<PayRow>& rows, const std::string& stream, const std::string& node, int64_t from_ms,
                 int64_t now_ms) {
  Uptime out;
  int64_t first_ms = INT64_MAX;
  for (const PayRow& row : rows) {
    if (row.stream != stream || row.node != node) continue;
    for (size_t i = 0; i < row.bits.size(); ++i) {
      const int64_t begins = row.hour * kHourMs + static_cast<int64_t>(i) * kSlotMs;
      if (!row.bits[i] || begins + kSlotMs <= from_ms || begins >= now_ms) continue;
      ++out.good;
      first_ms = std::min(first_ms, begins);
    }
  }
  if (out.good > 0) out.total = std::max(out.good, (now_ms - first_ms + kSlotMs - 1) / kSlotMs);
  return out;
}

void begin_hours(Context& context) {
  if (!context.store->setting("closed_hour").empty()) return;
  context.store->set_setting("closed_hour", std::to_string(context.now_ms() / kHourMs - 1));
}

void close_due_hours(Context& context) {
  const int64_t last = closed_hour(context);
  const int64_t due = (context.now_ms() - kCutMs) / kHourMs - 1;
  if (due <= last) return;
  Transaction transaction(*context.store);
  for (int64_t hour = last + 1; hour <= due; ++hour) close_hour(context, hour);
  context.store->set_setting("closed_hour", std::to_string(due));
  context.store->forget_beats((due + 1) * kHourMs - kLongestSpanMs);
  context.store->forget_sessions(context.now_us - kSessionKeptUs);
  transaction.commit();
}

void refresh_live_states(Context& context) {
  for (StreamRecord& stream : context.store->streams()) {
    if (!stream.is_live) continue;
    bool named = false;
    for (const ReportRecord& report : context.store->reports_of(stream.id)) {
      const auto node = context.store->node_by_key(report.node);
      named = named || (node && context.network->is_up(*node) && context.network->speaks_for_streams(*node));
    }
    if (!goes_offline(stream, named, context.now_ms(), context.silent_ms())) continue;
    mark_offline(stream, context.now_ms());
    context.store->save_stream(stream);
    streamr::programs::log_info("stream_offline", "a stream is no longer live", {{"stream", to_hex(stream.id)}});
  }
}

}  // namespace coordinator
