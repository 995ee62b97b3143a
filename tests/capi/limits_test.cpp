// Limits that change while a node runs, and the options that a node is created with for them.
#include <doctest/doctest.h>

#include "network.hpp"

using namespace streamr::capi::test;

namespace {

streamr_limits_t limits_of(const NodeHandle& node) {
  streamr_limits_t out = STREAMR_LIMITS_INIT;
  REQUIRE(streamr_node_limits(node.c, &out) == STREAMR_OK);
  return out;
}

std::string stats_of(const NodeHandle& node) {
  std::size_t needed = 0;
  REQUIRE(streamr_node_stats(node.c, nullptr, 0, &needed) == STREAMR_E_LIMIT);
  std::string out(needed + 1000, '\0');
  REQUIRE(streamr_node_stats(node.c, out.data(), out.size(), &needed) == STREAMR_OK);
  return out.substr(0, needed - 1);
}

}  // namespace

TEST_CASE("limits are told with their defaults as numbers, and what was set is what is told") {
  auto options = node_options(STREAMR_ROLE_RELAY, "127.0.0.1:0");
  options.max_viewers = 7;
  NodeHandle node(options);
  auto limits = limits_of(node);
  CHECK(limits.max_viewers == 7);
  CHECK(limits.upload_kbps == 0);
  CHECK(limits.memory_kib == 262'144);
  CHECK(limits.http_per_address == 256);
  CHECK(limits.websockets_per_address == 64);
  CHECK(limits.max_connections == 8192);
  node.start();
  limits.upload_kbps = 5000;
  limits.max_viewers = 0;
  limits.max_connections = 0;
  REQUIRE(streamr_node_set_limits(node.c, &limits, nullptr) == STREAMR_OK);
  const auto now = limits_of(node);
  CHECK(now.upload_kbps == 5000);
  CHECK(now.max_viewers == 0);
  CHECK(now.max_connections == 8192);
  CHECK(stats_of(node).find("\"limits\":{\"upload_kbps\":5000,\"max_viewers\":0}") != std::string::npos);
}

TEST_CASE("limits outside their range are refused with a sentence, and nothing changes") {
  NodeHandle node(node_options(STREAMR_ROLE_RELAY, "127.0.0.1:0"));
  streamr_limits_t limits = STREAMR_LIMITS_INIT;
  limits.max_viewers = 3;
  CHECK(streamr_node_set_limits(node.c, &limits, nullptr) == STREAMR_E_STATE);
  node.start();
  for (const auto spoil : {+[](streamr_limits_t& l) { l.upload_kbps = 1; }, +[](streamr_limits_t& l) { l.memory_kib = 1; },
                           +[](streamr_limits_t& l) { l.reserved = 1; }}) {
    auto wrong = limits;
    spoil(wrong);
    streamr_error_t error = STREAMR_ERROR_INIT;
    CHECK(streamr_node_set_limits(node.c, &wrong, &error) == STREAMR_E_INVALID);
    CHECK(std::strlen(error.text) > 10);
    CHECK(limits_of(node).max_viewers == 0);
  }
  CHECK(streamr_node_set_limits(node.c, nullptr, nullptr) == STREAMR_E_INVALID);
  CHECK(streamr_node_limits(node.c, nullptr) == STREAMR_E_INVALID);
}

TEST_CASE("a node without TLS has nothing to reload; TLS files come in pairs and with an address") {
  NodeHandle node(node_options(STREAMR_ROLE_RELAY, "127.0.0.1:0"));
  node.start();
  streamr_error_t error = STREAMR_ERROR_INIT;
  CHECK(streamr_node_reload_tls(node.c, &error) == STREAMR_E_STATE);
  CHECK(std::strlen(error.text) > 10);
  auto half = node_options(STREAMR_ROLE_RELAY, "127.0.0.1:0");
  half.tls_certificate_file = "certificate.pem";
  streamr_node_t* made = nullptr;
  CHECK(streamr_node_create(&half, &made, &error) == STREAMR_E_INVALID);
  auto nowhere = node_options(STREAMR_ROLE_VIEWER);
  nowhere.tls_certificate_file = nowhere.tls_key_file = "x.pem";
  CHECK(streamr_node_create(&nowhere, &made, &error) == STREAMR_E_INVALID);
  auto many = node_options(STREAMR_ROLE_RELAY, "127.0.0.1:0");
  many.loops = 257;
  CHECK(streamr_node_create(&many, &made, &error) == STREAMR_E_INVALID);
  CHECK(made == nullptr);
}

TEST_CASE("a viewer that comes and goes is told with its role, its bytes and how long it stayed") {
  Network network;
  network.publish();
  streamr_event_t event{};
  const auto is_viewer = [](std::int64_t value) {
    return [value](const streamr_event_t& e) {
      return e.kind == STREAMR_EVENT_PEER && e.role == STREAMR_ROLE_VIEWER && e.value == value;
    };
  };
  {
    NodeHandle viewer(node_options(STREAMR_ROLE_VIEWER));
    viewer.start();
    char stream[65] = {};
    for (int i = 0; i < 32; ++i) std::snprintf(stream + 2 * i, 3, "%02x", network.root.id[static_cast<std::size_t>(i)]);
    const std::string url = network.origin.relay_url();
    streamr_subscription_options_t options = STREAMR_SUBSCRIPTION_OPTIONS_INIT;
    options.stream = stream;
    options.relay_url = url.c_str();
    streamr_subscription_t* subscription = nullptr;
    REQUIRE(streamr_subscription_open(viewer.c, &options, &subscription, nullptr) == STREAMR_OK);
    REQUIRE(network.origin.await(is_viewer(1), &event));
    CHECK(std::string(event.text).find("127.0.0.1") != std::string::npos);
    streamr_subscription_close(subscription);
  }
  REQUIRE(network.origin.await(is_viewer(0), &event));
  CHECK(event.bytes > 0);
  CHECK(event.duration_us > 0);
}
