// /stats.json: the same figures as /metrics for programs that want one document, `streamr-relay top` among them.
#include "core/metrics.hpp"
#include "proto/json.hpp"

namespace streamr::core {
namespace {

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

void server_json(proto::JsonWriter& json, const ServerStats& server) {
  json.begin_object("connections");
  json.member("http", server.http_connections).member("websocket", server.websocket_connections);
  json.member("limit", server.connections_limit).member("accepted", server.accepted).member("loops", server.loops);
  map_json(json, "refused", server.refused);
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
  json.member("verified_bytes", stream.verified_bytes)
      .member("sent_bytes", stream.sent_bytes)
      .member("slices_rejected", stream.slices_rejected);
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

std::string render_stats_json(const NodeStats& stats) {
  proto::JsonWriter json;
  json.begin_object();
  json.member("node", stats.node_key).member("name", stats.name);
  json.member("role", stats.role).member("software", stats.software);
  json.member("time_us", stats.time_us).member("uptime_s", stats.uptime_us / 1'000'000);
  json.member("load_pct", stats.load_pct)
      .member("memory_bytes", stats.memory_bytes)
      .member("memory_limit_bytes", stats.memory_limit_bytes);
  json.begin_object("limits");
  json.member("upload_kbps", stats.limits.upload_kbps).member("max_viewers", stats.limits.max_viewers);
  json.end_object();
  server_json(json, stats.server);
  map_json(json, "bytes_in", stats.bytes_in);
  map_json(json, "bytes_out", stats.bytes_out);
  map_json(json, "slices_rejected", stats.slices_rejected);
  map_json(json, "chunks_dropped", stats.chunks_dropped);
  map_json(json, "admission_refused", stats.admission_refused);
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
  latency_json(json, "hop_latency_us", stats.hop_latency_us);
  json.begin_array("streams");
  for (const StreamStats& stream : stats.streams) stream_json(json, stream);
  json.end_array();
  json.end_object();
  return json.take();
}

}  // namespace streamr::core
