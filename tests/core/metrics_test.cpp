#include "core/metrics.hpp"

#include <doctest/doctest.h>

#include "core/http_pages.hpp"
#include "proto/json.hpp"

using namespace streamr;
using core::Histogram;

namespace {

bool holds(const std::string& text, const std::string& word) {
  return text.find(word) != std::string::npos;
}

core::NodeStats sample() {
  core::NodeStats stats;
  stats.node_key = std::string(64, 'a');
  stats.role = "relay";
  stats.software = "streamr 0.1.0";
  stats.uptime_us = 12'345'678;
  stats.time_us = 1'790'000'000'000'000;
  stats.load_pct = 7;
  stats.memory_bytes = 1000;
  stats.memory_limit_bytes = 2000;
  stats.limits = {5000, 40};
  stats.server.http_connections = 6;
  stats.server.refused["address"] = 2;
  stats.bytes_in["upstream"] = 77;
  stats.bytes_out["http_media"] = 88;
  stats.admission_refused["viewers"] = 4;
  for (std::uint64_t i = 0; i < 100; ++i) stats.hop_latency_us.add(30);
  stats.slices_rejected["hash"] = 3;
  stats.http_requests[206] = 9;
  core::StreamStats stream;
  stream.stream = std::string(64, 'b');
  stream.alias = "a \"quoted\" name";
  stream.epoch = (1'790'000'000'000ull << 16) | 1;
  stream.hop = 2;
  stream.live = true;
  stream.newest_segment = 1'790'000'123;
  stream.newest_part = 3;
  for (std::uint64_t i = 1; i <= 1000; ++i) stream.slice_latency_us.add(i);
  stream.upstreams.push_back({"ws://127.0.0.1:1/relay", "live", false, 10, 1});
  stats.streams.push_back(stream);
  return stats;
}

}  // namespace

TEST_CASE("a histogram's quantiles are right to two percent over nine decades") {
  Histogram samples;
  for (std::uint64_t i = 1; i <= 100'000; ++i) samples.add(i * 10);
  CHECK(samples.count() == 100'000);
  for (const double q : {0.01, 0.5, 0.9, 0.99, 0.999}) {
    const double exact = q * 1'000'000;
    const double estimate = static_cast<double>(samples.quantile(q));
    CHECK(estimate > exact * 0.98);
    CHECK(estimate < exact * 1.02);
  }
  CHECK(samples.quantile(1) <= samples.max());
  CHECK(samples.quantile(0) >= 9);
  CHECK(Histogram().quantile(0.5) == 0);
}

TEST_CASE("a histogram takes any sample and counts those up to a bound") {
  Histogram samples;
  samples.add(0);
  samples.add(127);
  samples.add(128);
  samples.add(UINT64_MAX);
  CHECK(samples.count() == 4);
  CHECK(samples.count_up_to(0) == 1);
  CHECK(samples.count_up_to(127) == 2);
  CHECK(samples.count_up_to(1000) == 3);
  CHECK(samples.quantile(0.5) == 127);
}

TEST_CASE("two histograms add up") {
  Histogram a, b;
  a.add(5);
  b.add(1'000'000);
  a.merge(b);
  CHECK(a.count() == 2);
  CHECK(a.max() == 1'000'000);
  CHECK(a.sum() == 1'000'005);
}

TEST_CASE("stats.json has every stream's figures, epochs as decimal strings") {
  const std::string text = core::render_stats_json(sample());
  const auto json = proto::parse_json(text);
  REQUIRE(json);
  CHECK(*json->root().get_string("role") == "relay");
  CHECK(*json->root().get_u64("uptime_s") == 12);
  const auto streams = json->root().get_array("streams");
  REQUIRE(streams);
  const auto stream = *streams->begin();
  CHECK(*stream.get_decimal_u64("epoch") == ((1'790'000'000'000ull << 16) | 1));
  CHECK(*stream.get_string("alias") == "a \"quoted\" name");
  CHECK(*stream.get_u64("hop") == 2);
  const auto slice = stream.get_object("latency_us")->get_object("slice");
  CHECK(*slice->get_u64("count") == 1000);
  CHECK(*slice->get_u64("p50") > 490);
  CHECK(*slice->get_u64("p50") < 510);
  CHECK(*stream.get_object("latency_us")->get_object("chunk")->get_u64("count") == 0);
  const auto upstream = *stream.get_array("upstreams")->begin();
  CHECK(*upstream.get_string("state") == "live");
  CHECK(*upstream.get_bool("standby") == false);
}

TEST_CASE("stats.json tells limits, load, sockets and what was refused for want of room") {
  const auto json = proto::parse_json(core::render_stats_json(sample()));
  REQUIRE(json);
  const auto root = json->root();
  CHECK(*root.get_u64("load_pct") == 7);
  CHECK(*root.get_u64("memory_bytes") == 1000);
  CHECK(*root.get_object("limits")->get_u64("upload_kbps") == 5000);
  CHECK(*root.get_object("limits")->get_u64("max_viewers") == 40);
  CHECK(*root.get_object("connections")->get_u64("http") == 6);
  CHECK(*root.get_object("connections")->get_object("refused")->get_u64("address") == 2);
  CHECK(*root.get_object("admission_refused")->get_u64("viewers") == 4);
  CHECK(*root.get_object("hop_latency_us")->get_u64("count") == 100);
  CHECK(*root.get_object("bytes_out")->get_u64("http_media") == 88);
}

TEST_CASE("metrics are Prometheus text: each name typed once, labels quoted, buckets cumulative") {
  const std::string text = core::render_metrics(sample());
  CHECK(holds(text, "streamr_received_bytes_total{source=\"upstream\"} 77\n"));
  CHECK(holds(text, "streamr_sent_bytes_total{destination=\"http_media\"} 88\n"));
  CHECK(holds(text, "streamr_slices_rejected_total{reason=\"hash\"} 3\n"));
  CHECK(holds(text, "streamr_http_requests_total{status=\"206\"} 9\n"));
  CHECK(holds(text, "streamr_load_ratio 0.07\n"));
  CHECK(holds(text, "streamr_upload_limit_bytes_per_second 625000\n"));
  CHECK(holds(text, "streamr_stream_hop{stream=\"" + std::string(64, 'b') + "\"} 2\n"));
  CHECK(holds(text, "streamr_stream_upstreams{stream=\"" + std::string(64, 'b') + "\",state=\"live\"} 1\n"));
  CHECK(
      holds(text, "streamr_slice_latency_seconds_bucket{stream=\"" + std::string(64, 'b') + "\",le=\"+Inf\"} 1000\n"));
  CHECK(holds(text, "streamr_slice_latency_seconds_sum{stream=\"" + std::string(64, 'b') + "\"} 0.500500\n"));
  CHECK(holds(text, "streamr_hop_latency_seconds_bucket{le=\"0.00005\"} 100\n"));
  for (const char* name : {"streamr_uptime_seconds", "streamr_slice_latency_seconds", "streamr_stream_chunks_total"}) {
    const std::string type = std::string("# TYPE ") + name + ' ';
    CHECK(text.find(type) == text.rfind(type));
    CHECK(holds(text, type));
  }
  CHECK(text.back() == '\n');
}

TEST_CASE("a reason that nothing was refused for yet is told as zero, so that a rate over it begins at zero") {
  const std::string text = core::render_metrics(core::NodeStats{});
  CHECK(holds(text, "streamr_slices_rejected_total{reason=\"root\"} 0\n"));
  CHECK(holds(text, "streamr_chunks_dropped_total{reason=\"late\"} 0\n"));
  CHECK(holds(text, "streamr_sent_bytes_total{destination=\"viewer\"} 0\n"));
}

TEST_CASE("a person who opens a relay's address sees its streams, and no name can inject markup") {
  core::RelayPage page{std::string(64, 'c'), "relay", "streamr 0.1.0", {}, {}};
  CHECK(holds(core::relay_index_html(page), "no stream"));
  page.streams.push_back({std::string(64, 'd'), "<script>", true, 1});
  page.streams.push_back({std::string(64, 'e'), "", false, 0});
  const std::string html = core::relay_index_html(page);
  CHECK_FALSE(holds(html, "<script>"));
  CHECK(holds(html, "href=\"/live/" + std::string(64, 'e') + ".m3u8\""));
  CHECK(holds(html, "is live, 1 viewer<"));
}

TEST_CASE("a relay's page gives addresses that can be copied into a player as they are") {
  core::RelayPage page{std::string(64, 'c'), "relay", "streamr 0.1.0", {}, {}};
  page.streams.push_back({std::string(64, 'd'), "talk", true, 0});
  page.origin = core::page_origin("ws://203.0.113.7:8080/relay", "relay.example:8080");
  CHECK(holds(core::relay_index_html(page), "<code>http://relay.example:8080/live/talk.m3u8</code>"));
  CHECK(core::page_origin("wss://relay.example/relay", "relay.example") == "https://relay.example");
  CHECK(core::page_origin("", "[2001:db8::1]:8080") == "http://[2001:db8::1]:8080");
  for (const char* host : {"", "a b", "x\"><script>", "a/b", "user@host"}) CHECK(core::page_origin("", host).empty());
  CHECK(core::page_origin("", std::string(300, 'a')).empty());
}
