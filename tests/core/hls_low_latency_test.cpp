#include "hls_fixture.hpp"

using namespace streamr;
using namespace streamr::test;
using proto::TrackKind;

namespace {

const std::string epoch = std::to_string(HlsWorld::first_epoch);

void live(HlsWorld& world, int segments) {
  world.open({HlsWorld::track_info(0, TrackKind::muxed, 3000)});
  world.push_init(0, "muxed");
  world.push_segments(0, segments);
}

core::ChunkPtr next_part(HlsWorld& world, bool first = false) {
  return world.push(0, first ? proto::independent : 0, HlsWorld::octets(100, 7));
}

}  // namespace

TEST_CASE("parts near the edge are listed, the growing segment's too, and the next one is promised") {
  HlsWorld world;
  live(world, 1);
  next_part(world, true);
  CHECK(world.playlist() ==
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n"
        "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12.000000,PART-HOLD-BACK=1.500000\n"
        "#EXT-X-PART-INF:PART-TARGET=0.500000\n"
        "#EXT-X-MEDIA-SEQUENCE:100\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n#EXT-X-INDEPENDENT-SEGMENTS\n"
        "#EXT-X-MAP:URI=\"" +
            epoch +
            "/0/100.init.mp4\"\n"
            "#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:20.000Z\n"
            "#EXT-X-PART:DURATION=0.500000,URI=\"" +
            epoch +
            "/0/100.0.m4s\",INDEPENDENT=YES\n"
            "#EXT-X-PART:DURATION=0.500000,URI=\"" +
            epoch +
            "/0/100.1.m4s\"\n"
            "#EXT-X-PART:DURATION=0.500000,URI=\"" +
            epoch +
            "/0/100.2.m4s\"\n"
            "#EXT-X-PART:DURATION=0.500000,URI=\"" +
            epoch +
            "/0/100.3.m4s\"\n"
            "#EXTINF:2.000000,\n" +
            epoch +
            "/0/100.m4s\n"
            "#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:22.000Z\n"
            "#EXT-X-PART:DURATION=0.500000,URI=\"" +
            epoch +
            "/0/101.0.m4s\",INDEPENDENT=YES\n"
            "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"" +
            epoch + "/0/101.1.m4s\"\n");
}

TEST_CASE("parts stay listed for three target durations, then only their segments do") {
  HlsWorld world;
  live(world, 6);
  const std::string text = world.playlist();
  CHECK_FALSE(holds(text, "/0/102.0.m4s"));
  CHECK(holds(text, "/0/103.0.m4s"));
  CHECK(holds(text, "/0/105.3.m4s"));
  CHECK(count_of(text, "#EXTINF") == 6);
}

TEST_CASE("a part is listed once its last slice verified, and the playlist is rendered once for all") {
  HlsWorld world;
  live(world, 1);
  const auto part = world.sign(0, proto::independent, HlsWorld::octets(40'000, 9));
  const auto kept = world.announce(part);
  world.give_slice(kept, part, 0);
  world.give_slice(kept, part, 1);
  CHECK_FALSE(holds(world.playlist(), "EXT-X-PART:DURATION=0.500000,URI=\"" + epoch + "/0/101.0.m4s\""));
  world.give_slice(kept, part, 2);
  CHECK(holds(world.playlist(), "EXT-X-PART:DURATION=0.500000,URI=\"" + epoch + "/0/101.0.m4s\""));
}

TEST_CASE("a blocked reload waits for its part, and all that wait get the same octets") {
  HlsWorld world;
  live(world, 2);
  for (int i = 0; i < 100; ++i) CHECK_FALSE(world.ask("/0.m3u8?_HLS_msn=102&_HLS_part=1").has_value());
  next_part(world, true);
  CHECK_FALSE(world.hls.poll_reply().has_value());
  const auto renders = world.hls.counters().renders;
  next_part(world);
  std::size_t answered = 0;
  const std::uint8_t* shared = nullptr;
  while (const auto reply = world.hls.poll_reply()) {
    ++answered;
    CHECK(reply->response.status == 200);
    if (shared == nullptr) shared = reply->response.pieces[0].data();
    CHECK(reply->response.pieces[0].data() == shared);
  }
  CHECK(answered == 100);
  CHECK(world.hls.counters().renders == renders + 1);
}

TEST_CASE("a reload for a segment alone waits until all of it is there") {
  HlsWorld world;
  live(world, 1);
  CHECK_FALSE(world.ask("/0.m3u8?_HLS_msn=101").has_value());
  next_part(world, true);
  next_part(world);
  CHECK_FALSE(world.hls.poll_reply().has_value());
  world.push(0, proto::last_in_segment, HlsWorld::octets(9, 1), 1'000'000);
  CHECK(world.hls.poll_reply()->response.status == 200);
}

TEST_CASE("what is listed, or lies below the window, is answered at once") {
  HlsWorld world;
  live(world, 14);
  for (const char* query : {"?_HLS_msn=113", "?_HLS_msn=113&_HLS_part=3", "?_HLS_msn=1", "?_HLS_msn=1&_HLS_part=99",
                            "?_HLS_msn=112&_HLS_part=4"})
    CHECK_MESSAGE(world.get(std::string("/0.m3u8") + query).status == 200, query);
}

TEST_CASE("a part behind the last one of a finished segment means the first of the next") {
  HlsWorld world;
  live(world, 2);
  CHECK_FALSE(world.ask("/0.m3u8?_HLS_msn=101&_HLS_part=4").has_value());
  CHECK_FALSE(world.ask("/0.m3u8?_HLS_msn=102&_HLS_part=2").has_value());
  next_part(world, true);
  REQUIRE(world.hls.poll_reply().has_value());
  CHECK_FALSE(world.hls.poll_reply().has_value());
  world.push(0, proto::last_in_segment, HlsWorld::octets(9, 1));  // segment 102 ends with two parts
  CHECK_FALSE(world.hls.poll_reply().has_value());
  next_part(world, true);
  CHECK(world.hls.poll_reply()->response.status == 200);
}

TEST_CASE("a reload for what is far ahead, or for nothing that makes sense, is refused") {
  HlsWorld world;
  live(world, 2);  // 101 is the last whole one
  for (const char* query :
       {"_HLS_msn=104", "_HLS_msn=104&_HLS_part=0", "_HLS_msn=18446744073709551615", "_HLS_msn=102&_HLS_part=6",
        "_HLS_msn=103&_HLS_part=6", "_HLS_msn=102&_HLS_part=18446744073709551615", "_HLS_part=0",
        "_HLS_msn=", "_HLS_msn=-1", "_HLS_msn=abc", "_HLS_msn=1.5", "_HLS_msn=102&_HLS_part=x",
        "_HLS_msn=18446744073709551616", "_HLS_msn=0102"}) {
    const auto answer = world.get(std::string("/0.m3u8?") + query);
    CHECK_MESSAGE(answer.status == 400, query);
    CHECK(header_of(answer, "Cache-Control") == "no-store");
  }
  for (const char* query : {"_HLS_msn=103", "_HLS_msn=102&_HLS_part=5", "_HLS_msn=103&_HLS_part=5", "_HLS_msn=102"})
    CHECK_MESSAGE(!world.ask(std::string("/0.m3u8?") + query).has_value(), query);
  next_part(world, true);
  CHECK(world.get("/0.m3u8?_HLS_msn=102&_HLS_part=7").status == 400);
  CHECK_FALSE(world.ask("/0.m3u8?_HLS_msn=102&_HLS_part=6").has_value());
}

TEST_CASE("a reload that waits for longer than three target durations gets 503") {
  HlsWorld world;
  live(world, 2);
  CHECK_FALSE(world.ask("/0.m3u8?_HLS_msn=102&_HLS_part=0").has_value());
  CHECK(world.hls.deadline_us() == world.now.mono_us + 6'000'000);
  world.pass_ms(5'999);
  CHECK_FALSE(world.hls.poll_reply().has_value());
  world.pass_ms(1);
  CHECK(world.hls.poll_reply()->response.status == 503);
}

TEST_CASE("the promised part is held until it is whole; any other future one is not there") {
  HlsWorld world;
  live(world, 1);
  CHECK(world.get(world.place() + "101.1.m4s").status == 404);
  CHECK(world.get(world.place() + "102.0.m4s").status == 404);
  CHECK(world.get(world.place() + "101.0.ts").status == 404);
  CHECK_FALSE(world.ask(world.place() + "101.0.m4s").has_value());
  const auto part = world.sign(0, proto::independent, HlsWorld::octets(40'000, 9));
  const auto kept = world.announce(part);
  world.give_slice(kept, part, 0);
  world.give_slice(kept, part, 1);
  CHECK_FALSE(world.hls.poll_reply().has_value());
  world.give_slice(kept, part, 2);
  const auto reply = world.hls.poll_reply();
  REQUIRE(reply);
  CHECK(reply->response.status == 200);
  CHECK(text_of(reply->response) == std::string(40'000, '\x09'));
  CHECK(header_of(reply->response, "Streamr-Chunk").size() == 448);
}

TEST_CASE("a promised .chunk begins with its header and streams") {
  HlsWorld world;
  live(world, 1);
  CHECK_FALSE(world.ask(world.place() + "101.0.chunk").has_value());
  const auto part = world.sign(0, proto::independent, HlsWorld::octets(20'000, 9));
  const auto kept = world.announce(part);
  const auto reply = world.hls.poll_reply();
  REQUIRE(reply);
  CHECK(reply->response.open);
  CHECK(text_of(reply->response).size() == 224 + 64);
  world.give_slice(kept, part, 0);
  CHECK(world.hls.poll_pieces()->pieces[0].size() == 16'384);
  world.give_slice(kept, part, 1);
  CHECK(world.hls.poll_pieces()->end);
}

TEST_CASE("a promised part that does not come is 404 after three target durations") {
  HlsWorld world;
  live(world, 1);
  CHECK_FALSE(world.ask(world.place() + "101.0.m4s").has_value());
  world.pass_ms(5'999);
  CHECK_FALSE(world.hls.poll_reply().has_value());
  world.pass_ms(1);
  CHECK(world.hls.poll_reply()->response.status == 404);
}

TEST_CASE("a promise that the end of the stream breaks is 404 at once") {
  HlsWorld world;
  live(world, 1);
  CHECK_FALSE(world.ask(world.place() + "101.0.m4s").has_value());
  world.end();
  CHECK(world.hls.poll_reply()->response.status == 404);
  CHECK_FALSE(holds(world.playlist(), "PRELOAD-HINT"));
}

TEST_CASE("a part that is given up is listed as a gap and stays one") {
  HlsWorld world;
  live(world, 1);
  next_part(world, true);
  const auto lost = world.sign(0, 0, HlsWorld::octets(100, 2));
  const auto after = next_part(world);
  CHECK_FALSE(holds(world.playlist(), "/0/101.2.m4s"));
  world.pass_ms(1500);
  CHECK(holds(world.playlist(), "#EXT-X-PART:DURATION=0.500000,URI=\"" + epoch + "/0/101.1.m4s\",GAP=YES\n"));
  CHECK(holds(world.playlist(), "/0/101.2.m4s\"\n"));
  world.deliver(lost);
  world.push(0, proto::last_in_segment, HlsWorld::octets(9, 1));
  CHECK(holds(world.playlist(), "101.1.m4s\",GAP=YES\n"));
  CHECK(holds(world.playlist(), "#EXT-X-GAP\n#EXTINF:2.000000,\n" + epoch + "/0/101.m4s"));
}

TEST_CASE("ENDLIST ends all waiting, and directives mean nothing after it") {
  HlsWorld world;
  live(world, 1);
  world.end();
  world.pass_ms(3'000);
  CHECK_FALSE(world.ask("/0.m3u8?_HLS_msn=101&_HLS_part=0").has_value());
  world.pass_ms(3'000);
  const auto reply = world.hls.poll_reply();
  REQUIRE(reply);
  CHECK(holds(text_of(reply->response), "ENDLIST"));
  CHECK(world.get("/0.m3u8?_HLS_msn=999999&_HLS_part=x").status == 200);
}

TEST_CASE("who waits across a restart of the publisher gets the new epoch's playlist") {
  HlsWorld world;
  live(world, 2);
  CHECK_FALSE(world.ask("/0.m3u8?_HLS_msn=102&_HLS_part=0").has_value());
  world.open({HlsWorld::track_info(0, TrackKind::muxed)}, HlsWorld::first_epoch + 65536, 102, 1);
  world.push_init(0, "muxed");
  next_part(world, true);
  const auto reply = world.hls.poll_reply();
  REQUIRE(reply);
  const std::string text = text_of(reply->response);
  const std::string next = std::to_string(HlsWorld::first_epoch + 65536);
  CHECK(holds(text, "#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"" + next + "/0/102.init.mp4\"\n"));
  CHECK(holds(text, "#EXT-X-PART:DURATION=0.500000,URI=\"" + next + "/0/102.0.m4s\",INDEPENDENT=YES\n"));
}

TEST_CASE("a source without parts is listed by segments alone, and still lets a reload wait") {
  HlsWorld world;
  world.open({HlsWorld::track_info(0, TrackKind::muxed)});
  world.push_init(0, "muxed");
  world.push(0, proto::independent | proto::last_in_segment, HlsWorld::octets(50, 5), 2'000'000);
  const std::string text = world.playlist();
  CHECK_FALSE(holds(text, "EXT-X-PART"));
  CHECK_FALSE(holds(text, "HINT"));
  CHECK(holds(text, "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12.000000\n"));
  CHECK_FALSE(world.ask("/0.m3u8?_HLS_msn=101").has_value());
  world.push(0, proto::independent | proto::last_in_segment, HlsWorld::octets(50, 5), 2'000'000);
  CHECK(world.hls.poll_reply()->response.status == 200);
}

TEST_CASE("a part longer than promised is not listed, its segment is, and the next segment has parts again") {
  HlsWorld world;
  live(world, 1);
  next_part(world, true);
  world.push(0, 0, HlsWorld::octets(100, 7), 900'000);
  CHECK_FALSE(holds(world.playlist(), "/0/101.1.m4s"));
  CHECK_FALSE(holds(world.playlist(), "HINT"));
  CHECK_FALSE(world.ask("/0.m3u8?_HLS_msn=101&_HLS_part=1").has_value());
  world.push(0, proto::last_in_segment, HlsWorld::octets(9, 1));
  const std::string text = world.playlist();
  CHECK(holds(text, "/0/101.0.m4s\",INDEPENDENT=YES\n#EXTINF:1.900000,\n" + epoch + "/0/101.m4s\n"));
  CHECK(holds(text, "#EXT-X-PART-INF:PART-TARGET=0.500000"));
  CHECK(holds(text, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"" + epoch + "/0/102.0.m4s\""));
  CHECK_FALSE(world.hls.poll_reply().has_value());  // part 1 of a finished segment of one part: part 0 of the next
  next_part(world, true);
  CHECK(world.hls.poll_reply()->response.status == 200);
}
