#include "core/metrics.hpp"

#include <array>
#include <cstdio>
#include <string_view>

#include "proto/json.hpp"

namespace streamr::core {
namespace {

// Bounds of the exported latency histogram, µs: a hop on loopback to several segments.
constexpr std::array<std::uint64_t, 16> bounds_us = {100,       250,       500,       1'000,     2'500,   5'000,
                                                     10'000,    25'000,    50'000,    100'000,   250'000, 500'000,
                                                     1'000'000, 2'500'000, 5'000'000, 10'000'000};

std::string seconds(std::uint64_t us) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%llu.%06llu", static_cast<unsigned long long>(us / 1'000'000),
                static_cast<unsigned long long>(us % 1'000'000));
  return text.data();
}

std::string label(std::string_view name, std::string_view value) {
  std::string out(name);
  out += "=\"";
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out + '"';
}

class MetricsText {
 public:
  void head(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    text_ += "# HELP streamr_" + name_ + ' ' + std::string(help) + "\n# TYPE streamr_" + name_ + ' ' +
             std::string(type) + '\n';
  }
  void line(const std::string& labels, const std::string& value, std::string_view suffix = {}) {
    text_ += "streamr_" + name_ + std::string(suffix);
    if (!labels.empty()) text_ += '{' + labels + '}';
    text_ += ' ' + value + '\n';
  }
  void single(std::string_view name, std::string_view type, std::string_view help, std::uint64_t value) {
    head(name, type, help);
    line({}, std::to_string(value));
  }
  template <class Map>
  void by_label(std::string_view name, std::string_view type, std::string_view help, std::string_view label_name,
                const Map& values) {
    if (values.empty()) return;
    head(name, type, help);
    for (const auto& [word, value] : values) {
      if constexpr (std::is_integral_v<std::decay_t<decltype(word)>>)
        line(label(label_name, std::to_string(word)), std::to_string(value));
      else
        line(label(label_name, word), std::to_string(value));
    }
  }
  void histogram(const std::string& labels, const Histogram& samples) {
    for (const std::uint64_t bound : bounds_us)
      line(labels + ',' + label("le", seconds(bound)), std::to_string(samples.count_up_to(bound)), "_bucket");
    line(labels + ",le=\"+Inf\"", std::to_string(samples.count()), "_bucket");
    line(labels, seconds(samples.sum()), "_sum");
    line(labels, std::to_string(samples.count()), "_count");
  }
  std::string take() { return std::move(text_); }

 private:
  std::string name_;
  std::string text_;
};

void node_metrics(MetricsText& out, const NodeStats& stats) {
  out.head("info", "gauge", "Who this node is; always 1.");
  out.line(label("node", stats.node_key) + ',' + label("role", stats.role) + ',' + label("software", stats.software),
           "1");
  out.head("uptime_seconds", "gauge", "Seconds since the node started.");
  out.line({}, seconds(stats.uptime_us));
  out.by_label("bytes_in_total", "counter", "Payload bytes received.", "kind", stats.bytes_in);
  out.by_label("bytes_out_total", "counter", "Payload bytes sent.", "kind", stats.bytes_out);
  out.by_label("slices_rejected_total", "counter", "Slices and chunks that were refused.", "reason",
               stats.slices_rejected);
  out.by_label("chunks_dropped_total", "counter", "Chunks not sent to a subscriber.", "reason", stats.chunks_dropped);
  out.by_label("http_requests_total", "counter", "HTTP requests answered.", "status", stats.http_requests);
  out.by_label("links", "gauge", "Open peer connections.", "kind", stats.links);
  out.by_label("errors_sent_total", "counter", "ERROR frames sent.", "code", stats.errors);
  out.single("links_total", "counter", "Peer connections since start.", stats.links_total);
  out.single("subscriptions", "gauge", "Subscriptions served now.", stats.subscriptions);
  out.single("sessions", "gauge", "Sessions with a ticket now.", stats.sessions);
  out.single("receipts_accepted_total", "counter", "Receipts accepted.", stats.receipts_ok);
  out.single("receipts_refused_total", "counter", "Receipts refused.", stats.receipts_refused);
  out.single("fetches_total", "counter", "FETCH frames sent.", stats.fetches);
  out.single("failovers_total", "counter", "Times a standby became the source.", stats.failovers);
  out.single("heartbeats_ok_total", "counter", "Heartbeats answered by the coordinator.", stats.heartbeats_ok);
  out.single("heartbeats_failed_total", "counter", "Heartbeats that failed.", stats.heartbeats_failed);
  out.single("equivocations_total", "counter", "Equivocation proofs found.", stats.equivocations);
  out.single("queue_bytes", "gauge", "Bytes that wait in outgoing queues.", stats.queue_bytes);
  out.head("queue_oldest_seconds", "gauge", "Age of the oldest byte that waits.");
  out.line({}, seconds(stats.queue_oldest_us));
  out.single("memory_limit_bytes", "gauge", "Memory limit of the stores.", stats.memory_limit_bytes);
}

using Pick = std::uint64_t (*)(const StreamStats&);
struct StreamFigure {
  std::string_view name, type, help;
  Pick pick;
};
constexpr std::array<StreamFigure, 11> stream_figures = {{
    {"stream_epoch", "gauge", "Newest epoch.", [](const StreamStats& s) { return s.epoch; }},
    {"stream_hop", "gauge", "Nodes on the path, origin 1.", [](const StreamStats& s) { return std::uint64_t{s.hop}; }},
    {"stream_live", "gauge", "1 while an epoch runs.", [](const StreamStats& s) { return std::uint64_t{s.live}; }},
    {"stream_newest_segment", "gauge", "Newest segment held.", [](const StreamStats& s) { return s.newest_segment; }},
    {"stream_chunks_total", "counter", "Chunks verified whole.", [](const StreamStats& s) { return s.chunks; }},
    {"stream_slices_verified_total", "counter", "Slices verified.",
     [](const StreamStats& s) { return s.slices_verified; }},
    {"stream_verified_bytes_total", "counter", "Payload bytes verified.",
     [](const StreamStats& s) { return s.verified_bytes; }},
    {"stream_slices_rejected_total", "counter", "Slices refused.",
     [](const StreamStats& s) { return s.slices_rejected; }},
    {"stream_chain_breaks_total", "counter", "Breaks of the header chain.",
     [](const StreamStats& s) { return s.chain_breaks; }},
    {"stream_store_bytes", "gauge", "Memory that its chunks take.", [](const StreamStats& s) { return s.store_bytes; }},
    {"stream_viewers", "gauge", "Viewers served now.", [](const StreamStats& s) { return std::uint64_t{s.viewers}; }},
}};

void latency_json(proto::JsonWriter& json, std::string_view name, const Histogram& samples) {
  json.begin_object(name);
  json.member("p50", samples.quantile(0.50)).member("p99", samples.quantile(0.99));
  json.member("max", samples.max()).member("count", samples.count());
  json.end_object();
}

template <class Map>
void map_json(proto::JsonWriter& json, std::string_view name, const Map& values) {
  json.begin_object(name);
  for (const auto& [word, value] : values) {
    if constexpr (std::is_integral_v<std::decay_t<decltype(word)>>)
      json.member(std::to_string(word), value);
    else
      json.member(word, value);
  }
  json.end_object();
}

void stream_json(proto::JsonWriter& json, const StreamStats& stream) {
  json.begin_object();
  json.member("stream", stream.stream).member("alias", stream.alias).member_decimal("epoch", stream.epoch);
  json.member("hop", stream.hop).member("live", stream.live);
  json.member("oldest", stream.oldest_segment)
      .member("newest", stream.newest_segment)
      .member("newest_part", std::uint32_t{stream.newest_part});
  json.member("lag_ms", stream.lag_ms)
      .member("chunks", stream.chunks)
      .member("slices_verified", stream.slices_verified);
  json.member("verified_bytes", stream.verified_bytes).member("slices_rejected", stream.slices_rejected);
  json.member("chain_breaks", stream.chain_breaks)
      .member("store_bytes", stream.store_bytes)
      .member("viewers", stream.viewers);
  json.begin_object("latency_us");
  latency_json(json, "slice", stream.slice_latency_us);
  latency_json(json, "chunk", stream.chunk_latency_us);
  json.end_object();
  json.begin_array("upstreams");
  for (const UpstreamStats& upstream : stream.upstreams) {
    json.begin_object();
    json.member("url", upstream.url).member("state", upstream.state).member("standby", upstream.standby);
    json.member("slices", upstream.slices).member("rejected", upstream.rejected);
    json.end_object();
  }
  json.end_array();
  json.end_object();
}

}  // namespace

std::string render_metrics(const NodeStats& stats) {
  MetricsText out;
  node_metrics(out, stats);
  if (stats.streams.empty()) return out.take();
  const auto name_of = [](const StreamStats& stream) { return label("stream", stream.stream); };
  for (const StreamFigure& figure : stream_figures) {
    out.head(figure.name, figure.type, figure.help);
    for (const StreamStats& stream : stats.streams) out.line(name_of(stream), std::to_string(figure.pick(stream)));
  }
  out.head("stream_lag_seconds", "gauge", "Now minus capture time of the newest whole chunk.");
  for (const StreamStats& stream : stats.streams) out.line(name_of(stream), seconds(stream.lag_ms * 1000));
  out.head("slice_latency_seconds", "histogram", "Capture to verified, each slice.");
  for (const StreamStats& stream : stats.streams) out.histogram(name_of(stream), stream.slice_latency_us);
  out.head("chunk_latency_seconds", "histogram", "Capture to the last slice verified, each chunk.");
  for (const StreamStats& stream : stats.streams) out.histogram(name_of(stream), stream.chunk_latency_us);
  return out.take();
}

std::string render_stats_json(const NodeStats& stats) {
  proto::JsonWriter json;
  json.begin_object();
  json.member("node", stats.node_key).member("role", stats.role).member("software", stats.software);
  json.member("uptime_s", stats.uptime_us / 1'000'000).member("memory_limit_bytes", stats.memory_limit_bytes);
  map_json(json, "bytes_in", stats.bytes_in);
  map_json(json, "bytes_out", stats.bytes_out);
  map_json(json, "slices_rejected", stats.slices_rejected);
  map_json(json, "chunks_dropped", stats.chunks_dropped);
  map_json(json, "http_requests", stats.http_requests);
  map_json(json, "links", stats.links);
  map_json(json, "errors", stats.errors);
  json.member("links_total", stats.links_total)
      .member("subscriptions", stats.subscriptions)
      .member("sessions", stats.sessions);
  json.member("receipts_ok", stats.receipts_ok).member("receipts_refused", stats.receipts_refused);
  json.member("fetches", stats.fetches)
      .member("failovers", stats.failovers)
      .member("equivocations", stats.equivocations);
  json.member("heartbeats_ok", stats.heartbeats_ok).member("heartbeats_failed", stats.heartbeats_failed);
  json.member("queue_bytes", stats.queue_bytes).member("queue_oldest_us", stats.queue_oldest_us);
  json.begin_array("streams");
  for (const StreamStats& stream : stats.streams) stream_json(json, stream);
  json.end_array();
  json.end_object();
  return json.take();
}

}  // namespace streamr::core
