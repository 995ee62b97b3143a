// Never late: silence, departure, opening and resumption, on a clock that the tests move.
#include <algorithm>

#include "line.hpp"

using namespace streamr;
using namespace streamr::test;

namespace {

constexpr std::uint64_t short_part_us = 200'000;
constexpr auto slice_type = static_cast<std::uint8_t>(proto::FrameType::slice);

void check_unbroken(Line& line, std::size_t least) {
  const auto heard = line.heard("viewer");
  REQUIRE(heard.size() >= least);
  REQUIRE(heard.size() <= line.published.size());
  const auto start = line.published.size() - heard.size();
  for (std::size_t i = 0; i < heard.size(); ++i) CHECK(heard[i] == line.published[start + i]);
}

// A line whose last relay has the first as its source and the origin as its standby, in 0.2 s parts.
struct ShortParts : Line {
  ShortParts() : Line(/*standby=*/true) {
    part_us = short_part_us;
    open_publication();
    push(proto::init, 700);
    watch();
    pass_ms(3000);
    stream_parts(12, 30'000);
  }
  std::size_t switches(const std::string& name) {
    std::size_t n = 0;
    for (const auto& e : host(name).events) n += e.kind == STREAMR_EVENT_UPSTREAM && e.value == 2 ? 1 : 0;
    return n;
  }
  // From capture to the moment at which a part was told whole.
  std::uint64_t slowest_us(const std::string& name) {
    std::uint64_t slowest = 0;
    for (const auto& e : host(name).events)
      if (e.kind == STREAMR_EVENT_CHUNK && !e.chunk->header().has(proto::init))
        slowest = std::max(slowest, e.latency_us);
    return slowest;
  }
};

}  // namespace

TEST_CASE("a parent that goes silent is left 300 ms after the second missed part at the latest, and no part is lost") {
  ShortParts line;
  REQUIRE(line.connected("relay2", "relay1"));
  const auto before = line.switches("relay2");
  line.host("relay1").mute = true;
  line.stream_parts(2, 30'000);  // the two that are missed; the second is 200 ms old now
  line.pass_ms(100);
  CHECK(line.switches("relay2") == before + 1);
  line.stream_parts(10, 30'000);
  line.pass_ms(500);
  check_unbroken(line, 20);
}

TEST_CASE("a part that a silent parent keeps is here before a buffer of one second is empty") {
  ShortParts line;
  line.host("relay1").mute = true;
  line.stream_parts(1, 30'000);
  const auto missed = line.published.back();
  line.pass_ms(600);  // 800 ms after it was captured
  const auto heard = line.heard("viewer");
  CHECK(std::find(heard.begin(), heard.end(), missed) != heard.end());
}

TEST_CASE("wherever in a part a parent falls silent, every part arrives behind the relay, once, within 800 ms") {
  for (int slices = 0; slices <= 15; ++slices) {  // a part has seven
    CAPTURE(slices);
    ShortParts line;
    const auto before = line.switches("relay2");
    line.host("viewer").events.clear();
    const auto first = line.published.size();
    int seen = 0;
    line.on_wire = [&](const std::string& from, const std::string& to, ByteVector& message) {
      if (from != "relay1" || to != "relay2" || message[0] != slice_type) return;
      if (++seen > slices) line.host("relay1").mute = true;
    };
    line.stream_parts(8, 100'000);
    line.pass_ms(200);
    CHECK(line.host("relay1").mute);
    CHECK(line.switches("relay2") == before + 1);
    const auto heard = line.heard("viewer");
    CHECK(heard ==
          std::vector<ByteVector>(line.published.begin() + static_cast<std::ptrdiff_t>(first), line.published.end()));
    CHECK(line.slowest_us("viewer") <= 800'000);
  }
}

TEST_CASE("a source that lies is not left for one that is silent, and what it spoiled is asked of who speaks") {
  ShortParts line;
  line.host("relay1").mute = true;
  line.stream_parts(5, 100'000);
  line.host("viewer").events.clear();
  const auto first = line.published.size(), switches = line.switches("relay2");
  bool spoiled = false;
  line.on_wire = [&](const std::string& from, const std::string& to, ByteVector& message) {
    if (from != "origin" || to != "relay2" || message[0] != slice_type || spoiled) return;
    spoiled = true;
    message.back() ^= 1;
  };
  line.stream_parts(5, 100'000);
  line.pass_ms(200);
  CHECK(spoiled);
  CHECK(line.switches("relay2") == switches);
  const auto heard = line.heard("viewer");
  CHECK(heard ==
        std::vector<ByteVector>(line.published.begin() + static_cast<std::ptrdiff_t>(first), line.published.end()));
  CHECK(line.slowest_us("viewer") <= 500'000);
}

TEST_CASE("parts that a source announces again count with what it brought of them before") {
  ShortParts line;
  std::uint32_t ref = 1'000'000;
  for (const auto& e : line.host("viewer").events) {
    if (e.kind != STREAMR_EVENT_CHUNK || e.chunk->header().has(proto::init)) continue;
    line.inject("relay1", "relay2", proto::encode(proto::Chunk{++ref, e.chunk->header(), e.chunk->leaves()}, 1));
  }
  line.settle();
  CHECK(ref > 1'000'000 + limits::unfinished_chunks);
  CHECK(line.connected("relay2", "relay1"));
}

TEST_CASE("when every parent goes silent without closing, they are asked, given up and dialled again") {
  ShortParts line;
  line.dialed.clear();
  line.host("relay1").mute = line.host("origin").mute = true;
  line.pass_ms(550);
  CHECK(line.dialed.empty());
  line.pass_ms(2'000);  // three parts of silence, a second for the answer, a quarter to a half until the next try
  CHECK(std::count(line.dialed.begin(), line.dialed.end(), "relay2 relay1") >= 1);
  CHECK(std::count(line.dialed.begin(), line.dialed.end(), "relay2 origin") >= 1);
}

TEST_CASE("a publisher that pauses costs no connection: who is asked answers") {
  ShortParts line;
  line.dialed.clear();
  line.pass_ms(20'000);
  CHECK(line.dialed.empty());
  CHECK(line.switches("relay2") == 0);
}

// ---- GOAWAY

TEST_CASE("a parent that goes away is used until another delivers, then closed; no part is lost or doubled") {
  ShortParts line;
  line.inject("relay1", "relay2", proto::encode(proto::GoAway{proto::GoAwayCode::shutdown, 5'000, ""}));
  line.settle();
  line.pass_ms(50);
  CHECK(line.connected("relay2", "relay1"));
  line.stream_parts(1, 30'000);
  CHECK_FALSE(line.connected("relay2", "relay1"));
  line.stream_parts(8, 30'000);
  check_unbroken(line, 16);
}

TEST_CASE("a parent that goes away with nobody to take over is used until its time is over") {
  Line line;
  line.part_us = short_part_us;
  line.open_publication();
  line.push(proto::init, 700);
  line.watch();
  line.pass_ms(3000);
  line.stream_parts(8, 30'000);
  line.inject("relay1", "relay2", proto::encode(proto::GoAway{proto::GoAwayCode::load, 1'000, ""}));
  line.stream_parts(4, 30'000);
  CHECK(line.connected("relay2", "relay1"));
  line.stream_parts(2, 30'000);
  CHECK_FALSE(line.connected("relay2", "relay1"));
}

TEST_CASE("a relay that stops serves on until those behind it have gone elsewhere; no part is lost or doubled") {
  ShortParts line;
  auto& leaving = *line.host("relay1").node;
  leaving.stop(line.now, 1'000'000);
  line.settle();
  line.pass_ms(50);
  CHECK(line.connected("relay2", "relay1"));
  CHECK_FALSE(leaving.stopped());
  line.stream_parts(1, 30'000);
  line.pass_ms(100);
  CHECK(leaving.stopped());
  CHECK_FALSE(line.connected("relay2", "relay1"));
  line.stream_parts(8, 30'000);
  check_unbroken(line, 16);
  CHECK(line.heard("viewer").back() == line.published.back());
}

TEST_CASE("a relay that stops with nobody to take over serves for the time that it was given, and no longer") {
  ShortParts line;
  auto& leaving = *line.host("relay2").node;
  leaving.stop(line.now, 1'000'000);
  line.settle();
  line.stream_parts(4, 30'000);
  CHECK(line.heard("viewer").back() == line.published.back());
  line.pass_ms(500);
  CHECK(leaving.stopped());
  check_unbroken(line, 12);
}

TEST_CASE("a relay that stops without time to give, or with nobody to serve, is gone at once") {
  for (const std::uint64_t drain_us : {0u, 1'000'000u}) {
    ShortParts line;
    const std::string leaving = drain_us == 0 ? "relay2" : "viewer";
    line.host(leaving).node->stop(line.now, drain_us);
    line.settle();
    CHECK(line.host(leaving).node->stopped());
  }
}

TEST_CASE("an address in GOAWAY is followed within its host, never to another host, scheme or form") {
  for (const auto& [uri, followed] :
       {std::pair("ws://relay1:81", true), std::pair("ws://elsewhere", false), std::pair("http://relay1", false),
        std::pair("ws://", false), std::pair("ws://relay1@elsewhere", false)}) {
    Line line;
    core::NodeConfig open;
    open.role = STREAMR_ROLE_RELAY;
    open.flags = STREAMR_NODE_OPEN_TICKETS;
    line.add("relay1:81", 21, open);
    line.add("elsewhere", 22, open);
    line.open_publication();
    line.push(proto::init, 700);
    line.dialed.clear();
    line.inject("relay1", "relay2", proto::encode(proto::GoAway{proto::GoAwayCode::moved, 2'000, uri}));
    line.pass_ms(300);
    CAPTURE(uri);
    CHECK((line.dialed == std::vector<std::string>{"relay2 relay1:81"}) == followed);
    CHECK(line.dialed.empty() == !followed);
  }
}

// ---- opening

TEST_CASE("the second relay stands by for the first, and becomes the source where that brings nothing for a second") {
  Line line;
  line.open_publication();
  line.push(proto::init, 700);
  line.stream_parts(4);
  line.host("relay1").mute = true;
  core::NodeConfig relay;
  relay.role = STREAMR_ROLE_RELAY;
  relay.flags = STREAMR_NODE_OPEN_TICKETS;
  line.add("late", 30, relay);
  auto& late = *line.host("late").node;
  REQUIRE(late.carry(line.root.public_key(), "ws://relay1", std::nullopt, line.now));
  REQUIRE(late.carry(line.root.public_key(), "ws://origin", std::nullopt, line.now));
  line.settle();
  line.pass_ms(600);
  CHECK(line.connected("late", "origin"));
  CHECK(late.stats_json(line.now).find("\"slices_verified\":0") != std::string::npos);
  line.pass_ms(900);
  line.stream_parts(2);
  CHECK(late.stats_json(line.now).find("\"slices_verified\":0") == std::string::npos);
}
