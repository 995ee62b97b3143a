// What every function answers to arguments that cannot be, and the pure functions.
#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "network.hpp"

using streamr::capi::test::KeyHandle;
using streamr::capi::test::node_options;

TEST_CASE("every status has a name and a sentence, and a number that is none has too") {
  CHECK(std::string(streamr_status_name(STREAMR_OK)) == "OK");
  CHECK(std::string(streamr_status_name(STREAMR_E_INTERNAL)) == "E_INTERNAL");
  CHECK(std::string(streamr_status_name(12345)) == "E_UNKNOWN");
  CHECK(std::string(streamr_status_message(STREAMR_E_SIGNATURE)).find("signature") != std::string::npos);
  CHECK(std::strlen(streamr_status_message(-999)) > 0);
  CHECK(std::strlen(streamr_version()) >= 5);
}

TEST_CASE("null where something is needed is an argument that cannot be, never a crash") {
  const KeyHandle key(1);
  std::uint8_t out[300] = {};
  streamr_key_t* made = nullptr;
  CHECK(streamr_key_generate(nullptr) == STREAMR_E_INVALID);
  CHECK(streamr_key_from_seed(nullptr, 32, &made) == STREAMR_E_INVALID);
  CHECK(streamr_key_from_seed(out, 31, &made) == STREAMR_E_INVALID);
  CHECK(streamr_key_load(nullptr, &made, nullptr) == STREAMR_E_INVALID);
  CHECK(streamr_key_save(nullptr, "x", nullptr) == STREAMR_E_INVALID);
  CHECK(streamr_key_public(nullptr, out) == STREAMR_E_INVALID);
  CHECK(streamr_key_sign(key.c, nullptr, out, 1, out) == STREAMR_E_INVALID);
  CHECK(streamr_key_sign(key.c, "p", nullptr, 1, out) == STREAMR_E_INVALID);
  CHECK(streamr_certificate_issue(key.c, nullptr, out) == STREAMR_E_INVALID);
  CHECK(streamr_certificate_check(nullptr, 184, nullptr) == STREAMR_E_INVALID);
  CHECK(streamr_ticket_check(out, 248, nullptr, nullptr) == STREAMR_E_INVALID);
  CHECK(streamr_receipt_issue(nullptr, nullptr, out) == STREAMR_E_INVALID);
  CHECK(streamr_revocation_issue(nullptr, 1, 1, out) == STREAMR_E_INVALID);
  CHECK(streamr_chunk_header_check(nullptr, 224, out, 184, nullptr) == STREAMR_E_INVALID);
  CHECK(streamr_control_hash(nullptr, 1, out) == STREAMR_E_INVALID);
  CHECK(streamr_control_random(nullptr, 1) == STREAMR_E_INVALID);
  CHECK(streamr_control_merkle_root(nullptr, 8, 1, out) == STREAMR_E_INVALID);
  CHECK(streamr_control_verify(nullptr, "p", out, 1, out) == STREAMR_E_INVALID);
  CHECK(streamr_control_key_check(nullptr) == STREAMR_E_INVALID);
  CHECK(streamr_control_check_registration(out, out, out, nullptr, 1, out) == STREAMR_E_INVALID);
  CHECK(streamr_control_check_request(nullptr) == STREAMR_E_INVALID);
  CHECK(streamr_control_check_json(nullptr, 1, 0, 0, nullptr) == STREAMR_E_INVALID);
  CHECK(streamr_node_create(nullptr, nullptr, nullptr) == STREAMR_E_INVALID);
  CHECK(streamr_node_start(nullptr, nullptr) == STREAMR_E_INVALID);
  CHECK(streamr_node_stop(nullptr, 0) == STREAMR_E_INVALID);
  CHECK(streamr_node_listening(nullptr, nullptr, 0) == STREAMR_E_INVALID);
  CHECK(streamr_node_public(nullptr, out) == STREAMR_E_INVALID);
  CHECK(streamr_node_stats(nullptr, nullptr, 0, nullptr) == STREAMR_E_INVALID);
  CHECK(streamr_node_fd(nullptr) == STREAMR_E_INVALID);
  CHECK(streamr_node_timeout_ms(nullptr) == -1);
  CHECK(streamr_node_run(nullptr) == STREAMR_E_INVALID);
  CHECK(streamr_node_poll(nullptr, nullptr, 0) == STREAMR_E_INVALID);
  CHECK(streamr_relay_carry(nullptr, out, nullptr, nullptr, 0) == STREAMR_E_INVALID);
  CHECK(streamr_relay_drop(nullptr, out) == STREAMR_E_INVALID);
  CHECK(streamr_publication_open(nullptr, nullptr, nullptr, nullptr) == STREAMR_E_INVALID);
  CHECK(streamr_publication_push(nullptr, nullptr) == STREAMR_E_INVALID);
  CHECK(streamr_publication_end(nullptr) == STREAMR_E_INVALID);
  CHECK(streamr_subscription_open(nullptr, nullptr, nullptr, nullptr) == STREAMR_E_INVALID);
  CHECK(streamr_subscription_stalled(nullptr, 1) == STREAMR_E_INVALID);
  streamr_key_destroy(nullptr);
  streamr_node_destroy(nullptr);
  streamr_publication_close(nullptr);
  streamr_subscription_close(nullptr);
  streamr_blob_retain(nullptr);
  streamr_blob_release(nullptr);
  CHECK(streamr_blob_size(nullptr) == 0);
  CHECK(streamr_blob_data(nullptr) == nullptr);
}

TEST_CASE("a signed request holds under its own lease, route and body and under no other") {
  const KeyHandle key(3);
  const std::string body = "{\"seq\":1}";
  streamr_request_t request{};
  request.struct_size = sizeof request;
  request.method = "POST";
  request.target = "/v1/nodes/heartbeat";
  request.body = reinterpret_cast<const std::uint8_t*>(body.data());
  request.body_len = body.size();
  std::memcpy(request.public_key, key.id.data(), 32);
  request.unix_us = 0x0102030405060708;
  request.counter = 9;
  request.boot_id[0] = 1;
  request.lease[0] = 2;
  std::string message =
      "POST" + std::string(1, '\0') + "/v1/nodes/heartbeat" + std::string(1, '\0') + "\x01\x02\x03\x04\x05\x06\x07\x08";
  message += std::string(7, '\0') + "\x09" + "\x01" + std::string(15, '\0') + "\x02" + std::string(15, '\0');
  std::uint8_t hash[32];
  REQUIRE(streamr_control_hash(request.body, request.body_len, hash) == STREAMR_OK);
  message.append(reinterpret_cast<const char*>(hash), 32);
  REQUIRE(streamr_key_sign(key.c, "streamr/req/v1", reinterpret_cast<const std::uint8_t*>(message.data()),
                           message.size(), request.signature) == STREAMR_OK);
  CHECK(streamr_control_check_request(&request) == STREAMR_OK);
  auto other = request;
  other.lease[0] = 3;
  CHECK(streamr_control_check_request(&other) == STREAMR_E_SIGNATURE);
  other = request;
  other.target = "/v1/nodes/heartbeat?x";
  CHECK(streamr_control_check_request(&other) == STREAMR_E_SIGNATURE);
  other = request;
  other.body_len = 3;
  CHECK(streamr_control_check_request(&other) == STREAMR_E_SIGNATURE);
}

TEST_CASE("JSON is judged with its reason") {
  streamr_error_t error = STREAMR_ERROR_INIT;
  const auto judged = [&](const std::string& text, std::size_t max = 0) {
    return streamr_control_check_json(text.data(), text.size(), max, 0, &error);
  };
  CHECK(judged("{\"a\":[1,2]}") == STREAMR_OK);
  CHECK(judged("{\"a\":1,\"a\":2}") == STREAMR_E_MALFORMED);
  CHECK(std::strlen(error.text) > 0);
  CHECK(judged("{\"a\":1.5}") == STREAMR_E_MALFORMED);
  CHECK(judged("[1,2,3]", 4) == STREAMR_E_LIMIT);
}

TEST_CASE("signed objects come back as they were issued, and a changed octet is found") {
  const KeyHandle coordinator(4), relay(5), viewer(6);
  streamr_ticket_t ticket = STREAMR_TICKET_INIT;
  std::memcpy(ticket.relay_key, relay.id.data(), 32);
  std::memcpy(ticket.viewer_key, viewer.id.data(), 32);
  ticket.not_before_us = 5;
  ticket.not_after_us = 6;
  ticket.window_start_bytes = 1;
  ticket.window_max_bytes = 2;
  std::uint8_t bytes[248];
  REQUIRE(streamr_ticket_issue(coordinator.c, &ticket, bytes) == STREAMR_OK);
  streamr_ticket_t back = STREAMR_TICKET_INIT;
  CHECK(streamr_ticket_check(bytes, sizeof bytes, coordinator.id.data(), &back) == STREAMR_OK);
  CHECK(std::memcmp(&back, &ticket, sizeof back) == 0);
  CHECK(streamr_ticket_check(bytes, sizeof bytes, relay.id.data(), nullptr) == STREAMR_E_SIGNATURE);
  CHECK(streamr_ticket_check(bytes, sizeof bytes - 1, coordinator.id.data(), nullptr) == STREAMR_E_MALFORMED);
  bytes[100] ^= 1;
  CHECK(streamr_ticket_check(bytes, sizeof bytes, coordinator.id.data(), nullptr) == STREAMR_E_SIGNATURE);
  ticket.not_after_us = 5;
  CHECK(streamr_ticket_issue(coordinator.c, &ticket, bytes) == STREAMR_E_INVALID);
}

TEST_CASE("node options that cannot be are refused with a sentence") {
  const auto refused = [](const streamr_node_options_t& options) {
    streamr_node_t* node = nullptr;
    streamr_error_t error = STREAMR_ERROR_INIT;
    const auto status = streamr_node_create(&options, &node, &error);
    streamr_node_destroy(node);
    return status == STREAMR_E_INVALID && error.status == status && std::strlen(error.text) > 10;
  };
  const std::string long_name(65, 'x');
  auto options = node_options(9);
  CHECK(refused(options));
  options = node_options(STREAMR_ROLE_VIEWER, "no port");
  CHECK(refused(options));
  options = node_options(STREAMR_ROLE_VIEWER, nullptr, 1u << 20);
  CHECK(refused(options));
  options = node_options(STREAMR_ROLE_VIEWER);
  options.coordinator_url = "ftp://host";
  CHECK(refused(options));
  options.coordinator_url = "http://host/path";
  CHECK(refused(options));
  options = node_options(STREAMR_ROLE_RELAY);
  options.advertise_url = "http://host/relay";
  CHECK(refused(options));
  options = node_options(STREAMR_ROLE_RELAY);
  options.name = long_name.c_str();
  CHECK(refused(options));
  const std::uint8_t small_order[32] = {1};
  options = node_options(STREAMR_ROLE_RELAY);
  options.coordinator_key = small_order;
  CHECK(refused(options));
}
