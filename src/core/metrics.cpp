#include "core/metrics.hpp"

#include <array>
#include <cstdio>
#include <span>
#include <string_view>

namespace streamr::core {
namespace {

// Bounds of the exported latency histograms, µs: a hop on loopback to several segments.
constexpr std::array<std::uint64_t, 19> bounds_us = {10,        25,        50,        100,       250,     500,     1'000,
                                                     2'500,     5'000,     10'000,    25'000,    50'000,  100'000, 250'000,
                                                     500'000,   1'000'000, 2'500'000, 5'000'000, 10'000'000};

// Label values that are always told, so that a rate over them begins at zero and not at the first event.
using Words = std::span<const std::string_view>;
constexpr std::array<std::string_view, 4> peer_words = {{"publisher", "relay", "upstream", "viewer"}};
constexpr std::array<std::string_view, 7> out_words = {{"http_media", "http_other", "http_playlist", "publisher", "relay", "upstream", "viewer"}};
constexpr std::array<std::string_view, 10> reject_words = {{"authentication", "dropped", "hash", "index", "length", "limit",
                                "malformed",      "revoked", "root", "unannounced"}};
constexpr std::array<std::string_view, 4> drop_words = {{"late", "not_held", "queue", "revoked"}};
constexpr std::array<std::string_view, 3> socket_words = {{"address", "descriptors", "total"}};
constexpr std::array<std::string_view, 5> room_words = {{"cpu", "memory", "shed", "upload", "viewers"}};
constexpr std::array<std::string_view, 4> source_words = {{"dialing", "live", "open", "waiting"}};

std::string seconds(std::uint64_t us) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%llu.%06llu", static_cast<unsigned long long>(us / 1'000'000),
                static_cast<unsigned long long>(us % 1'000'000));
  return text.data();
}

// The shortest form: the label value of a bucket is compared as text.
std::string bound_text(std::uint64_t us) {
  std::string text = seconds(us);
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text;
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

using Counts = std::map<std::string, std::uint64_t>;

Counts with_zeros(Words words, const Counts& counts) {
  Counts out;
  for (const auto word : words) out.emplace(word, 0);
  for (const auto& [word, value] : counts) out[word] = value;
  return out;
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
  void counter(std::string_view name, std::string_view help, std::uint64_t value) { single(name, "counter", help, value); }
  void gauge(std::string_view name, std::string_view help, std::uint64_t value) { single(name, "gauge", help, value); }
  void by_label(std::string_view name, std::string_view type, std::string_view help, std::string_view label_name,
                const Counts& values) {
    if (values.empty()) return;
    head(name, type, help);
    for (const auto& [word, value] : values) line(label(label_name, word), std::to_string(value));
  }
  void histogram(const std::string& labels, const Histogram& samples) {
    const std::string before = labels.empty() ? "" : labels + ',';
    for (const std::uint64_t bound : bounds_us)
      line(before + label("le", bound_text(bound)), std::to_string(samples.count_up_to(bound)), "_bucket");
    line(before + "le=\"+Inf\"", std::to_string(samples.count()), "_bucket");
    line(labels, seconds(samples.sum()), "_sum");
    line(labels, std::to_string(samples.count()), "_count");
  }
  std::string take() { return std::move(text_); }

 private:
  void single(std::string_view name, std::string_view type, std::string_view help, std::uint64_t value) {
    head(name, type, help);
    line({}, std::to_string(value));
  }

  std::string name_;
  std::string text_;
};

void identity_metrics(MetricsText& out, const NodeStats& stats) {
  out.head("node_info", "gauge", "Who this node is; always 1.");
  out.line(label("node", stats.node_key) + ',' + label("role", stats.role) + ',' + label("software", stats.software),
           "1");
  out.head("uptime_seconds", "gauge", "Seconds since the node started.");
  out.line({}, seconds(stats.uptime_us));
  out.head("load_ratio", "gauge", "Load as peers and the coordinator are told it, 0 to 1.");
  out.line({}, std::to_string(stats.load_pct / 100) + '.' + std::to_string(stats.load_pct / 10 % 10) +
                   std::to_string(stats.load_pct % 10));
  out.gauge("memory_bytes", "Memory that the limit covers, in use now.", stats.memory_bytes);
  out.gauge("memory_limit_bytes", "Limit of that memory.", stats.memory_limit_bytes);
  out.gauge("upload_limit_bytes_per_second", "Upload limit; 0 without one.", stats.limits.upload_kbps * 125);
  out.gauge("viewers_limit", "Viewers admitted at most; 0 without a limit.", stats.limits.max_viewers);
}

void traffic_metrics(MetricsText& out, const NodeStats& stats) {
  out.by_label("received_bytes_total", "counter", "Bytes received from peers, by kind of peer.", "source",
               with_zeros(peer_words, stats.bytes_in));
  out.by_label("sent_bytes_total", "counter", "Bytes sent, by kind of peer or of HTTP answer.", "destination",
               with_zeros(out_words, stats.bytes_out));
  out.by_label("slices_rejected_total", "counter", "Slices and chunks that were refused.", "reason",
               with_zeros(reject_words, stats.slices_rejected));
  out.by_label("chunks_dropped_total", "counter", "Chunks that a subscriber was told not to wait for.", "reason",
               with_zeros(drop_words, stats.chunks_dropped));
  Counts statuses;
  for (const auto& [status, count] : stats.http_requests) statuses[std::to_string(status)] = count;
  out.by_label("http_requests_total", "counter", "HTTP requests answered.", "status", statuses);
  out.gauge("queue_bytes", "Bytes that wait in outgoing queues.", stats.queue_bytes);
  out.head("queue_oldest_seconds", "gauge", "Age of the oldest byte that waits.");
  out.line({}, seconds(stats.queue_oldest_us));
  out.head("hop_latency_seconds", "histogram", "Slice verified to handed to a connection, for each subscriber.");
  out.histogram({}, stats.hop_latency_us);
}

void peer_metrics(MetricsText& out, const NodeStats& stats) {
  out.by_label("links", "gauge", "Open peer connections.", "kind", with_zeros(peer_words, stats.links));
  out.counter("links_opened_total", "Peer connections since start.", stats.links_total);
  out.by_label("connections", "gauge", "Open sockets on the listening port.", "kind",
               {{"http", stats.server.http_connections}, {"websocket", stats.server.websocket_connections}});
  out.gauge("connections_limit", "Sockets accepted at most.", stats.server.connections_limit);
  out.counter("connections_accepted_total", "Sockets accepted since start.", stats.server.accepted);
  out.by_label("connections_refused_total", "counter", "Sockets and requests refused before they were served.", "reason",
               with_zeros(socket_words, stats.server.refused));
  out.by_label("admission_refused_total", "counter", "Newcomers refused and viewers sent away (shed) for want of capacity.", "reason",
               with_zeros(room_words, stats.admission_refused));
  out.by_label("errors_sent_total", "counter", "ERROR frames that ended a connection.", "code", stats.errors);
  out.gauge("subscriptions", "Subscriptions served now.", stats.subscriptions);
  out.gauge("sessions", "Sessions with a ticket now.", stats.sessions);
  out.by_label("receipts_total", "counter", "Receipts that came.", "result",
               {{"accepted", stats.receipts_ok}, {"refused", stats.receipts_refused}});
  out.counter("fetches_total", "FETCH frames sent.", stats.fetches);
  out.counter("upstream_switches_total", "Times that a standby became the source.", stats.failovers);
  out.by_label("heartbeats_total", "counter", "Heartbeats to the coordinator.", "result",
               {{"failed", stats.heartbeats_failed}, {"ok", stats.heartbeats_ok}});
  out.counter("equivocations_total", "Equivocation proofs found.", stats.equivocations);
}

using Pick = std::uint64_t (*)(const StreamStats&);
struct StreamFigure {
  std::string_view name, type, help;
  Pick pick;
};
constexpr std::array<StreamFigure, 12> stream_figures = {{
    {"stream_epoch_start_timestamp_seconds", "gauge", "Unix time at which the newest epoch began.",
     [](const StreamStats& s) { return (s.epoch >> 16) / 1000; }},
    {"stream_hop", "gauge", "Nodes on the path, origin 1.", [](const StreamStats& s) { return std::uint64_t{s.hop}; }},
    {"stream_live", "gauge", "1 while an epoch runs.", [](const StreamStats& s) { return std::uint64_t{s.live}; }},
    {"stream_newest_segment", "gauge", "Newest segment held.", [](const StreamStats& s) { return s.newest_segment; }},
    {"stream_chunks_total", "counter", "Chunks verified whole.", [](const StreamStats& s) { return s.chunks; }},
    {"stream_slices_verified_total", "counter", "Slices verified.",
     [](const StreamStats& s) { return s.slices_verified; }},
    {"stream_verified_bytes_total", "counter", "Payload bytes verified.",
     [](const StreamStats& s) { return s.verified_bytes; }},
    {"stream_sent_bytes_total", "counter", "Payload bytes sent on, over SRW/1 and HTTP.",
     [](const StreamStats& s) { return s.sent_bytes; }},
    {"stream_slices_rejected_total", "counter", "Slices refused.",
     [](const StreamStats& s) { return s.slices_rejected; }},
    {"stream_chain_breaks_total", "counter", "Breaks of the header chain.",
     [](const StreamStats& s) { return s.chain_breaks; }},
    {"stream_store_bytes", "gauge", "Memory that its chunks take.", [](const StreamStats& s) { return s.store_bytes; }},
    {"stream_subscribers", "gauge", "Peers that subscribed, viewers and relays.",
     [](const StreamStats& s) { return std::uint64_t{s.viewers}; }},
}};

void stream_metrics(MetricsText& out, const std::vector<StreamStats>& streams) {
  const auto name_of = [](const StreamStats& stream) { return label("stream", stream.stream); };
  for (const StreamFigure& figure : stream_figures) {
    out.head(figure.name, figure.type, figure.help);
    for (const StreamStats& stream : streams) out.line(name_of(stream), std::to_string(figure.pick(stream)));
  }
  out.head("stream_lag_seconds", "gauge", "Now minus capture time of the newest chunk.");
  for (const StreamStats& stream : streams) out.line(name_of(stream), seconds(stream.lag_ms * 1000));
  // By state, not by address: addresses of peers come and go without end.
  out.head("stream_upstreams", "gauge", "Upstreams of the stream, by state; the live one sends slices.");
  for (const StreamStats& stream : streams) {
    Counts states = with_zeros(source_words, {});
    for (const UpstreamStats& upstream : stream.upstreams) ++states[upstream.state];
    for (const auto& [state, count] : states) out.line(name_of(stream) + ',' + label("state", state), std::to_string(count));
  }
  out.head("slice_latency_seconds", "histogram", "Capture to verified, each slice.");
  for (const StreamStats& stream : streams) out.histogram(name_of(stream), stream.slice_latency_us);
  out.head("chunk_latency_seconds", "histogram", "Capture to the last slice verified, each chunk.");
  for (const StreamStats& stream : streams) out.histogram(name_of(stream), stream.chunk_latency_us);
}

}  // namespace

std::string render_metrics(const NodeStats& stats) {
  MetricsText out;
  identity_metrics(out, stats);
  traffic_metrics(out, stats);
  peer_metrics(out, stats);
  if (!stats.streams.empty()) stream_metrics(out, stats.streams);
  return out.take();
}

}  // namespace streamr::core
