#include "hls_fixture.hpp"

using namespace streamr;
using namespace streamr::test;
using proto::TrackKind;

TEST_CASE("the multivariant playlist waits for the init section of each CMAF track") {
  HlsWorld world;
  CHECK(world.get(".m3u8").status == 404);
  world.open({HlsWorld::track_info(0, TrackKind::video), HlsWorld::track_info(1, TrackKind::audio)});
  CHECK(world.get(".m3u8").status == 404);
  world.push_init(0, "h264");
  const auto early = world.get(".m3u8");
  CHECK(early.status == 404);
  CHECK(header_of(early, "Cache-Control") == "no-store");
  CHECK(header_of(early, "Access-Control-Allow-Origin") == "*");
  world.push_init(1, "aac");
  CHECK(world.get(".m3u8").status == 200);
}

TEST_CASE("an init section that is not whole yet does not count") {
  HlsWorld world;
  world.open({HlsWorld::track_info(0, TrackKind::muxed)});
  const auto init = world.sign(0, proto::init, init_section("muxed"));
  const auto kept = world.announce(init);
  CHECK(world.get(".m3u8").status == 404);
  world.give_slice(kept, init, 0);
  CHECK(world.get(".m3u8").status == 200);
}

TEST_CASE("a muxed track lists both codecs, its size, the rate of TRACKS and where its playlist is") {
  HlsWorld world;
  world.open({HlsWorld::track_info(0, TrackKind::muxed, 3000)});
  world.push_init(0, "muxed");
  CHECK(text_of(world.get(".m3u8")) ==
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n"
        "#EXT-X-CONTENT-STEERING:SERVER-URI=\"https://coordinator/steering/x\",PATHWAY-ID=\"00112233aabbccdd\"\n"
        "#EXT-X-STREAM-INF:BANDWIDTH=3000000,CODECS=\"avc1.42c01e,mp4a.40.2\",RESOLUTION=640x360,PATHWAY-ID="
        "\"00112233aabbccdd\"\n"
        "talk/0.m3u8\n");
}

TEST_CASE("addresses in the multivariant playlist repeat the word that was asked for") {
  HlsWorld world;
  world.open({HlsWorld::track_info(0, TrackKind::muxed)});
  world.push_init(0, "muxed");
  world.word = to_hex(world.root.public_key().view());
  CHECK(holds(text_of(world.get(".m3u8")), "\n" + world.word + "/0.m3u8\n"));
  world.word = "talk";
  CHECK(holds(text_of(world.get(".m3u8")), "\ntalk/0.m3u8\n"));
}

TEST_CASE("audio tracks form one group, and its largest rate is added to each video's peak") {
  HlsWorld world;
  world.open({HlsWorld::track_info(0, TrackKind::video, 1), HlsWorld::track_info(1, TrackKind::video, 800),
              HlsWorld::track_info(2, TrackKind::audio, 1), HlsWorld::track_info(3, TrackKind::audio, 64)});
  world.push_init(0, "h264");
  world.push_init(1, "hevc");
  world.push_init(2, "aac");
  world.push_init(3, "opus");
  world.push_segment(0, 1, 0, 10'000);  // 40 000 octets in 2 s: 160 kbit/s
  world.push_segment(0, 1, 0, 5'000);
  world.push_segment(2, 1, 0, 2'000);  // 32 kbit/s, under the 64 that track 3 promises
  const std::string text = text_of(world.get(".m3u8"));
  CHECK(holds(
      text,
      "#EXT-X-STREAM-INF:BANDWIDTH=224000,AVERAGE-BANDWIDTH=152832,CODECS=\"avc1.64001f,mp4a.40.2,Opus\",RESOLUTION=640x360,AUDIO=\"audio\","));
  CHECK(holds(text, "#EXT-X-STREAM-INF:BANDWIDTH=864000,CODECS=\"hvc1."));
  CHECK(holds(text,
              "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"Audio "
              "2\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"talk/2.m3u8\"\n"));
  CHECK(holds(text, "NAME=\"Audio 3\",DEFAULT=NO,AUTOSELECT=YES"));
  CHECK(count_of(text, "PATHWAY-ID=\"00112233aabbccdd\"") == 3);
}

TEST_CASE("a stream of sound alone lists its audio track as a variant") {
  HlsWorld world;
  world.open({HlsWorld::track_info(1, TrackKind::audio, 128)});
  world.push_init(1, "aac");
  const std::string text = text_of(world.get(".m3u8"));
  CHECK(holds(text, "#EXT-X-STREAM-INF:BANDWIDTH=128000,CODECS=\"mp4a.40.2\",PATHWAY-ID="));
  CHECK(holds(text, "\ntalk/1.m3u8\n"));
  CHECK_FALSE(holds(text, "EXT-X-MEDIA"));
}

TEST_CASE("MPEG-TS is listed without CODECS, and opaque tracks are not listed") {
  HlsWorld world;
  world.open({HlsWorld::track_info(0, TrackKind::muxed, 500, proto::ContentType::mpeg_ts),
              HlsWorld::track_info(3, TrackKind::other, 1, proto::ContentType::opaque)});
  const std::string text = text_of(world.get(".m3u8"));
  CHECK(holds(text, "BANDWIDTH=500000,PATHWAY-ID"));
  CHECK_FALSE(holds(text, "CODECS"));
  CHECK_FALSE(holds(text, "3.m3u8"));
}

TEST_CASE("a stream with opaque tracks only has no playlist") {
  HlsWorld world;
  world.open({HlsWorld::track_info(3, TrackKind::other, 1, proto::ContentType::opaque)});
  world.push_segments(3, 2);
  CHECK(world.get(".m3u8").status == 404);
}

TEST_CASE("while a new epoch lacks its init section the playlist of the one before stands") {
  HlsWorld world;
  world.open({HlsWorld::track_info(0, TrackKind::muxed, 3000)});
  world.push_init(0, "muxed");
  world.open({HlsWorld::track_info(0, TrackKind::video, 900)}, HlsWorld::first_epoch + 65536, 200, 1);
  CHECK(holds(text_of(world.get(".m3u8")), "mp4a.40.2"));
  world.push_init(0, "h264");
  CHECK_FALSE(holds(text_of(world.get(".m3u8")), "mp4a.40.2"));
}

TEST_CASE("an init section that nobody can read still gives a playlist, without CODECS") {
  HlsWorld world;
  world.open({HlsWorld::track_info(0, TrackKind::muxed, 500)});
  world.push(0, proto::init, HlsWorld::octets(500, 0xEE));
  const std::string text = text_of(world.get(".m3u8"));
  CHECK(holds(text, "BANDWIDTH=500000,PATHWAY-ID"));
}

TEST_CASE("the multivariant playlist is rendered once, not per request") {
  HlsWorld world;
  world.open({HlsWorld::track_info(0, TrackKind::muxed, 500)});
  world.push_init(0, "muxed");
  for (int i = 0; i < 100; ++i) world.get(".m3u8");
  CHECK(world.hls.counters().renders == 1);
}

TEST_CASE("without a coordinator there is no steering") {
  HlsWorld world({}, {"", "00112233aabbccdd"});
  world.open({HlsWorld::track_info(0, TrackKind::muxed, 500)});
  world.push_init(0, "muxed");
  const std::string text = text_of(world.get(".m3u8"));
  CHECK_FALSE(holds(text, "STEERING"));
  CHECK(holds(text, "PATHWAY-ID"));
}
