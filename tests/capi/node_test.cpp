// Nodes in one process over 127.0.0.1: life cycle, events, blobs, deadlines, the host's own loop.
#include <doctest/doctest.h>

#include <poll.h>

#include <atomic>
#include <csignal>
#include <memory>
#include <utility>

#include "network.hpp"

using namespace streamr::capi::test;

namespace {

streamr_subscription_t* watch(NodeHandle& node, const Network& network) {
  char stream[65] = {};
  for (int i = 0; i < 32; ++i) std::snprintf(stream + 2 * i, 3, "%02x", network.root.id[static_cast<std::size_t>(i)]);
  const std::string url = network.origin.relay_url();
  streamr_subscription_options_t options = STREAMR_SUBSCRIPTION_OPTIONS_INIT;
  options.stream = stream;
  options.relay_url = url.c_str();
  options.start = STREAMR_START_OLDEST;
  streamr_subscription_t* out = nullptr;
  streamr_error_t error = STREAMR_ERROR_INIT;
  const auto status = streamr_subscription_open(node.c, &options, &out, &error);
  INFO(error.text);
  REQUIRE(status == STREAMR_OK);
  return out;
}

std::vector<std::uint8_t> payload(std::size_t size, std::uint8_t first) {
  std::vector<std::uint8_t> out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::uint8_t>(first + i * 31);
  return out;
}

}  // namespace

TEST_CASE("a publisher, an origin and a viewer in one process: the viewer gets the octets that were pushed") {
  Network network;
  network.publish();
  NodeHandle viewer(node_options(STREAMR_ROLE_VIEWER));
  viewer.start();
  const auto init = payload(800, 1), first = payload(100'000, 2), second = payload(40'000, 3);
  REQUIRE(network.push(init, STREAMR_CHUNK_INIT) == STREAMR_OK);
  REQUIRE(network.push(first, STREAMR_CHUNK_INDEPENDENT) == STREAMR_OK);
  streamr_subscription_t* subscription = watch(viewer, network);
  REQUIRE(network.push(second, STREAMR_CHUNK_LAST_IN_SEGMENT) == STREAMR_OK);
  for (const auto* expected : {&init, &first, &second}) {
    streamr_event_t event{};
    REQUIRE(viewer.await_kind(STREAMR_EVENT_CHUNK, &event));
    CHECK(event.subscription == subscription);
    CHECK(std::memcmp(event.stream_id, network.root.id.data(), 32) == 0);
    CHECK(event.header.payload_bytes == expected->size());
    REQUIRE(streamr_blob_size(event.blob) == expected->size());
    CHECK(std::memcmp(streamr_blob_data(event.blob), expected->data(), expected->size()) == 0);
    streamr_blob_release(event.blob);
  }
  CHECK(streamr_subscription_stalled(subscription, 10) == STREAMR_OK);
  CHECK(streamr_publication_end(network.publication) == STREAMR_OK);
  streamr_subscription_close(subscription);
}

TEST_CASE("a blob outlives its node") {
  streamr_event_t event{};
  const auto first = payload(50'000, 9);
  {
    Network network;
    network.publish();
    NodeHandle viewer(node_options(STREAMR_ROLE_VIEWER));
    viewer.start();
    streamr_subscription_t* subscription = watch(viewer, network);
    REQUIRE(network.push(payload(10, 1), STREAMR_CHUNK_INIT) == STREAMR_OK);
    REQUIRE(network.push(first, STREAMR_CHUNK_INDEPENDENT) == STREAMR_OK);
    REQUIRE(viewer.await(
        [&](const streamr_event_t& e) {
          return e.kind == STREAMR_EVENT_CHUNK && e.header.payload_bytes == first.size();
        },
        &event));
    streamr_subscription_close(subscription);
  }
  streamr_blob_retain(event.blob);
  streamr_blob_release(event.blob);
  CHECK(std::memcmp(streamr_blob_data(event.blob), first.data(), first.size()) == 0);
  streamr_blob_release(event.blob);
}

TEST_CASE("chunks that nobody takes wait in the network and are not lost") {
  Network network;
  network.publish();
  auto options = node_options(STREAMR_ROLE_VIEWER);
  options.event_queue = 4;
  NodeHandle viewer(options);
  viewer.start();
  REQUIRE(network.push(payload(10, 0), STREAMR_CHUNK_INIT) == STREAMR_OK);
  REQUIRE(network.push(payload(20'000, 1), STREAMR_CHUNK_INDEPENDENT) == STREAMR_OK);
  streamr_subscription_t* subscription = watch(viewer, network);
  constexpr std::uint64_t parts = 20;
  for (std::uint64_t i = 2; i <= parts; ++i) {
    REQUIRE(network.push(payload(20'000, static_cast<std::uint8_t>(i)), i % 4 == 0   ? STREAMR_CHUNK_LAST_IN_SEGMENT
                                                                        : i % 4 == 1 ? STREAMR_CHUNK_INDEPENDENT
                                                                                     : 0) == STREAMR_OK);
  }
  std::uint64_t taken = 0;
  CHECK(viewer.await([&](const streamr_event_t& event) {
    if (event.kind == STREAMR_EVENT_CHUNK && (event.header.flags & STREAMR_CHUNK_INIT) == 0) ++taken;
    return taken == parts;
  }));
  streamr_subscription_close(subscription);
}

TEST_CASE("calls that do not fit the state are refused") {
  NodeHandle node(node_options(STREAMR_ROLE_RELAY, "127.0.0.1:0"));
  std::uint8_t id[32] = {};
  char text[64];
  streamr_event_t event{};
  event.struct_size = sizeof event;
  CHECK(streamr_node_stop(node.c, 100) == STREAMR_E_STATE);
  CHECK(streamr_node_listening(node.c, text, sizeof text) == STREAMR_E_STATE);
  CHECK(streamr_node_stats(node.c, nullptr, 0, nullptr) == STREAMR_E_STATE);
  CHECK(streamr_relay_drop(node.c, id) == STREAMR_E_STATE);
  CHECK(streamr_node_run(node.c) == STREAMR_E_STATE);
  CHECK(streamr_node_poll(node.c, &event, 0) == STREAMR_E_STATE);
  node.start();
  CHECK(streamr_node_start(node.c, nullptr) == STREAMR_E_STATE);
  CHECK(streamr_node_listening(node.c, text, 3) == STREAMR_E_LIMIT);
  CHECK(streamr_relay_drop(node.c, id) == STREAMR_E_NOTFOUND);
  std::size_t needed = 0;
  CHECK(streamr_node_stats(node.c, text, 1, &needed) == STREAMR_E_LIMIT);
  std::string stats(needed, '\0');
  CHECK(streamr_node_stats(node.c, stats.data(), stats.size(), nullptr) == STREAMR_OK);
  CHECK(streamr_control_check_json(stats.data(), needed - 1, 0, 0, nullptr) == STREAMR_OK);
  CHECK(streamr_node_stop(node.c, 1000) == STREAMR_OK);
  CHECK(node.await_kind(STREAMR_EVENT_STOPPED));
  CHECK(streamr_node_poll(node.c, &event, 0) == STREAMR_E_STATE);
  CHECK(streamr_node_stop(node.c, 1000) == STREAMR_E_STATE);
  CHECK(streamr_node_start(node.c, nullptr) == STREAMR_E_STATE);
}

TEST_CASE("a port in use is an error with a sentence") {
  NodeHandle first(node_options(STREAMR_ROLE_RELAY, "127.0.0.1:0"));
  first.start();
  char address[64];
  REQUIRE(streamr_node_listening(first.c, address, sizeof address) == STREAMR_OK);
  NodeHandle second(node_options(STREAMR_ROLE_RELAY, address));
  streamr_error_t error = STREAMR_ERROR_INIT;
  CHECK(streamr_node_start(second.c, &error) == STREAMR_E_INUSE);
  CHECK(std::string(error.text).find(address) != std::string::npos);
}

TEST_CASE("stop keeps its deadline, also with peers and with a deadline of zero") {
  for (const std::uint32_t deadline_ms : {0u, 300u, 3000u}) {
    Network network;
    network.publish();
    const std::uint64_t before = unix_us();
    const auto status = streamr_node_stop(network.origin.c, deadline_ms);
    CHECK((status == STREAMR_OK || status == STREAMR_E_TIMEOUT));
    CHECK(unix_us() - before < deadline_ms * 1000 + 1'000'000);
    if (deadline_ms == 3000) CHECK(status == STREAMR_OK);
  }
}

TEST_CASE("handles may go after their node, and every call on them is answered") {
  auto network = std::make_unique<Network>();
  network->publish();
  streamr_publication_t* publication = std::exchange(network->publication, nullptr);
  network.reset();
  CHECK(streamr_publication_end(publication) == STREAMR_E_STATE);
  streamr_publication_close(publication);
}

TEST_CASE("the descriptor is readable while events wait, and the wake-up tells it once") {
  static std::atomic<int> wakeups{0};
  wakeups = 0;
  auto options = node_options(STREAMR_ROLE_RELAY, "127.0.0.1:0");
  options.wakeup = [](void*) { ++wakeups; };
  NodeHandle node(options);
  node.start();
  pollfd ready{streamr_node_fd(node.c), POLLIN, 0};
  REQUIRE(ready.fd >= 0);
  CHECK(streamr_node_stop(node.c, 1000) == STREAMR_OK);
  CHECK(::poll(&ready, 1, 1000) == 1);
  CHECK(wakeups >= 1);
  CHECK(node.await_kind(STREAMR_EVENT_STOPPED));
  CHECK(::poll(&ready, 1, 0) == 0);
}

TEST_CASE("a host drives the loop itself, with no thread of the library") {
  NodeHandle node(node_options(STREAMR_ROLE_ORIGIN, "127.0.0.1:0",
                               STREAMR_NODE_HOST_LOOP | STREAMR_NODE_ANY_STREAM | STREAMR_NODE_OPEN_TICKETS));
  CHECK(streamr_node_fd(node.c) == STREAMR_E_STATE);
  node.start();
  Network other;  // its own origin stays idle
  other.issue_certificate();
  const streamr_track_t track{0, STREAMR_TRACK_MUXED, STREAMR_CONTENT_CMAF, 8000};
  streamr_publication_options_t options = STREAMR_PUBLICATION_OPTIONS_INIT;
  options.track_count = 1;
  options.tracks = &track;
  options.session_key = other.session.c;
  options.certificate = other.certificate.data();
  const std::string url = node.relay_url();
  options.origin_url = url.c_str();
  REQUIRE(streamr_publication_open(other.publisher.c, &options, &other.publication, nullptr) == STREAMR_OK);
  bool ready = false;
  const std::uint64_t give_up = unix_us() + 10'000'000;
  while (!ready && unix_us() < give_up) {
    pollfd waits{streamr_node_fd(node.c), POLLIN, 0};
    const int timeout = streamr_node_timeout_ms(node.c);
    ::poll(&waits, 1, timeout < 0 || timeout > 20 ? 20 : timeout);
    CHECK(streamr_node_run(node.c) == STREAMR_OK);
    streamr_event_t event{};
    event.struct_size = sizeof event;
    if (streamr_node_poll(other.publisher.c, &event, 0) == STREAMR_OK) ready = event.kind == STREAMR_EVENT_READY;
  }
  CHECK(ready);
  CHECK(streamr_node_stop(node.c, 2000) == STREAMR_OK);
}

TEST_CASE("nodes leave signals and SIGPIPE of the process as they were") {
  struct sigaction before {
  }, after{};
  sigaction(SIGPIPE, nullptr, &before);
  sigset_t mask_before, mask_after;  // the system fills only the part that it knows
  std::memset(&mask_before, 0, sizeof mask_before);
  std::memset(&mask_after, 0, sizeof mask_after);
  pthread_sigmask(SIG_SETMASK, nullptr, &mask_before);
  {
    Network network;
    network.publish();
  }
  sigaction(SIGPIPE, nullptr, &after);
  pthread_sigmask(SIG_SETMASK, nullptr, &mask_after);
  CHECK((before.sa_handler == after.sa_handler));
  CHECK(std::memcmp(&mask_before, &mask_after, sizeof mask_before) == 0);
}

TEST_CASE("a coordinator that is down is an event, not an error") {
  auto options = node_options(STREAMR_ROLE_RELAY, "127.0.0.1:0");
  options.coordinator_url = "http://127.0.0.1:1";
  NodeHandle node(options);
  node.start();
  streamr_event_t event{};
  REQUIRE(node.await_kind(STREAMR_EVENT_COORDINATOR, &event));
  CHECK(event.value == 0);
  CHECK(std::strlen(event.text) > 0);
}

TEST_CASE("a call right after start waits for the loop's thread and never runs beside it") {
  for (int i = 0; i < 20; ++i) {
    NodeHandle node(node_options(STREAMR_ROLE_RELAY, "127.0.0.1:0"));
    node.start();
    std::uint8_t id[32] = {};
    CHECK(streamr_relay_drop(node.c, id) == STREAMR_E_NOTFOUND);
    CHECK(streamr_node_stop(node.c, 1000) == STREAMR_OK);
  }
}
