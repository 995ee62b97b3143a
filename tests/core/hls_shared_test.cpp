#include <random>

#include "core/http_routes.hpp"
#include "hls_fixture.hpp"

using namespace streamr;
using namespace streamr::test;
using proto::TrackKind;

namespace {

const std::pair<std::string, std::string> zipped{"accept-encoding", "gzip"};

bool stale(const core::HttpResponse& answer) {
  REQUIRE(answer.shared);
  return answer.shared->stale.load();
}

void live(HlsWorld& world, int segments) {
  world.open({HlsWorld::track_info(0, TrackKind::video, 3000), HlsWorld::track_info(1, TrackKind::audio, 100)});
  world.push_init(0, "h264");
  world.push_init(1, "aac");
  world.push_segments(0, segments);
  world.push_segments(1, segments);
}

}  // namespace

TEST_CASE("only targets of playlists and whole media may share an answer") {
  for (const char* target :
       {"/live/talk.m3u8", "/live/talk/0.m3u8", "/live/talk/0.m3u8?_HLS_msn=5&_HLS_part=1&_HLS_skip=YES",
        "/live/talk/1/0/5.1.m4s", "/live/talk/1/0/5.m4s", "/live/talk/1/0/5.ts", "/live/talk/1/0/5.init.mp4"})
    CHECK_MESSAGE(core::may_share(target), target);
  for (const char* target :
       {"/", "", "/metrics", "/live/", "/live/talk", "/live/talk/1/0/5.1.chunk", "/live/talk/1/0/head",
        "/live/talk/1/0/headers?from=1.0", "/live/talk/1/0/cert/00112233aabbccdd", "/v1/receipts", "/x/talk.m3u8",
        "/live/talk/1/0/5.m4s?x=1", "/live/talk.m3u8?x=1", "/live/talk/0.m3u8?_HLS_msn=5&x=1", "live/talk.m3u8"})
    CHECK_MESSAGE(!core::may_share(target), target);
  CHECK_FALSE(core::may_share("/live/" + std::string(600, 'a') + ".m3u8"));
}

TEST_CASE("a playlist is shared until the next part, plain and zipped alike") {
  HlsWorld world;
  live(world, 2);
  const auto plain = world.get("/0.m3u8");
  const auto small = world.get("/0.m3u8", {zipped});
  CHECK(plain.shared == small.shared);
  CHECK(plain.shared == world.get("/0.m3u8?_HLS_msn=101&_HLS_part=1").shared);
  CHECK_FALSE(stale(plain));
  world.push(0, proto::independent, HlsWorld::octets(100, 7));
  CHECK(stale(plain));
  CHECK_FALSE(stale(world.get("/0.m3u8")));
}

TEST_CASE("who waited for a part shares the playlist that shows it") {
  HlsWorld world;
  live(world, 2);
  CHECK_FALSE(world.ask("/0.m3u8?_HLS_msn=102&_HLS_part=0").has_value());
  world.push(0, proto::independent, HlsWorld::octets(100, 7));
  const auto reply = world.hls.poll_reply();
  REQUIRE(reply);
  CHECK(reply->response.shared == world.get("/0.m3u8").shared);
  CHECK_FALSE(stale(reply->response));
}

TEST_CASE("a playlist that reports another track ends with that track's next part") {
  HlsWorld world;
  live(world, 2);
  const auto video = world.get("/0.m3u8");
  world.push(1, proto::independent, HlsWorld::octets(100, 7));
  CHECK(stale(video));
}

TEST_CASE("END takes the promise out of a playlist that was rendered before") {
  HlsWorld world;
  live(world, 2);
  const auto before = world.get("/0.m3u8");
  CHECK(holds(text_of(before), "PRELOAD-HINT"));
  world.end();
  CHECK(stale(before));
  CHECK_FALSE(holds(world.playlist(), "PRELOAD-HINT"));
  const auto ending = world.get("/0.m3u8");
  world.pass_ms(6'000);
  CHECK(stale(ending));
  CHECK(holds(world.playlist(), "ENDLIST"));
}

TEST_CASE("errors, parts of media, conditional answers and HEAD are never shared") {
  HlsWorld world;
  live(world, 2);
  const std::string segment = world.place() + "100.m4s";
  const auto whole = world.get(segment);
  CHECK_FALSE(stale(whole));
  CHECK_FALSE(world.get(segment, {{"range", "bytes=0-1"}}).shared);
  CHECK_FALSE(world.get(segment, {{"range", "bytes=99999-"}}).shared);
  CHECK_FALSE(world.get(segment, {{"if-none-match", header_of(whole, "ETag")}}).shared);
  CHECK_FALSE(world.get(segment, {{"if-none-match", "\"x\""}}).shared);
  CHECK_FALSE(world.get(segment, {}, "HEAD").shared);
  CHECK_FALSE(world.get(segment, {}, "OPTIONS").shared);
  CHECK_FALSE(world.get("/0.m3u8", {}, "HEAD").shared);
  CHECK_FALSE(world.get("/0.m3u8?_HLS_part=1").shared);
  CHECK_FALSE(world.get("/7.m3u8").shared);
  CHECK_FALSE(world.get(world.place() + "100.0.chunk").shared);
  CHECK_FALSE(world.get(world.place() + "999.m4s").shared);
}

TEST_CASE("media is shared until something of its track is forgotten") {
  core::StoreLimits small;
  small.keep_us = 0;
  HlsWorld world(small);
  live(world, 12);
  const auto part = world.get(world.place() + "100.0.m4s");
  const auto init = world.get(world.place() + "100.init.mp4");
  CHECK(part.shared == init.shared);
  world.push_segment(0, 1);
  CHECK_FALSE(stale(part));
  world.pass_ms(2'001);  // segment 100 left the list two seconds ago, but the store has it still
  CHECK(stale(part));
  const auto again = world.get(world.place() + "100.0.m4s");
  CHECK(again.status == 200);
  world.store.trim(world.now);
  world.pass_ms(1);
  CHECK(stale(again));
  CHECK(world.get(world.place() + "100.0.m4s").status == 404);
}

TEST_CASE("a stream that is carried no more shares nothing") {
  core::HttpResponse playlist, multivariant, media;
  {
    HlsWorld world;
    live(world, 2);
    playlist = world.get("/0.m3u8");
    multivariant = world.get(".m3u8");
    media = world.get(world.place() + "100.m4s");
    CHECK_FALSE(stale(media));
  }
  CHECK(stale(playlist));
  CHECK(stale(multivariant));
  CHECK(stale(media));
}

TEST_CASE("a stream that goes answers all who wait, ends what is open and shares nothing") {
  HlsWorld world;
  live(world, 2);
  const auto playlist = world.get("/0.m3u8");
  CHECK_FALSE(world.ask("/0.m3u8?_HLS_msn=102&_HLS_part=1").has_value());
  CHECK_FALSE(world.ask(world.place(1) + "102.0.m4s").has_value());
  const auto part = world.sign(0, proto::independent, HlsWorld::octets(40'000, 9));
  world.announce(part);
  CHECK(world.get(world.place() + "102.0.chunk").open);
  world.hls.give_up();
  int answered = 0;
  for (auto reply = world.hls.poll_reply(); reply; reply = world.hls.poll_reply(), ++answered)
    CHECK(reply->response.status == 404);
  CHECK(answered == 2);
  CHECK(world.hls.poll_pieces()->end);
  CHECK_FALSE(world.hls.poll_pieces().has_value());
  CHECK(stale(playlist));
}

TEST_CASE("an address that means another stream now shares nothing of the one before") {
  HlsWorld world;
  live(world, 2);
  const auto playlist = world.get("/0.m3u8");
  const auto multivariant = world.get(".m3u8");
  const auto media = world.get(world.place() + "100.m4s");
  world.hls.forget_shared();
  CHECK(stale(playlist));
  CHECK(stale(multivariant));
  CHECK(stale(media));
  CHECK_FALSE(stale(world.get("/0.m3u8")));
}

// What io does with shared answers: it keeps each until it is stale. Whatever happens, what it keeps must be what the
// core would say now.
TEST_CASE("whatever happens, an answer that is not stale is the one that a fresh request gets") {
  for (std::uint32_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto pick = [&random](int below) { return static_cast<int>(random() % static_cast<unsigned>(below)); };
    core::StoreLimits limits;
    limits.keep_us = seed % 2 == 0 ? 0 : 10'000'000;
    limits.min_segments = 3;
    HlsWorld world(limits, {"https://coordinator/steering/x", "00112233aabbccdd", 4});
    struct Kept { std::string target; bool gzip; core::HttpResponse answer; };
    std::vector<Kept> table;
    std::uint64_t epoch = HlsWorld::first_epoch, segment = 100;
    std::map<std::uint16_t, int> parts;  // of the growing segment
    const auto open = [&] {
      world.open({HlsWorld::track_info(0, TrackKind::video, 3000), HlsWorld::track_info(1, TrackKind::audio, 100)}, epoch,
                 segment, static_cast<std::uint32_t>(pick(3)));
      world.push_init(0, "h264");
      world.push_init(1, "aac");
      parts.clear();
    };
    open();
    bool running = true;
    std::vector<std::string> lost;
    for (int step = 0; step < 120; ++step) {
      const int what = pick(100);
      if (what < 60 && running) {
        const auto track = static_cast<std::uint16_t>(parts[0] <= parts[1] ? 0 : 1);
        const int number = parts[track]++ % 4;
        int flags = number == 0 ? proto::independent : 0;
        if (number == 3) flags |= proto::last_in_segment;
        const auto part = world.sign(track, flags, HlsWorld::octets(static_cast<std::size_t>(50 + pick(20'000)), 3));
        if (pick(12) != 0) world.deliver(part);
      } else if (what < 75) {
        world.pass_ms(static_cast<std::uint64_t>(pick(900)));
      } else if (what < 85) {
        world.store.trim(world.now);
        world.pass_ms(1);
      } else if (what < 87 && running && parts[0] == parts[1]) {
        world.end();
        running = false;
      } else if (what < 89 && (!running || parts[0] == parts[1])) {
        epoch += 65'536;
        segment += static_cast<std::uint64_t>(parts[0] / 4 + pick(3));
        open();
        running = true;
      }
      while (world.hls.poll_reply()) {}
      for (const Kept& kept : table) {
        if (stale(kept.answer)) continue;
        auto headers = kept.gzip ? std::vector{zipped} : std::vector<std::pair<std::string, std::string>>{};
        const auto fresh = world.ask(kept.target, headers);
        REQUIRE_MESSAGE(fresh.has_value(), kept.target);
        REQUIRE_MESSAGE(fresh->status == 200, kept.target);
        REQUIRE_MESSAGE(text_of(*fresh) == text_of(kept.answer), kept.target);
        REQUIRE_MESSAGE(fresh->headers == kept.answer.headers, kept.target);
      }
      std::erase_if(table, [](const Kept& kept) { return kept.answer.shared->stale.load(); });
      const std::uint64_t near = segment + static_cast<std::uint64_t>(pick(parts[0] / 4 + 2));
      const auto track = std::to_string(pick(2));
      for (const std::string& target :
           {std::string(".m3u8"), "/" + track + ".m3u8", "/" + track + ".m3u8?_HLS_skip=YES",
            "/" + track + ".m3u8?_HLS_msn=" + std::to_string(near) + "&_HLS_part=" + std::to_string(pick(4)),
            world.place(static_cast<std::uint16_t>(pick(2)), epoch) + std::to_string(near) + ".m4s",
            world.place(static_cast<std::uint16_t>(pick(2)), epoch) + std::to_string(near) + "." +
                std::to_string(pick(4)) + ".m4s",
            world.place(static_cast<std::uint16_t>(pick(2)), epoch) + std::to_string(segment) + ".init.mp4"}) {
        const bool gzip = pick(2) == 0;
        auto headers = gzip ? std::vector{zipped} : std::vector<std::pair<std::string, std::string>>{};
        auto answer = world.ask(target, headers);
        if (answer && answer->shared) table.push_back({target, gzip, std::move(*answer)});
      }
    }
    CHECK(world.hls.counters().renders > 10);
  }
}
