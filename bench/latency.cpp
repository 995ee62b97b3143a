// Publish-to-verified time of every slice at hops 0 to 3 on loopback, and the same slices through bare sockets beside
// it.
//
//   bench_latency [--seconds N] [--kbps N] [--hops N]
//
// One JSON object on standard output: {"ours": [{"hop", "p50_us", "p99_us", "count"}…], "bare": […]}.
#include <cjson/cJSON.h>
#include <streamr/streamr.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bare_chain.hpp"

namespace {

using streamr::bench::Pace;
using streamr::bench::Percentiles;
using streamr::bench::unix_us;

constexpr std::uint64_t ready_limit_us = 15'000'000;
constexpr std::uint32_t stop_limit_ms = 2'000;

struct Failed {
  std::string text;
};

void must(streamr_status_t status, const char* what) {
  if (status != STREAMR_OK) throw Failed{std::string(what) + ": " + streamr_status_message(status)};
}

using Key = std::unique_ptr<streamr_key_t, decltype(&streamr_key_destroy)>;
using Node = std::unique_ptr<streamr_node_t, decltype(&streamr_node_destroy)>;

Key make_key() {
  streamr_key_t* key = nullptr;
  must(streamr_key_generate(&key), "making a key");
  return {key, streamr_key_destroy};
}

Node make_node(const streamr_node_options_t& options) {
  streamr_error_t error = STREAMR_ERROR_INIT;
  streamr_node_t* node = nullptr;
  if (streamr_node_create(&options, &node, &error) != STREAMR_OK) throw Failed{error.text};
  Node owned{node, streamr_node_destroy};
  if (streamr_node_start(node, &error) != STREAMR_OK) throw Failed{error.text};
  return owned;
}

Node make_relay() {
  streamr_node_options_t options = STREAMR_NODE_OPTIONS_INIT;
  options.role = STREAMR_ROLE_RELAY;
  options.listen = "127.0.0.1:0";
  options.flags = STREAMR_NODE_OPEN_TICKETS | STREAMR_NODE_ANY_STREAM;
  return make_node(options);
}

std::string address_of(const Node& relay) {
  char listening[128];
  must(streamr_node_listening(relay.get(), listening, sizeof listening), "asking a relay for its address");
  return "ws://" + std::string(listening) + "/relay";
}

struct Stream {
  Key root = make_key();
  Key session = make_key();
  std::uint8_t id[32];
  std::uint8_t certificate[STREAMR_CERTIFICATE_BYTES];
};

Stream make_stream(std::uint32_t kbps) {
  Stream stream;
  const std::uint64_t now_us = unix_us();
  streamr_certificate_t fields = STREAMR_CERTIFICATE_INIT;
  fields.epoch = (now_us / 1000) << 16;
  fields.not_before_s = now_us / 1'000'000 - 60;
  fields.not_after_s = now_us / 1'000'000 + 3600;
  fields.serial = now_us / 1'000'000;
  fields.max_kbps = kbps * 2;
  must(streamr_key_public(stream.session.get(), fields.session_key), "reading the session key");
  must(streamr_key_public(stream.root.get(), stream.id), "reading the root key");
  must(streamr_certificate_issue(stream.root.get(), &fields, stream.certificate), "issuing the certificate");
  return stream;
}

// Origin first; each further relay takes the stream from the one before.
std::vector<Node> make_chain(const Stream& stream, std::uint32_t hops) {
  std::vector<Node> relays;
  for (std::uint32_t hop = 0; hop <= hops; ++hop) {
    const std::string upstream = hop == 0 ? "" : address_of(relays.back());
    relays.push_back(make_relay());
    must(streamr_relay_carry(relays.back().get(), stream.id, hop == 0 ? nullptr : upstream.c_str(), nullptr, 0),
         "carrying the stream");
  }
  return relays;
}

void wait_ready(streamr_node_t* node) {
  const std::uint64_t end_us = unix_us() + ready_limit_us;
  streamr_event_t event{};
  event.struct_size = sizeof event;
  while (unix_us() < end_us)
    if (streamr_node_poll(node, &event, 100) == STREAMR_OK && event.kind == STREAMR_EVENT_READY) return;
  throw Failed{"no origin took the stream within 15 s"};
}

void push(streamr_publication_t* publication, const std::vector<std::uint8_t>& bytes, std::uint16_t flags,
          std::uint64_t media_us, std::uint32_t duration_us) {
  streamr_part_t part = STREAMR_PART_INIT;
  part.track = 0;
  part.flags = flags;
  part.bytes = bytes.data();
  part.len = bytes.size();
  part.media_time_us = media_us;
  part.capture_time_us = unix_us();
  part.duration_us = duration_us;
  must(streamr_publication_push(publication, &part), "pushing a part");
}

// Parts at an even pace, four to a segment.
void publish(streamr_publication_t* publication, const Pace& pace) {
  const std::vector<std::uint8_t> init(800, 0x11);
  const std::vector<std::uint8_t> media(pace.part_bytes, 0x22);
  push(publication, init, STREAMR_CHUNK_INIT | STREAMR_CHUNK_INDEPENDENT, 0, 0);
  const std::uint64_t begin_us = unix_us();
  const std::uint64_t parts = std::uint64_t{pace.seconds} * 1'000'000 / pace.part_us;
  for (std::uint64_t number = 0; number < parts; ++number) {
    streamr::bench::wait_until_us(begin_us + number * pace.part_us);
    std::uint16_t flags = number % 4 == 0 ? STREAMR_CHUNK_INDEPENDENT : 0;
    if (number % 4 == 3) flags = STREAMR_CHUNK_LAST_IN_SEGMENT;
    push(publication, media, flags, number * pace.part_us, pace.part_us);
  }
  streamr::bench::wait_until_us(unix_us() + 300'000);
}

std::string stats_text(const Node& node) {
  std::size_t needed = 0;
  std::string text(64 * 1024, '\0');
  must(streamr_node_stats(node.get(), text.data(), text.size(), &needed), "asking a relay for its figures");
  text.resize(std::strlen(text.c_str()));
  return text;
}

Percentiles slice_latency(const Node& relay) {
  const std::unique_ptr<cJSON, decltype(&cJSON_Delete)> stats{cJSON_Parse(stats_text(relay).c_str()), cJSON_Delete};
  const cJSON* stream = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(stats.get(), "streams"), 0);
  const cJSON* latency = cJSON_GetObjectItemCaseSensitive(stream, "latency_us");
  const cJSON* slice = cJSON_GetObjectItemCaseSensitive(latency, "slice");
  const auto number = [&](const char* name) {
    const cJSON* item = cJSON_GetObjectItemCaseSensitive(slice, name);
    return cJSON_IsNumber(item) ? static_cast<std::uint64_t>(item->valuedouble) : std::uint64_t{0};
  };
  return {number("p50"), number("p99"), number("count")};
}

std::vector<Percentiles> run_ours(const Pace& pace, std::uint32_t kbps, std::uint32_t hops) {
  const Stream stream = make_stream(kbps);
  std::vector<Node> relays = make_chain(stream, hops);
  streamr_node_options_t options = STREAMR_NODE_OPTIONS_INIT;
  options.role = STREAMR_ROLE_PUBLISHER;
  Node publisher = make_node(options);

  const std::string origin = address_of(relays.front());
  const streamr_track_t track = {0, STREAMR_TRACK_MUXED, STREAMR_CONTENT_OPAQUE, kbps};
  streamr_publication_options_t wanted = STREAMR_PUBLICATION_OPTIONS_INIT;
  wanted.tracks = &track;
  wanted.track_count = 1;
  wanted.session_key = stream.session.get();
  wanted.certificate = stream.certificate;
  wanted.origin_url = origin.c_str();
  streamr_publication_t* publication = nullptr;
  streamr_error_t error = STREAMR_ERROR_INIT;
  if (streamr_publication_open(publisher.get(), &wanted, &publication, &error) != STREAMR_OK) throw Failed{error.text};
  wait_ready(publisher.get());
  streamr::bench::wait_until_us(unix_us() + 1'000'000);  // the chain behind the origin opens
  publish(publication, pace);

  std::vector<Percentiles> found;
  for (const Node& relay : relays) found.push_back(slice_latency(relay));
  streamr_publication_close(publication);
  streamr_node_stop(publisher.get(), stop_limit_ms);
  for (const Node& relay : relays) streamr_node_stop(relay.get(), stop_limit_ms);
  return found;
}

void print(const char* name, const std::vector<Percentiles>& list) {
  std::printf("\"%s\": [", name);
  for (std::size_t hop = 0; hop < list.size(); ++hop)
    std::printf("%s{\"hop\": %zu, \"p50_us\": %llu, \"p99_us\": %llu, \"count\": %llu}", hop ? ", " : "", hop,
                static_cast<unsigned long long>(list[hop].p50_us), static_cast<unsigned long long>(list[hop].p99_us),
                static_cast<unsigned long long>(list[hop].count));
  std::printf("]");
}

std::optional<std::uint32_t> number_after(int argc, char** argv, const char* name, std::uint32_t fallback) {
  for (int i = 1; i < argc; ++i)
    if (std::strcmp(argv[i], name) == 0) {
      const int value = i + 1 < argc ? std::atoi(argv[i + 1]) : 0;
      if (value <= 0) return std::nullopt;
      return static_cast<std::uint32_t>(value);
    }
  return fallback;
}

}  // namespace

int main(int argc, char** argv) {
  const auto seconds = number_after(argc, argv, "--seconds", 10);
  const auto kbps = number_after(argc, argv, "--kbps", 8000);
  const auto hops = number_after(argc, argv, "--hops", 3);
  if (!seconds || !kbps || !hops || *hops > 3) {
    std::fprintf(stderr, "bench_latency: expected [--seconds N] [--kbps N] [--hops 1-3]\n");
    return 2;
  }
  Pace pace;
  pace.seconds = *seconds;
  pace.part_bytes = static_cast<std::uint32_t>(std::uint64_t{*kbps} * 1000 / 8 * pace.part_us / 1'000'000);
  try {
    const auto bare = streamr::bench::run_bare_chain(pace, *hops + 1);
    const auto ours = run_ours(pace, *kbps, *hops);
    std::printf("{");
    print("ours", ours);
    std::printf(", ");
    print("bare", bare);
    std::printf("}\n");
  } catch (const Failed& failure) {
    std::fprintf(stderr, "bench_latency: %s\n", failure.text.c_str());
    return 1;
  }
  return 0;
}
