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

std::string text_at(HlsWorld& world, const std::string& rest) {
  const auto answer = world.get(rest);
  REQUIRE(answer.status == 200);
  return text_of(answer);
}

// A client that holds `before` reads a delta update: what was skipped it keeps from there.
std::string merged(const std::string& before, std::string update) {
  const std::string tag = "#EXT-X-SKIP:SKIPPED-SEGMENTS=";
  const auto at = update.find(tag);
  REQUIRE(at != std::string::npos);
  const auto end = update.find('\n', at) + 1;
  const int count = std::stoi(update.substr(at + tag.size()));
  auto begin = before.find("#EXT-X-MAP");
  std::size_t stop = begin;
  for (int i = 0; i < count; ++i) {
    stop = before.find("#EXTINF", stop + 1);
    stop = before.find('\n', before.find('\n', stop) + 1) + 1;
  }
  const std::string map = before.substr(begin, before.find('\n', begin) + 1 - begin);
  REQUIRE(update.substr(end, map.size()) == map);  // named again: the client needs no memory of it
  update.replace(at, end - at + map.size(), before.substr(begin, stop - begin));
  const std::string nine = "#EXT-X-VERSION:9";
  return update.replace(update.find(nine), nine.size(), "#EXT-X-VERSION:6");
}

}  // namespace

TEST_CASE("a delta update leaves out what lies six target durations behind the end, and merges into the whole") {
  HlsWorld world;
  live(world, 10);
  const std::string whole = world.playlist();
  const std::string update = text_at(world, "/0.m3u8?_HLS_skip=YES");
  CHECK(holds(whole, "CAN-SKIP-UNTIL=12.000000"));
  CHECK_FALSE(holds(whole, "EXT-X-SKIP"));
  CHECK(holds(update, "#EXT-X-VERSION:9\n"));
  CHECK(holds(update, "#EXT-X-MEDIA-SEQUENCE:100\n"));
  CHECK(holds(update, "#EXT-X-SKIP:SKIPPED-SEGMENTS=4\n"));  // 104 to 109 are twelve seconds
  CHECK(count_of(update, "#EXTINF") == 6);
  CHECK(merged(whole, update) == whole);
  CHECK(text_at(world, "/0.m3u8?_HLS_skip=v2") == update);
}

TEST_CASE("parts of the growing segment count towards the boundary") {
  HlsWorld world;
  live(world, 7);
  CHECK(holds(text_at(world, "/0.m3u8?_HLS_skip=YES"), "SKIPPED-SEGMENTS=1\n"));
  for (int part = 0; part < 3; ++part) world.push(0, part == 0 ? proto::independent : 0, HlsWorld::octets(9, 1));
  CHECK(holds(text_at(world, "/0.m3u8?_HLS_skip=YES"), "SKIPPED-SEGMENTS=1\n"));
  world.push(0, proto::last_in_segment, HlsWorld::octets(9, 1));
  CHECK(holds(text_at(world, "/0.m3u8?_HLS_skip=YES"), "SKIPPED-SEGMENTS=2\n"));
}

TEST_CASE("where nothing is old enough, and for any other word, the whole playlist comes") {
  HlsWorld world;
  live(world, 6);
  CHECK(text_at(world, "/0.m3u8?_HLS_skip=YES") == world.playlist());
  world.push_segments(0, 4);
  for (const char* word : {"", "NO", "yes", "v3", "1"})
    CHECK_MESSAGE(text_at(world, std::string("/0.m3u8?_HLS_skip=") + word) == world.playlist(), word);
}

TEST_CASE("a delta update waits for its part as a whole playlist does, and is rendered once for all") {
  HlsWorld world;
  live(world, 10);
  for (int i = 0; i < 50; ++i) {
    CHECK_FALSE(world.ask("/0.m3u8?_HLS_msn=110&_HLS_part=0&_HLS_skip=YES").has_value());
    CHECK_FALSE(world.ask("/0.m3u8?_HLS_msn=110&_HLS_part=0").has_value());
  }
  const auto renders = world.hls.counters().renders;
  world.push(0, proto::independent, HlsWorld::octets(100, 7));
  int deltas = 0, wholes = 0;
  while (const auto reply = world.hls.poll_reply()) {
    const std::string text = text_of(reply->response);
    CHECK(holds(text, "/0/110.0.m4s"));
    ++(holds(text, "EXT-X-SKIP") ? deltas : wholes);
  }
  CHECK(deltas == 50);
  CHECK(wholes == 50);
  CHECK(world.hls.counters().renders == renders + 2);
}

TEST_CASE("discontinuities and gaps before the boundary are skipped with their segments, those after it stay") {
  HlsWorld world;
  world.open({HlsWorld::track_info(0, TrackKind::muxed)});
  world.push_init(0, "muxed");
  world.push_segment(0, 1);
  world.push_segment(0, 2, proto::discontinuity);
  world.push_segments(0, 5);
  world.push_segment(0, 3, proto::discontinuity);
  const std::string whole = world.playlist();
  const std::string update = text_at(world, "/0.m3u8?_HLS_skip=YES");
  CHECK(count_of(whole, "#EXT-X-DISCONTINUITY\n") == 2);
  CHECK(count_of(update, "#EXT-X-DISCONTINUITY\n") == 1);
  CHECK(merged(whole, update) == whole);
}

TEST_CASE("after ENDLIST and in plain HLS nothing is skipped") {
  HlsWorld world;
  live(world, 10);
  world.end();
  world.pass_ms(6'000);
  CHECK(text_at(world, "/0.m3u8?_HLS_skip=YES") == world.playlist());
  CHECK(holds(world.playlist(), "ENDLIST"));
  HlsWorld plain({}, {"", "00112233aabbccdd", 12, false});
  live(plain, 10);
  CHECK(text_at(plain, "/0.m3u8?_HLS_skip=YES") == plain.playlist());
  CHECK_FALSE(holds(plain.playlist(), "SERVER-CONTROL"));
}

TEST_CASE("each playlist reports the newest part of the other tracks, opaque ones excepted") {
  HlsWorld world;
  world.open({HlsWorld::track_info(0, TrackKind::video), HlsWorld::track_info(1, TrackKind::audio),
              HlsWorld::track_info(2, TrackKind::audio),
              HlsWorld::track_info(5, TrackKind::other, 0, proto::ContentType::opaque)});
  world.push_init(0, "h264");
  world.push_init(1, "aac");
  world.push_init(2, "aac");
  for (const std::uint16_t track : std::initializer_list<std::uint16_t>{0, 1, 2, 5}) world.push_segment(track, 1);
  world.push(1, proto::independent, HlsWorld::octets(9, 1));
  world.push(1, proto::independent, HlsWorld::octets(9, 1));
  const std::string video = world.playlist(0);
  CHECK(holds(video, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"" + epoch +
                         "/0/101.0.m4s\"\n"
                         "#EXT-X-RENDITION-REPORT:URI=\"1.m3u8\",LAST-MSN=101,LAST-PART=1\n"
                         "#EXT-X-RENDITION-REPORT:URI=\"2.m3u8\",LAST-MSN=100,LAST-PART=3\n"));
  CHECK_FALSE(holds(video, "5.m3u8"));
  const std::string sound = world.playlist(1);
  CHECK(holds(sound, "URI=\"0.m3u8\",LAST-MSN=100,LAST-PART=3\n"));
  CHECK_FALSE(holds(sound, "\"1.m3u8\""));
}

TEST_CASE("what is reported can be asked for at once, and what comes next is waited for") {
  HlsWorld world;
  world.open({HlsWorld::track_info(0, TrackKind::video), HlsWorld::track_info(1, TrackKind::audio)});
  world.push_init(0, "h264");
  world.push_init(1, "aac");
  world.push_segments(0, 2);
  world.push_segments(1, 2);
  world.push(1, proto::independent, HlsWorld::octets(9, 1));
  REQUIRE(holds(world.playlist(0), "URI=\"1.m3u8\",LAST-MSN=102,LAST-PART=0\n"));
  CHECK(world.get("/1.m3u8?_HLS_msn=102&_HLS_part=0").status == 200);
  CHECK_FALSE(world.ask("/1.m3u8?_HLS_msn=102&_HLS_part=1").has_value());
}

TEST_CASE("a track of a source without parts is reported by its segment alone, and hold-backs are the same on all") {
  HlsWorld world;
  world.open({HlsWorld::track_info(0, TrackKind::video), HlsWorld::track_info(1, TrackKind::audio)});
  world.push_init(0, "h264");
  world.push_init(1, "aac");
  world.push_segments(0, 2);
  for (int i = 0; i < 2; ++i)
    world.push(1, proto::independent | proto::last_in_segment, HlsWorld::octets(50, 5), 2'000'000);
  CHECK(holds(world.playlist(0), "URI=\"1.m3u8\",LAST-MSN=101\n"));
  const std::string control =
      "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12.000000,PART-HOLD-BACK=1.500000\n";
  CHECK(holds(world.playlist(0), control));
  CHECK(holds(world.playlist(1), control));
  CHECK_FALSE(holds(world.playlist(1), "PART-INF"));
}

TEST_CASE("a track that the newest epoch has no longer is not reported") {
  HlsWorld world;
  world.open({HlsWorld::track_info(0, TrackKind::video), HlsWorld::track_info(1, TrackKind::audio)});
  world.push_init(0, "h264");
  world.push_init(1, "aac");
  world.push_segments(0, 2);
  world.push_segments(1, 2);
  world.open({HlsWorld::track_info(0, TrackKind::video)}, HlsWorld::first_epoch + 65536, 102, 1);
  world.push_init(0, "h264");
  world.push_segment(0, 1);
  CHECK_FALSE(holds(world.playlist(0), "RENDITION-REPORT"));
}

TEST_CASE("a reload for the part behind the last of an epoch waits for the first part of the next") {
  HlsWorld world;
  live(world, 2);
  world.open({HlsWorld::track_info(0, TrackKind::muxed)}, HlsWorld::first_epoch + 65536, 102, 1);
  world.push_init(0, "muxed");
  const auto first = world.sign(0, proto::independent, HlsWorld::octets(40'000, 7));
  const auto kept = world.announce(first);
  CHECK_FALSE(world.ask("/0.m3u8?_HLS_msn=101&_HLS_part=4").has_value());
  CHECK(world.get("/0.m3u8?_HLS_msn=101&_HLS_part=3").status == 200);
  for (std::uint16_t i = 0; i < 3; ++i) world.give_slice(kept, first, i);
  CHECK(world.hls.poll_reply()->response.status == 200);
}
