// Decides nothing: an origin, a publisher and a viewer in one process over 127.0.0.1, made with the public C functions.
// Never uses a fixed port or a coordinator.
// Called by the tests in this directory.
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "streamr/streamr.h"

namespace streamr::capi::test {

inline std::uint64_t unix_us() {
  using namespace std::chrono;
  return static_cast<std::uint64_t>(duration_cast<microseconds>(system_clock::now().time_since_epoch()).count());
}

struct KeyHandle {
  streamr_key_t* c = nullptr;
  std::array<std::uint8_t, 32> id{};
  explicit KeyHandle(std::uint8_t octet) {
    std::array<std::uint8_t, 32> seed{};
    seed.fill(octet);
    REQUIRE(streamr_key_from_seed(seed.data(), seed.size(), &c) == STREAMR_OK);
    streamr_key_public(c, id.data());
  }
  ~KeyHandle() { streamr_key_destroy(c); }
  KeyHandle(const KeyHandle&) = delete;
};

struct NodeHandle {
  streamr_node_t* c = nullptr;
  explicit NodeHandle(const streamr_node_options_t& options) {
    streamr_error_t error = STREAMR_ERROR_INIT;
    const auto status = streamr_node_create(&options, &c, &error);
    INFO(error.text);
    REQUIRE(status == STREAMR_OK);
  }
  ~NodeHandle() { streamr_node_destroy(c); }
  NodeHandle(const NodeHandle&) = delete;

  void start() {
    streamr_error_t error = STREAMR_ERROR_INIT;
    const auto status = streamr_node_start(c, &error);
    INFO(error.text);
    REQUIRE(status == STREAMR_OK);
  }
  std::string relay_url() const {
    char out[100] = {};
    REQUIRE(streamr_node_listening(c, out, sizeof out) == STREAMR_OK);
    return std::string("ws://") + out + "/relay";
  }
  // Takes events until one fits, at most 10 s; the event's blob is the caller's.
  bool await(const std::function<bool(const streamr_event_t&)>& fits, streamr_event_t* out = nullptr) {
    const std::uint64_t give_up = unix_us() + 10'000'000;
    while (unix_us() < give_up) {
      streamr_event_t event{};
      event.struct_size = sizeof event;
      const auto status = streamr_node_poll(c, &event, 100);
      if (status == STREAMR_E_STATE) return false;
      if (status != STREAMR_OK) continue;
      if (fits(event)) {
        if (out)
          *out = event;
        else
          streamr_blob_release(event.blob);
        return true;
      }
      streamr_blob_release(event.blob);
    }
    return false;
  }
  bool await_kind(std::uint32_t kind, streamr_event_t* out = nullptr) {
    return await([kind](const streamr_event_t& event) { return event.kind == kind; }, out);
  }
};

inline streamr_node_options_t node_options(std::uint32_t role, const char* listen = nullptr, std::uint32_t flags = 0) {
  streamr_node_options_t options = STREAMR_NODE_OPTIONS_INIT;
  options.role = role;
  options.listen = listen;
  options.flags = flags;
  return options;
}

// An origin that takes any stream, and a publisher connected to it.
struct Network {
  KeyHandle root{1}, session{2};
  NodeHandle origin{
      node_options(STREAMR_ROLE_ORIGIN, "127.0.0.1:0", STREAMR_NODE_ANY_STREAM | STREAMR_NODE_OPEN_TICKETS)};
  NodeHandle publisher{node_options(STREAMR_ROLE_PUBLISHER)};
  streamr_publication_t* publication = nullptr;
  std::array<std::uint8_t, STREAMR_CERTIFICATE_BYTES> certificate{};
  std::uint64_t begun_us = unix_us();
  std::uint64_t pushed = 0;

  Network() {
    origin.start();
    publisher.start();
  }
  ~Network() { streamr_publication_close(publication); }

  void issue_certificate() {
    streamr_certificate_t fields = STREAMR_CERTIFICATE_INIT;
    std::memcpy(fields.session_key, session.id.data(), 32);
    fields.epoch = (begun_us / 1000) << 16;
    fields.not_before_s = begun_us / 1'000'000 - 60;
    fields.not_after_s = fields.not_before_s + 3600;
    fields.max_kbps = 50'000;
    fields.serial = 1;
    REQUIRE(streamr_certificate_issue(root.c, &fields, certificate.data()) == STREAMR_OK);
  }
  void publish() {
    issue_certificate();
    const streamr_track_t track{0, STREAMR_TRACK_MUXED, STREAMR_CONTENT_CMAF, 8000};
    streamr_publication_options_t options = STREAMR_PUBLICATION_OPTIONS_INIT;
    options.track_count = 1;
    options.tracks = &track;
    options.session_key = session.c;
    options.certificate = certificate.data();
    options.alias = "test";
    const std::string url = origin.relay_url();
    options.origin_url = url.c_str();
    streamr_error_t error = STREAMR_ERROR_INIT;
    const auto status = streamr_publication_open(publisher.c, &options, &publication, &error);
    INFO(error.text);
    REQUIRE(status == STREAMR_OK);
    REQUIRE(publisher.await_kind(STREAMR_EVENT_READY));
  }
  streamr_status_t push(const std::vector<std::uint8_t>& bytes, std::uint16_t flags) {
    streamr_part_t part = STREAMR_PART_INIT;
    part.flags = flags;
    part.bytes = bytes.data();
    part.len = bytes.size();
    const bool init = (flags & STREAMR_CHUNK_INIT) != 0;
    part.media_time_us = pushed * 500'000;
    part.capture_time_us = begun_us + pushed * 500'000;
    part.duration_us = init ? 0 : 500'000;
    if (!init) ++pushed;
    return streamr_publication_push(publication, &part);
  }
};

}  // namespace streamr::capi::test
