// Never drowned: what an operator may limit, by measure, at any time.
#include <doctest/doctest.h>

#include <algorithm>

#include "core/admission.hpp"
#include "line.hpp"

using namespace streamr;
using namespace streamr::core;
using namespace streamr::test;

namespace {

// Sends whatever it may, in messages of `message` octets, looking every `step_us`; octets sent.
std::uint64_t send_for(Admission& admission, Now& now, std::uint64_t us, std::uint64_t step_us, std::uint64_t message) {
  std::uint64_t sent = 0;
  for (const std::uint64_t end = now.mono_us + us; now.mono_us < end; now.mono_us += step_us) {
    while (admission.sendable_bytes(now) != 0) {
      admission.on_sent(message, now);
      sent += message;
    }
    admission.on_blocked(true, now);
    admission.on_time(now);
  }
  return sent;
}

}  // namespace

TEST_CASE("the upload limit holds within 5 % over ten seconds, whatever the size of messages") {
  for (const std::uint64_t message : {500u, 16'400u, 131'072u})
    for (const std::uint64_t step_us : {1'000u, 10'000u, 50'000u}) {
      Admission admission({8'000, 0, 0}, 100'000);
      Now now{5'000'000, 0};
      send_for(admission, now, s_to_us(2), step_us, message);
      const auto sent = send_for(admission, now, s_to_us(10), step_us, message);
      CAPTURE(message);
      CAPTURE(step_us);
      CHECK(sent <= 10'500'000);
      CHECK(sent >= 9'500'000);
    }
}

TEST_CASE("a limit that changes takes hold at once") {
  Admission admission({8'000, 0, 0}, 100'000);
  Now now{5'000'000, 0};
  send_for(admission, now, s_to_us(2), 10'000, 16'400);
  admission.set_limits({80'000, 0, 0}, now);
  const auto sent = send_for(admission, now, s_to_us(10), 10'000, 16'400);
  CHECK(sent >= 95'000'000);
  CHECK(sent <= 105'000'000);
}

TEST_CASE("who wants more than the limit gives shows as more than full; newcomers stay out until it is well below") {
  Admission admission({8'000, 0, 0}, 100'000);
  Now now{5'000'000, 0};
  CHECK_FALSE(admission.refusal(true));
  send_for(admission, now, s_to_us(3), 10'000, 16'400);
  CHECK(admission.load_pct() > 100);
  REQUIRE(admission.refusal(true));
  CHECK(admission.refusal(true)->limit == "upload");
  admission.on_blocked(false, now);
  for (int i = 0; i < 8; ++i) {
    now.mono_us += 500'000;
    admission.on_time(now);
  }
  CHECK_FALSE(admission.refusal(true));
}

TEST_CASE("a busy core closes the door at its whole share and opens it at nine tenths, not between") {
  Admission admission({}, 100'000);
  Now now{1'000'000, 0};
  const auto closed_at = [&](std::uint32_t permille) {
    admission.on_cpu(permille);
    admission.on_time(now);
    return admission.refusal(false).has_value();
  };
  CHECK_FALSE(closed_at(990));
  CHECK(closed_at(1'000));
  CHECK(closed_at(950));
  CHECK_FALSE(closed_at(890));
  CHECK_FALSE(closed_at(950));
}

TEST_CASE("without a limit the offered capacity is told as load and refuses nobody") {
  Admission admission({}, 1'000);
  Now now{1'000'000, 0};
  for (int i = 0; i < 5; ++i) {
    admission.on_sent(10'000'000, now);
    now.mono_us += 1'000'000;
    admission.on_time(now);
  }
  CHECK(admission.load_pct() == 100);
  CHECK_FALSE(admission.refusal(true));
  CHECK(admission.sendable_bytes(now) == never_us);
}

TEST_CASE("a viewer beyond the last place is refused with ERROR 8, a relay is not") {
  Line line;
  line.open_publication();
  line.push(proto::init, 700);
  REQUIRE(line.host("relay2").node->set_limits({0, 1, 0}, line.now));
  line.watch();
  line.pass_ms(500);
  CHECK(line.connected("viewer", "relay2"));
  core::NodeConfig config;
  config.role = STREAMR_ROLE_VIEWER;
  line.add("second", 40, config);
  core::WatchOptions options;
  options.stream = to_hex(line.root.public_key().view());
  options.relay_url = "ws://relay2";
  REQUIRE(line.host("second").node->watch(options, line.now));
  line.settle();
  line.pass_ms(200);
  CHECK_FALSE(line.connected("second", "relay2"));
  const auto refused = [](const core::NodeEvent& e) { return e.text.find("refused: 8 ") != std::string::npos; };
  CHECK(std::any_of(line.host("second").events.begin(), line.host("second").events.end(), refused));
}

TEST_CASE("when places become fewer the newest viewers are sent away with GOAWAY, the oldest stay") {
  Line line;
  line.open_publication();
  line.push(proto::init, 700);
  line.watch();
  line.pass_ms(500);
  core::NodeConfig config;
  config.role = STREAMR_ROLE_VIEWER;
  line.add("second", 40, config);
  core::WatchOptions options;
  options.stream = to_hex(line.root.public_key().view());
  options.relay_url = "ws://relay2";
  REQUIRE(line.host("second").node->watch(options, line.now));
  line.settle();
  line.pass_ms(500);
  REQUIRE(line.connected("second", "relay2"));
  REQUIRE(line.host("relay2").node->set_limits({0, 1, 0}, line.now));
  line.settle();
  line.pass_ms(3'000);
  CHECK(line.connected("viewer", "relay2"));
  CHECK_FALSE(line.connected("second", "relay2"));
}

TEST_CASE("a full node answers new players 503 with a reason, and those that play already as ever") {
  Line line;
  line.open_publication();
  line.push(proto::init, 700);
  line.stream_parts(4);
  auto& origin = *line.host("origin").node;
  const auto name = to_hex(line.root.public_key().view());
  const auto ask = [&](HttpId id, const std::string& target) {
    core::HttpRequest request;
    request.id = id;
    request.method = "GET";
    request.target = target;
    origin.on_http(request, line.now);
    line.settle();
    return line.host("origin").replies[id].status;
  };
  const int before = ask(1, "/live/" + name + ".m3u8");
  CHECK(before != 503);
  origin.on_load(1'000, line.now);
  line.pass_ms(300);
  CHECK(ask(2, "/live/" + name + ".m3u8") == 503);
  const auto& headers = line.host("origin").replies[2].headers;
  CHECK(std::any_of(headers.begin(), headers.end(), [](const auto& h) { return h.first == "Retry-After"; }));
  CHECK(ask(3, "/live/" + name + "/0.m3u8") == 200);
  origin.on_load(100, line.now);
  line.pass_ms(300);
  CHECK(ask(4, "/live/" + name + ".m3u8") == before);
}

TEST_CASE("limits too small to serve one stream are refused and change nothing") {
  Line line;
  auto& node = *line.host("relay1").node;
  CHECK(node.set_limits({100, 0, 0}, line.now).error().status == STREAMR_E_INVALID);
  CHECK(node.set_limits({0, 0, 1'000}, line.now).error().status == STREAMR_E_INVALID);
  CHECK(node.limits().upload_kbps == 0);
  CHECK(node.limits().memory_bytes == 256u << 20);
}

TEST_CASE("one memory setting covers all that is kept: the oldest segments go first, the newest three stay") {
  Line line;
  line.open_publication();
  line.push(proto::init, 700);
  auto& origin = *line.host("origin").node;
  line.stream_parts(8, 600'000);
  line.stream_parts(30, 600'000);
  REQUIRE(origin.set_limits({0, 0, 16u << 20}, line.now));
  line.pass_ms(1'000);
  const auto stats = origin.stats_json(line.now);
  const auto at = stats.find("\"store_bytes\":");
  REQUIRE(at != std::string::npos);
  const auto kept = std::stoull(stats.substr(at + 14));
  CHECK(kept <= 16u << 20);
  CHECK(kept >= 3 * 4 * 600'000u);
}
