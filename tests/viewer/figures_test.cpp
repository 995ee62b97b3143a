// What the figures of streamr-watch say.
#include <doctest/doctest.h>

#include <cstdio>
#include <cstring>

#include "viewer/figures.hpp"

using namespace streamr::viewer;

namespace {

constexpr std::uint64_t start_mono_us = 1'000'000;
constexpr std::uint64_t start_unix_us = 1'800'000'000'000'000;

streamr_event_t chunk(std::uint32_t flags, std::uint64_t latency_us, std::uint64_t capture_us = start_unix_us + 1) {
  streamr_event_t event;
  std::memset(&event, 0, sizeof event);
  event.kind = STREAMR_EVENT_CHUNK;
  event.header.flags = flags;
  event.header.content_type = STREAMR_CONTENT_CMAF;
  event.header.capture_time_us = capture_us;
  event.latency_us = latency_us;
  return event;
}

streamr_event_t upstream(std::int64_t value, const char* text) {
  streamr_event_t event;
  std::memset(&event, 0, sizeof event);
  event.kind = STREAMR_EVENT_UPSTREAM;
  event.value = value;
  std::snprintf(event.text, sizeof event.text, "%s", text);
  return event;
}

bool says(const std::string& json, const std::string& member) { return json.find(member) != std::string::npos; }

}  // namespace

TEST_CASE("the first picture is the first whole independent chunk under an init section") {
  Figures figures(start_mono_us, start_unix_us);
  figures.on_chunk(chunk(STREAMR_CHUNK_INDEPENDENT, 0), 10, start_mono_us + 50'000);
  CHECK(figures.first_picture_ms() == -1);
  figures.on_chunk(chunk(STREAMR_CHUNK_INIT, 0), 10, start_mono_us + 100'000);
  figures.on_chunk(chunk(0, 0), 10, start_mono_us + 200'000);
  CHECK(figures.first_picture_ms() == -1);
  figures.on_chunk(chunk(STREAMR_CHUNK_INDEPENDENT, 0), 10, start_mono_us + 300'000);
  figures.on_chunk(chunk(STREAMR_CHUNK_INDEPENDENT, 0), 10, start_mono_us + 800'000);
  CHECK(figures.first_picture_ms() == 300);
}

TEST_CASE("latency counts chunks that were captured while the viewer ran") {
  Figures figures(start_mono_us, start_unix_us);
  figures.on_chunk(chunk(0, 9'000'000, start_unix_us - 9'000'000), 1, start_mono_us);
  for (std::uint64_t n = 1; n <= 100; ++n) figures.on_chunk(chunk(0, n * 1000), 1, start_mono_us);
  CHECK(figures.latency_us(50) == 51'000);
  CHECK(figures.latency_us(99) == 100'000);
}

TEST_CASE("the relay in use is the first that answered, until a switch names another") {
  Figures figures(start_mono_us, start_unix_us);
  const PlayerModel player(0);
  figures.on_event(upstream(1, "connected to ws://192.0.2.1:1/relay"), start_mono_us + 1000);
  figures.on_event(upstream(1, "connected to ws://192.0.2.2:1/relay"), start_mono_us + 2000);
  CHECK(says(figures.json(player, "live", start_mono_us), R"("relay":"ws://192.0.2.1:1/relay")"));
  figures.on_event(upstream(2, "now from ws://192.0.2.2:1/relay: no verified slice in time"), start_mono_us + 3000);
  const std::string json = figures.json(player, "summary", start_mono_us + 5'000);
  CHECK(says(json, R"("relay":"ws://192.0.2.2:1/relay")"));
  CHECK(says(json, R"("switches":1)"));
  CHECK(says(json, R"("kind":"summary")"));
  CHECK(says(json, R"("elapsed_ms":5)"));
}

TEST_CASE("bytes count init sections, chunks do not, and refusals are counted") {
  Figures figures(start_mono_us, start_unix_us);
  figures.on_chunk(chunk(STREAMR_CHUNK_INIT, 0), 700, start_mono_us);
  figures.on_chunk(chunk(0, 0), 300, start_mono_us);
  streamr_event_t refused = upstream(10, "ws://192.0.2.1:1/relay bad slice");
  refused.kind = STREAMR_EVENT_REJECTED;
  figures.on_event(refused, start_mono_us);
  const std::string json = figures.json(PlayerModel(0), "live", start_mono_us);
  CHECK(says(json, R"("chunks":1)"));
  CHECK(says(json, R"("verified_bytes":1000)"));
  CHECK(says(json, R"("rejected":1)"));
}
