// The C++ wrapper, as a user of the library compiles it.
#include <doctest/doctest.h>

#include "streamr/streamr.hpp"

TEST_CASE("a failure is thrown with its status and a sentence") {
  try {
    streamr::Key::load("/nonexistent/key");
    FAIL("a missing file was loaded");
  } catch (const streamr::Failure& failure) {
    CHECK(failure.status() == STREAMR_E_NOTFOUND);
    CHECK(std::string(failure.what()).find("/nonexistent/key") != std::string::npos);
  }
}

TEST_CASE("keys sign, issue and move") {
  auto key = streamr::Key::from_seed({1});
  const auto id = key.public_key();
  const auto moved = std::move(key);
  CHECK(moved.public_key() == id);
  const std::uint8_t octets[] = {1, 2, 3};
  const auto signature = moved.sign("test", octets, sizeof octets);
  CHECK(streamr_control_verify(id.data(), "test", octets, sizeof octets, signature.data()) == STREAMR_OK);
  streamr_certificate_t fields = STREAMR_CERTIFICATE_INIT;
  CHECK_THROWS_AS(moved.issue(fields), streamr::Failure);
}

TEST_CASE("a node starts, tells its address and figures, and stops") {
  streamr::NodeOptions options;
  options.role = STREAMR_ROLE_RELAY;
  options.listen = "127.0.0.1:0";
  streamr::Node node(options);
  CHECK_THROWS_AS(node.listening(), streamr::Failure);
  node.start();
  CHECK(node.listening().rfind("127.0.0.1:", 0) == 0);
  CHECK(node.stats().front() == '{');
  auto limits = node.limits();
  limits.max_viewers = 12;
  node.set_limits(limits);
  CHECK(node.limits().max_viewers == 12);
  limits.upload_kbps = 1;
  CHECK_THROWS_AS(node.set_limits(limits), streamr::Failure);
  CHECK_THROWS_AS(node.reload_tls(), streamr::Failure);
  CHECK(node.stop(std::chrono::seconds(2)));
  std::uint32_t last = 0;
  try {
    for (;;)
      if (const auto event = node.poll(std::chrono::seconds(1))) last = event->kind();
  } catch (const streamr::Failure& failure) {
    CHECK(failure.status() == STREAMR_E_STATE);
  }
  CHECK(last == STREAMR_EVENT_STOPPED);
}
