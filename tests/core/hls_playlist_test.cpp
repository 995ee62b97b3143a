#include "hls_fixture.hpp"

using namespace streamr;
using namespace streamr::test;
using proto::TrackKind;

namespace {

void one_muxed_track(HlsWorld& world, int segments) {
  world.open({HlsWorld::track_info(0, TrackKind::muxed, 3000)});
  world.push_init(0, "muxed");
  world.push_segments(0, segments);
}

}  // namespace

TEST_CASE("a media playlist lists whole segments with map, date, duration and number") {
  HlsWorld world({}, {"", "00112233aabbccdd", 12, false});
  one_muxed_track(world, 2);
  world.push(0, proto::independent, HlsWorld::octets(100, 1));  // a third one has begun
  const std::string epoch = std::to_string(HlsWorld::first_epoch);
  CHECK(
      world.playlist() ==
      "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:100\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n"
      "#EXT-X-INDEPENDENT-SEGMENTS\n"
      "#EXT-X-MAP:URI=\"" +
          epoch +
          "/0/100.init.mp4\"\n"
          "#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:20.000Z\n#EXTINF:2.000000,\n" +
          epoch +
          "/0/100.m4s\n"
          "#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:22.000Z\n#EXTINF:2.000000,\n" +
          epoch + "/0/101.m4s\n");
}

TEST_CASE("a playlist is rendered and compressed once per change, however many ask") {
  HlsWorld world;
  one_muxed_track(world, 3);
  const auto before = world.hls.counters();
  for (int i = 0; i < 500; ++i) {
    CHECK(world.get("/0.m3u8").status == 200);
    CHECK(world.get("/0.m3u8", {{"accept-encoding", "gzip"}}).status == 200);
  }
  CHECK(world.hls.counters().renders == before.renders + 1);
  CHECK(world.hls.counters().gzips == before.gzips + 1);
  world.push_segment(0, 90);
  for (int i = 0; i < 10; ++i) world.get("/0.m3u8");
  CHECK(world.hls.counters().renders == before.renders + 2);
}

TEST_CASE("the playlist is compressed only for who accepts gzip with a weight above zero") {
  HlsWorld world;
  one_muxed_track(world, 3);
  const std::string plain = world.playlist();
  for (const char* accepts : {"gzip", "deflate, gzip;q=0.5", "*", "GZIP"}) {
    const auto answer = world.get("/0.m3u8", {{"accept-encoding", accepts}});
    CHECK(header_of(answer, "Content-Encoding") == "gzip");
    CHECK(unzip(text_of(answer)) == plain);
  }
  for (const char* refuses : {"", "identity", "gzip;q=0", "gzip; q=0.000", "*;q=0", "br"}) {
    const auto answer = world.get("/0.m3u8", {{"accept-encoding", refuses}});
    CHECK(header_of(answer, "Content-Encoding").empty());
    CHECK(text_of(answer) == plain);
  }
  CHECK(header_of(world.get("/0.m3u8"), "Vary") == "Accept-Encoding");
  CHECK(header_of(world.get("/0.m3u8"), "Cache-Control") == "no-cache");
  CHECK(header_of(world.get("/0.m3u8"), "Content-Type") == "application/vnd.apple.mpegurl");
}

TEST_CASE("a Range on a playlist is answered whole, as mpv and ffmpeg expect") {
  HlsWorld world;
  one_muxed_track(world, 3);
  const auto answer = world.get("/0.m3u8", {{"range", "bytes=0-"}});
  CHECK(answer.status == 200);
  CHECK(text_of(answer) == world.playlist());
  CHECK(world.get(".m3u8", {{"range", "bytes=0-10"}}).status == 200);
}

TEST_CASE("an unchanged playlist is not sent again to who names its tag") {
  HlsWorld world;
  one_muxed_track(world, 3);
  const auto first = world.get("/0.m3u8");
  const auto again = world.get("/0.m3u8", {{"if-none-match", header_of(first, "ETag")}});
  CHECK(again.status == 304);
  CHECK(text_of(again).empty());
  world.push_segment(0, 50);
  CHECK(world.get("/0.m3u8", {{"if-none-match", header_of(first, "ETag")}}).status == 200);
}

TEST_CASE("twelve segments stay listed and an older one stays fetchable for its own duration") {
  core::StoreLimits small;
  small.min_segments = 12;
  small.keep_us = 0;
  HlsWorld world(small);
  world.open({HlsWorld::track_info(0, TrackKind::muxed)});
  world.push_init(0, "muxed");
  world.push_segments(0, 12);
  CHECK(count_of(world.playlist(), "#EXTINF") == 12);
  world.push_segment(0, 1);
  world.pass_ms(1);
  world.store.trim(world.now);  // the store itself has forgotten segment 100
  CHECK_FALSE(world.store.find(HlsWorld::first_epoch, 0, {100, 0}));
  CHECK(holds(world.playlist(), "#EXT-X-MEDIA-SEQUENCE:101\n"));
  CHECK(world.get(world.place() + "100.m4s").status == 200);
  CHECK(world.get(world.place() + "100.2.m4s").status == 200);
  world.pass_ms(2001);
  CHECK(world.get(world.place() + "100.m4s").status == 404);
  CHECK(world.get(world.place() + "100.init.mp4").status == 200);  // listed segments need it still
}

TEST_CASE("what the memory limit took from the store leaves the playlist") {
  core::StoreLimits tight;
  tight.memory_bytes = 30'000;
  HlsWorld world(tight);
  one_muxed_track(world, 8);
  CHECK(count_of(world.playlist(), "#EXTINF") == 8);
  world.store.trim(world.now);
  world.pass_ms(10);
  const std::uint64_t oldest = world.store.find_track(HlsWorld::first_epoch, 0)->oldest_segment();
  REQUIRE(oldest > 100);
  CHECK(holds(world.playlist(), "#EXT-X-MEDIA-SEQUENCE:" + std::to_string(oldest) + "\n"));
  CHECK(count_of(world.playlist(), "#EXTINF") == 108 - oldest);
}

TEST_CASE("a relay that joined inside a segment begins its playlist with the next one") {
  HlsWorld world;
  world.open({HlsWorld::track_info(0, TrackKind::muxed)});
  world.push_init(0, "muxed");
  world.sign(0, proto::independent, HlsWorld::octets(10, 1));
  world.push(0, 0, HlsWorld::octets(10, 1));
  world.push(0, proto::last_in_segment, HlsWorld::octets(10, 1));
  world.push_segments(0, 2);
  const std::string text = world.playlist();
  CHECK(holds(text, "#EXT-X-MEDIA-SEQUENCE:101\n"));
  CHECK(count_of(text, "#EXTINF") == 2);
  CHECK_FALSE(holds(text, "EXT-X-GAP"));
}

TEST_CASE("a segment without LAST_IN_SEGMENT is listed when the signed chain shows that nothing is missing") {
  HlsWorld world;
  world.open({HlsWorld::track_info(0, TrackKind::muxed)});
  world.push_init(0, "muxed");
  const auto a = world.sign(0, proto::independent, HlsWorld::octets(10, 1));
  const auto b = world.sign(0, proto::last_in_segment, HlsWorld::octets(10, 1));
  const auto c = world.sign(0, proto::independent, HlsWorld::octets(10, 1));
  world.deliver(a);
  world.deliver(c);  // b is missing: not listed before its time is over
  CHECK_FALSE(world.ask("/0.m3u8").has_value());
  world.deliver(b);
  CHECK(count_of(world.playlist(), "#EXTINF") == 1);
  CHECK_FALSE(holds(world.playlist(), "GAP"));
}

TEST_CASE("a part that stays away for three part targets makes its segment a gap, for ever") {
  HlsWorld world;
  one_muxed_track(world, 1);
  const auto p0 = world.sign(0, proto::independent, HlsWorld::octets(10, 1));
  const auto lost = world.sign(0, 0, HlsWorld::octets(40'000, 2));
  const auto last = world.sign(0, proto::last_in_segment, HlsWorld::octets(10, 3), 1'000'000);
  world.deliver(p0);
  const auto kept = world.announce(lost);
  world.give_slice(kept, lost, 0);
  world.deliver(last);
  CHECK(count_of(world.playlist(), "#EXTINF") == 1);
  CHECK(world.hls.deadline_us() == world.now.mono_us + 1'500'000);
  world.pass_ms(1499);
  CHECK(count_of(world.playlist(), "#EXTINF") == 1);
  world.pass_ms(1);
  std::string text = world.playlist();
  CHECK(holds(text, "#EXT-X-GAP\n#EXTINF:2.000000,\n" + std::to_string(HlsWorld::first_epoch) + "/0/101.m4s"));
  world.give_slice(kept, lost, 1);
  world.give_slice(kept, lost, 2);
  world.push_segment(0, 7);
  CHECK(count_of(world.playlist(), "#EXT-X-GAP") == 1);
}

TEST_CASE("segments that never came are listed as gaps so that numbers keep counting") {
  HlsWorld world;
  one_muxed_track(world, 1);
  for (int lost = 0; lost < 2; ++lost) {
    world.sign(0, proto::independent, HlsWorld::octets(10, 1), 1'000'000);
    world.sign(0, proto::last_in_segment, HlsWorld::octets(10, 1), 1'000'000);
  }
  world.push_segment(0, 9);
  CHECK(count_of(world.playlist(), "#EXTINF") == 1);
  world.pass_ms(1500);
  const std::string text = world.playlist();
  CHECK(count_of(text, "#EXTINF:2.000000") == 4);
  CHECK(count_of(text, "#EXT-X-GAP") == 2);
  CHECK(holds(text, "#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:22.000Z\n#EXT-X-GAP"));
}

TEST_CASE("a hole longer than the list begins the list anew behind it") {
  HlsWorld world;
  one_muxed_track(world, 2);
  for (int lost = 0; lost < 40; ++lost)
    world.sign(0, proto::independent | proto::last_in_segment, HlsWorld::octets(10, 1), 2'000'000);
  world.push_segment(0, 1);
  world.pass_ms(1500);
  const std::string text = world.playlist();
  CHECK(holds(text, "#EXT-X-MEDIA-SEQUENCE:142\n"));
  CHECK_FALSE(holds(text, "#EXT-X-GAP"));
}

TEST_CASE("a GAP that the streamer signed is listed as a gap at once") {
  HlsWorld world;
  one_muxed_track(world, 1);
  world.push(0, proto::independent, HlsWorld::octets(10, 1));
  world.push(0, proto::gap, {});
  world.push(0, proto::last_in_segment, HlsWorld::octets(10, 1), 1'000'000);
  CHECK(count_of(world.playlist(), "#EXT-X-GAP\n#EXTINF:2.000000,") == 1);
  CHECK(world.get(world.place() + "101.m4s").status == 404);
}

TEST_CASE("DISCONTINUITY inside an epoch is tagged, counted, and brings its own map") {
  HlsWorld world;
  one_muxed_track(world, 2);
  world.push_init(0, "h264");
  world.push_segment(0, 50);
  const std::string epoch = std::to_string(HlsWorld::first_epoch);
  CHECK(holds(world.playlist(), "#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"" + epoch + "/0/102.init.mp4\"\n"));
  CHECK(count_of(world.playlist(), "#EXT-X-MAP") == 2);
  CHECK(holds(world.playlist(), "#EXT-X-DISCONTINUITY-SEQUENCE:0\n"));
  CHECK(world.hls.discontinuity_number(HlsWorld::first_epoch, 101) == 0);
  CHECK(world.hls.discontinuity_number(HlsWorld::first_epoch, 102) == 1);
  world.push_segments(0, 12);
  CHECK(holds(world.playlist(), "#EXT-X-DISCONTINUITY-SEQUENCE:1\n"));
  CHECK_FALSE(holds(world.playlist(), "#EXT-X-DISCONTINUITY\n"));
}

TEST_CASE("a new epoch goes on in the same playlist with a DISCONTINUITY") {
  HlsWorld world;
  one_muxed_track(world, 3);
  world.push(0, proto::independent, HlsWorld::octets(10, 1));  // the publisher died inside segment 103
  world.open({HlsWorld::track_info(0, TrackKind::muxed)}, HlsWorld::first_epoch + 65536, 104, 1);
  world.push_init(0, "muxed");
  world.push_segment(0, 1);
  const std::string text = world.playlist();
  CHECK(holds(text, "#EXT-X-MEDIA-SEQUENCE:100\n"));
  CHECK(holds(text, "#EXTINF:0.500000,\n" + std::to_string(HlsWorld::first_epoch) + "/0/103.m4s\n"));
  CHECK(holds(text, "#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"" + std::to_string(HlsWorld::first_epoch + 65536) +
                        "/0/104.init.mp4\""));
  CHECK(count_of(text, "#EXT-X-DISCONTINUITY\n") == 1);
  CHECK(count_of(text, "#EXTINF") == 5);
  CHECK_FALSE(holds(text, "ENDLIST"));
}

TEST_CASE("a new epoch whose first segment is not the next number sends the older ones away at once") {
  HlsWorld world;
  one_muxed_track(world, 3);
  world.end();
  world.open({HlsWorld::track_info(0, TrackKind::muxed)}, HlsWorld::first_epoch + 65536, 500, 1);
  world.push_init(0, "muxed");
  world.push_segment(0, 1);
  const std::string text = world.playlist();
  CHECK(holds(text, "#EXT-X-MEDIA-SEQUENCE:500\n"));
  CHECK(count_of(text, "#EXTINF") == 1);
  CHECK(holds(text, "#EXT-X-DISCONTINUITY-SEQUENCE:0\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-DISCONTINUITY\n"));
  CHECK(world.get(world.place() + "102.m4s").status == 200);
}

TEST_CASE("a relay that joins later shows the same discontinuity number as one that saw it all") {
  HlsWorld world;
  world.open({HlsWorld::track_info(0, TrackKind::muxed)}, HlsWorld::first_epoch, 700, 5);
  world.push_init(0, "muxed");
  world.push_segments(0, 2);
  CHECK(holds(world.playlist(), "#EXT-X-DISCONTINUITY-SEQUENCE:5\n"));
}

TEST_CASE("ENDLIST comes three target durations after END on every track, unless a newer epoch begins") {
  HlsWorld world;
  one_muxed_track(world, 2);
  world.end();
  CHECK_FALSE(holds(world.playlist(), "ENDLIST"));
  world.pass_ms(5999);
  CHECK_FALSE(holds(world.playlist(), "ENDLIST"));
  CHECK(world.hls.deadline_us() <= world.now.mono_us + 1000);
  world.pass_ms(1);
  CHECK(holds(world.playlist(), "#EXT-X-ENDLIST\n"));

  SUBCASE("an epoch after ENDLIST begins a new playlist under the same address with rising numbers") {
    world.open({HlsWorld::track_info(0, TrackKind::muxed)}, HlsWorld::first_epoch + 65536, 102, 1);
    world.push_init(0, "muxed");
    world.push_segment(0, 1);
    const std::string text = world.playlist();
    CHECK_FALSE(holds(text, "ENDLIST"));
    CHECK(holds(text, "#EXT-X-MEDIA-SEQUENCE:102\n"));
    CHECK(count_of(text, "#EXTINF") == 1);
  }
}

TEST_CASE("END on one of two tracks ends nothing") {
  HlsWorld world;
  world.open({HlsWorld::track_info(0, TrackKind::video), HlsWorld::track_info(1, TrackKind::audio)});
  world.push_init(0, "h264");
  world.push_init(1, "aac");
  world.push_segments(0, 1);
  world.push_segments(1, 1);
  auto ended = world.publication->end(world.source, world.now);
  REQUIRE(ended->size() == 2);
  world.announce((*ended)[0]);
  world.pass_ms(60'000);
  CHECK_FALSE(holds(world.playlist(0), "ENDLIST"));
  world.announce((*ended)[1]);
  world.pass_ms(6'000);
  CHECK(holds(world.playlist(0), "ENDLIST"));
  CHECK(holds(world.playlist(1), "ENDLIST"));
}

TEST_CASE("a track that was announced and never came does not keep the playlist open") {
  HlsWorld world;
  one_muxed_track(world, 2);
  world.store.set_track(HlsWorld::first_epoch, HlsWorld::track_info(5, TrackKind::audio));
  world.end();
  world.pass_ms(6'000);
  CHECK(holds(world.playlist(), "#EXT-X-ENDLIST\n"));
}

TEST_CASE("a segment that END closed is listed with the parts it has") {
  HlsWorld world;
  one_muxed_track(world, 1);
  world.push(0, proto::independent, HlsWorld::octets(10, 1));
  world.end();
  CHECK(holds(world.playlist(), "#EXTINF:0.500000,\n" + std::to_string(HlsWorld::first_epoch) + "/0/101.m4s\n"));
  CHECK(count_of(world.playlist(), "#EXTINF") == 2);
}

TEST_CASE("MPEG-TS has a playlist without map, and opaque tracks have none") {
  HlsWorld world;
  world.open({HlsWorld::track_info(0, TrackKind::muxed, 0, proto::ContentType::mpeg_ts),
              HlsWorld::track_info(3, TrackKind::other, 0, proto::ContentType::opaque)});
  world.push_segments(0, 1);
  world.push_segments(3, 1);
  CHECK(holds(world.playlist(), "/0/100.ts\n"));
  CHECK_FALSE(holds(world.playlist(), "EXT-X-MAP"));
  CHECK(world.get("/3.m3u8").status == 404);
  CHECK(world.get("/7.m3u8").status == 404);
}

TEST_CASE("who asks before the first segment is whole waits for it, and no longer than three target durations") {
  HlsWorld world;
  world.open({HlsWorld::track_info(0, TrackKind::muxed)});
  world.push_init(0, "muxed");
  CHECK_FALSE(world.ask("/0.m3u8").has_value());
  CHECK_FALSE(world.ask("/0.m3u8").has_value());
  CHECK_FALSE(world.hls.poll_reply().has_value());
  SUBCASE("it comes: all get the same octets") {
    world.push_segment(0, 1);
    const auto first = world.hls.poll_reply();
    const auto second = world.hls.poll_reply();
    REQUIRE(first);
    REQUIRE(second);
    CHECK(first->response.status == 200);
    CHECK(first->response.pieces[0].data() == second->response.pieces[0].data());
    CHECK(world.hls.counters().renders == 1);
  }
  SUBCASE("it does not come: 503") {
    world.pass_ms(5999);
    CHECK_FALSE(world.hls.poll_reply().has_value());
    world.pass_ms(1);
    const auto late = world.hls.poll_reply();
    REQUIRE(late);
    CHECK(late->response.status == 503);
    CHECK(header_of(late->response, "Cache-Control") == "no-store");
  }
  SUBCASE("a client that went away costs nothing more") {
    world.hls.on_closed(1);
    world.hls.on_closed(2);
    world.push_segment(0, 1);
    CHECK_FALSE(world.hls.poll_reply().has_value());
  }
}

TEST_CASE("a target duration above two seconds is shown, and segments keep below it") {
  HlsWorld world;
  world.open({HlsWorld::track_info(0, TrackKind::muxed)}, HlsWorld::first_epoch, 1, 0, 9);
  world.push_init(0, "muxed");
  world.push(0, proto::independent | proto::last_in_segment, HlsWorld::octets(10, 1), 8'333'333);
  CHECK(holds(world.playlist(), "#EXT-X-TARGETDURATION:9\n"));
  CHECK(holds(world.playlist(), "#EXTINF:8.333333,\n"));
}
