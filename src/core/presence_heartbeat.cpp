#include "core/presence_heartbeat.hpp"

#include <algorithm>

#include "core/presence_register.hpp"

namespace streamr::core {

namespace {

constexpr std::uint64_t soonest_us = 1'000'000;
constexpr std::size_t streams_told = 24;
constexpr std::size_t counters_told = 32;
constexpr std::size_t request_bytes = 8 * 1024;
constexpr std::size_t addresses_bytes = 1024;              // kept free for them
constexpr std::size_t revocations_kept = 4096;
constexpr std::uint64_t json_integer_max = (std::uint64_t{1} << 53) - 1;

void write_stream(proto::JsonWriter& json, const StreamReport& stream) {
  json.begin_object()
      .member_hex("stream", stream.stream.view())
      .member_decimal("epoch", stream.epoch)
      .member_hex("head", stream.head.view())
      .member("newest", std::min(stream.newest, json_integer_max))
      .member("lag_ms", std::min(stream.lag_ms, json_integer_max))
      .member("viewers", stream.viewers)
      .end_object();
}

}  // namespace

void Heartbeat::begin(std::uint32_t interval_ms, Now now) {
  interval_us_ = ms_to_us(std::clamp<std::uint32_t>(interval_ms, 100, 300'000));
  backoff_.reset();
  replays_ = 0;
  assignments_version_ = 0;                                // another life of the coordinator may count anew
  due_us_ = now.mono_us;
}

void Heartbeat::soon(Now now) {
  if (under_way_) { soon_again_ = true; return; }
  if (due_us_ == never_us) return;
  const std::uint64_t earliest_us = sent_us_ == 0 ? now.mono_us : std::max(now.mono_us, sent_us_ + soonest_us);
  due_us_ = std::min(due_us_, earliest_us);
}

void Heartbeat::next(Now now) {
  due_us_ = sent_us_ + context_.prng.between(interval_us_ * 8 / 10, interval_us_ * 12 / 10);
  due_us_ = std::max(due_us_, now.mono_us);
  if (!soon_again_) return;
  soon_again_ = false;
  soon(now);
}

bool Heartbeat::due(Now now) const {
  return !under_way_ && now.mono_us >= due_us_ && context_.lease && !context_.signed_under_way();
}

std::optional<HttpCall> Heartbeat::poll(Now now, const NodeReport& report) {
  if (!due(now)) return std::nullopt;
  under_way_ = true;
  sent_us_ = now.mono_us;
  const std::string text = body(report, now);
  return context_.signed_call(Route::heartbeat, "POST", "/v1/nodes/heartbeat", SharedBytes::copy(view_of(text)), now);
}

std::string Heartbeat::body(const NodeReport& report, Now now) {
  proto::JsonWriter json;
  json.begin_object().member("seq", ++seq_).member("uptime_s", (now.mono_us - started_us_) / 1'000'000);
  json.member("assignments_version", assignments_version_);
  json.member("free_kbps", report.free_kbps).member("load_pct", std::min(report.load_pct, 100u));
  addresses_sent_.reset();
  if (context_.addresses_told != context_.config.advertise_url) {
    addresses_sent_ = context_.config.advertise_url;
    write_addresses(json, *addresses_sent_);
  }
  json.begin_array("streams");
  const std::size_t told = std::min(report.streams.size(), streams_told);
  for (std::size_t n = 0; n < told; ++n)
    write_stream(json, report.streams[(stream_cursor_ + n) % report.streams.size()]);
  if (!report.streams.empty()) stream_cursor_ = (stream_cursor_ + told) % report.streams.size();
  json.end_array().begin_object("counters");
  std::size_t left = std::min(report.counters.size(), counters_told);
  for (const auto& [name, value] : report.counters) {
    if (left-- == 0 || json.text().size() + name.size() + addresses_bytes > request_bytes) break;
    json.member(name, std::min(value, json_integer_max));
  }
  json.end_object().end_object();
  return json.take();
}

bool Heartbeat::on_answer(const Answer& answer, Now now) {
  under_way_ = false;
  if (answer.passing()) {
    // A lost reply is asked for again under the same lease, which the coordinator then knows as the one before its newest.
    context_.lost(answer);
    due_us_ = std::max(context_.retry_at(answer, backoff_, now), sent_us_ + 100'000);
    return true;
  }
  const auto document = proto::parse_json(answer.text());
  const auto lease = document ? document->root().get_fixed<Lease>("lease") : Result<Lease>(document.error());
  if (answer.good() && lease) {
    context_.lease = *lease;
    context_.refusal_over();
    context_.reached();
    backoff_.reset();
    replays_ = 0;
    if (addresses_sent_) context_.addresses_told = std::exchange(addresses_sent_, std::nullopt);
    learn(document->root());
    next(now);
    return true;
  }
  const ApiError error = read_error(answer);
  const bool replayed = error.code == "counter_replayed" && ++replays_ < replays_before_registering;
  if (answer.status == 401 && !replayed) return false;
  if (!replayed) context_.lost(Answer{0, {}, {}, answer.good() ? "its heartbeat answer carries no lease" : describe(answer)});
  due_us_ = context_.retry_at(answer, backoff_, now);
  return true;
}

void Heartbeat::learn(const proto::JsonView& reply) {
  if (const auto warning = reply.get_string("warning"); warning && *warning == "clock" && !clock_told_) {
    clock_told_ = true;
    context_.emit(Reachable{true, "the coordinator's clock and this machine's differ by more than two minutes: set the clock"});
  }
  learn_revocations(reply);
  learn_assignments(reply);
}

void Heartbeat::learn_assignments(const proto::JsonView& reply) {
  const auto list = reply.get_array("assignments");
  if (!list) return;                                       // unchanged
  Assignments told;
  for (const proto::JsonView entry : *list) {
    const auto stream = entry.get_fixed<StreamId>("stream");
    if (!stream) continue;
    Assignment assignment{*stream, {}, {}};
    if (const auto alias = entry.get_string("alias")) assignment.alias = *alias;
    std::size_t named = 0;
    if (const auto upstreams = entry.get_array("upstreams")) {
      named = upstreams->size();
      assignment.upstreams = read_offers(*upstreams);
    }
    // Upstreams that cannot be read must not make an origin out of a relay.
    if (named > 0 && assignment.upstreams.empty()) continue;
    told.assignments.push_back(std::move(assignment));
  }
  if (const auto version = reply.get_u64("assignments_version")) assignments_version_ = *version;
  context_.emit(std::move(told));
}

void Heartbeat::learn_revocations(const proto::JsonView& reply) {
  const auto list = reply.get_array("revocations");
  if (!list) return;
  Revocations told;
  for (const proto::JsonView entry : *list) {
    const auto bytes = entry.as_hex("revocation", proto::Revocation::size);
    if (!bytes || revocations_seen_.contains(crypto::sha256(*bytes))) continue;
    const auto revocation = proto::parse_revocation(*bytes);
    if (!revocation || !proto::verify_revocation(*revocation)) continue;
    if (revocations_seen_.size() >= revocations_kept) revocations_seen_.clear();
    revocations_seen_.insert(crypto::sha256(*bytes));
    told.revocations.push_back(*revocation);
  }
  if (!told.revocations.empty()) context_.emit(std::move(told));
}

}  // namespace streamr::core
