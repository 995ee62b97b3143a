#include "hls_fixture.hpp"

using namespace streamr;
using namespace streamr::test;
using proto::TrackKind;

namespace {

HlsWorld& with_segments(HlsWorld& world, int segments) {
  world.open({HlsWorld::track_info(0, TrackKind::muxed), HlsWorld::track_info(1, TrackKind::audio)});
  world.push_init(0, "muxed");
  world.push_init(1, "aac");
  world.push_segments(0, segments);
  world.push_segments(1, segments);
  return world;
}

}  // namespace

TEST_CASE("a part is its payload, with its signed header in hex") {
  HlsWorld world;
  with_segments(world, 1);
  const auto answer = world.get(world.place() + "100.2.m4s");
  CHECK(answer.status == 200);
  CHECK(text_of(answer) == std::string(1000, '\x02'));
  const auto chunk = world.store.find(HlsWorld::first_epoch, 0, {100, 2});
  CHECK(header_of(answer, "Streamr-Chunk") == to_hex(chunk->header().raw));
  CHECK(header_of(answer, "Streamr-Chunk").size() == 448);
  CHECK(header_of(answer, "Content-Type") == "video/mp4");
  CHECK(header_of(answer, "Cache-Control") == "public, max-age=31536000, immutable");
  CHECK(header_of(answer, "Access-Control-Allow-Origin") == "*");
  CHECK(header_of(answer, "Access-Control-Expose-Headers") == "Streamr-Chunk");
}

TEST_CASE("a segment is its parts joined without a copy, and names no single header") {
  HlsWorld world;
  with_segments(world, 1);
  const auto answer = world.get(world.place() + "100.m4s");
  CHECK(answer.status == 200);
  CHECK(answer.pieces.size() == 4);
  CHECK(answer.pieces[0].data() == world.store.find(HlsWorld::first_epoch, 0, {100, 0})->payload().data());
  CHECK(text_of(answer) ==
        std::string(1000, '\0') + std::string(1000, '\1') + std::string(1000, '\2') + std::string(1000, '\3'));
  CHECK(header_of(answer, "Streamr-Chunk").empty());
}

TEST_CASE("a segment of one chunk still names its header") {
  HlsWorld world;
  world.open({HlsWorld::track_info(0, TrackKind::muxed)});
  world.push_init(0, "muxed");
  world.push(0, proto::independent | proto::last_in_segment, HlsWorld::octets(50, 5), 2'000'000);
  CHECK(header_of(world.get(world.place() + "100.m4s"), "Streamr-Chunk").size() == 448);
}

TEST_CASE("the init section stands under the segment that it was signed for") {
  HlsWorld world;
  with_segments(world, 2);
  const auto answer = world.get(world.place() + "100.init.mp4");
  CHECK(answer.status == 200);
  const auto section = init_section("muxed");
  CHECK(text_of(answer) == std::string(section.data(), section.data() + section.size()));
  CHECK(header_of(answer, "Streamr-Chunk").size() == 448);
  CHECK(world.get(world.place() + "101.init.mp4").status == 404);
}

TEST_CASE("audio tracks have the type of sound, MPEG-TS its own") {
  HlsWorld world;
  with_segments(world, 1);
  CHECK(header_of(world.get(world.place(1) + "100.m4s"), "Content-Type") == "audio/mp4");
  CHECK(header_of(world.get(world.place(1) + "100.1.m4s"), "Content-Type") == "audio/mp4");
  CHECK(header_of(world.get(world.place(1) + "100.init.mp4"), "Content-Type") == "audio/mp4");
  HlsWorld ts;
  ts.open({HlsWorld::track_info(0, TrackKind::muxed, 0, proto::ContentType::mpeg_ts)});
  ts.push_segments(0, 1);
  CHECK(header_of(ts.get(ts.place() + "100.ts"), "Content-Type") == "video/mp2t");
  CHECK(ts.get(ts.place() + "100.0.ts").status == 200);
  CHECK(ts.get(ts.place() + "100.m4s").status == 404);
  CHECK(ts.get(ts.place() + "100.0.m4s").status == 404);
}

TEST_CASE("what is not whole is not there") {
  HlsWorld world;
  with_segments(world, 1);
  const auto part = world.sign(0, proto::independent, HlsWorld::octets(40'000, 9));
  const auto kept = world.announce(part);
  world.give_slice(kept, part, 0);
  CHECK(world.get(world.place() + "101.m4s").status == 404);
  CHECK(world.get(world.place() + "101.1.m4s").status == 404);
  CHECK_FALSE(world.ask(world.place() + "101.0.m4s").has_value());  // it is the part that comes next
  world.give_slice(kept, part, 1);
  CHECK_FALSE(world.hls.poll_reply().has_value());
  world.give_slice(kept, part, 2);
  CHECK(world.get(world.place() + "101.0.m4s").status == 200);
  CHECK(world.get(world.place() + "101.m4s").status == 404);
  CHECK(header_of(world.get(world.place() + "101.m4s"), "Cache-Control") == "no-store");
}

TEST_CASE("one range of media is cut out, across the parts of a segment") {
  HlsWorld world;
  with_segments(world, 1);
  const std::string whole = text_of(world.get(world.place() + "100.m4s"));
  struct Row {
    const char* range;
    const char* content_range;
    std::size_t first, length;
  };
  for (const Row& row :
       {Row{"bytes=0-", "bytes 0-3999/4000", 0, 4000}, Row{"bytes=900-1100", "bytes 900-1100/4000", 900, 201},
        Row{"bytes=-5", "bytes 3995-3999/4000", 3995, 5}, Row{"bytes=3999-9999", "bytes 3999-3999/4000", 3999, 1},
        Row{"bytes=-9999", "bytes 0-3999/4000", 0, 4000}, Row{"Bytes=1-1", "bytes 1-1/4000", 1, 1}}) {
    const auto answer = world.get(world.place() + "100.m4s", {{"range", row.range}});
    CHECK_MESSAGE(answer.status == 206, row.range);
    CHECK(header_of(answer, "Content-Range") == row.content_range);
    CHECK(text_of(answer) == whole.substr(row.first, row.length));
  }
  CHECK(header_of(world.get(world.place() + "100.m4s"), "Accept-Ranges") == "bytes");
}

TEST_CASE("a range behind the end is refused with 416 and the length") {
  HlsWorld world;
  with_segments(world, 1);
  for (const char* range : {"bytes=4000-", "bytes=99999-100000", "bytes=-0"}) {
    const auto answer = world.get(world.place() + "100.m4s", {{"range", range}});
    CHECK_MESSAGE(answer.status == 416, range);
    CHECK(header_of(answer, "Content-Range") == "bytes */4000");
    CHECK(header_of(answer, "Cache-Control") == "no-store");
  }
}

TEST_CASE("several ranges, or one that makes no sense, are answered whole") {
  HlsWorld world;
  with_segments(world, 1);
  for (const char* range : {"bytes=0-1,5-6", "bytes=5-1", "bytes=a-b", "octets=0-1", "bytes=", "bytes=-", "bytes=1",
                            "0-5", "bytes=99999999999999999999999-", "bytes=0x1-2", "bytes=+1-2"}) {
    const auto answer = world.get(world.place() + "100.m4s", {{"range", range}});
    CHECK_MESSAGE(answer.status == 200, range);
    CHECK(text_of(answer).size() == 4000);
  }
}

TEST_CASE("media that the client has already is not sent again") {
  HlsWorld world;
  with_segments(world, 1);
  const auto first = world.get(world.place() + "100.1.m4s");
  CHECK(world.get(world.place() + "100.1.m4s", {{"if-none-match", "\"x\", W/" + header_of(first, "ETag")}}).status ==
        304);
  CHECK(world.get(world.place() + "100.1.m4s", {{"if-none-match", "\"x\""}}).status == 200);
  CHECK(
      world.get(world.place() + "100.1.m4s", {{"range", "bytes=0-1"}, {"if-range", header_of(first, "ETag")}}).status ==
      206);
  CHECK(world.get(world.place() + "100.1.m4s", {{"range", "bytes=0-1"}, {"if-range", "\"old\""}}).status == 200);
}

TEST_CASE("OPTIONS allows Range, and any method that writes is refused with what is allowed") {
  HlsWorld world;
  with_segments(world, 1);
  const auto options = world.get("/0.m3u8", {}, "OPTIONS");
  CHECK(options.status == 204);
  CHECK(holds(header_of(options, "Access-Control-Allow-Headers"), "Range"));
  CHECK(header_of(options, "Access-Control-Allow-Origin") == "*");
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "get", "TRACE"}) {
    const auto answer = world.get("/0.m3u8", {}, method);
    CHECK(answer.status == 405);
    CHECK(header_of(answer, "Allow") == "GET, HEAD, OPTIONS");
  }
  CHECK(world.get(world.place() + "100.m4s", {}, "HEAD").status == 200);
}

TEST_CASE("hostile addresses are refused and never cached") {
  HlsWorld world;
  with_segments(world, 1);
  const std::string e = std::to_string(HlsWorld::first_epoch);
  for (const std::string& rest : std::vector<std::string>{"",
                                                          "/",
                                                          "//",
                                                          ".m3u",
                                                          ".m3u8/",
                                                          "/.m3u8",
                                                          "/00.m3u8",
                                                          "/-1.m3u8",
                                                          "/+0.m3u8",
                                                          "/65536.m3u8",
                                                          "/0.m3u8.m3u8",
                                                          "/0x0.m3u8",
                                                          "/ 0.m3u8",
                                                          "/99999999999999999999.m3u8",
                                                          "/" + e,
                                                          "/" + e + "/",
                                                          "/" + e + "/0",
                                                          "/" + e + "/0/",
                                                          "/" + e + "/0/100",
                                                          "/" + e + "/0/.m4s",
                                                          "/" + e + "/0/100.m4s/",
                                                          "/" + e + "/0/0100.m4s",
                                                          "/" + e + "/0/100.00.m4s",
                                                          "/" + e + "/0/100.0.0.m4s",
                                                          "/" + e + "/0/100.65536.m4s",
                                                          "/" + e + "/0/100.65535.m4s",
                                                          "/" + e + "/0/100..m4s",
                                                          "/" + e + "/0/-100.m4s",
                                                          "/" + e + "/0/18446744073709551616.m4s",
                                                          "/" + e + "/0/100.M4S",
                                                          "/" + e + "/0/100.ts",
                                                          "/" + e + "/0/100.0.ts",
                                                          "/" + e + "/00/100.m4s",
                                                          "/0" + e + "/0/100.m4s",
                                                          "/18446744073709551616/0/100.m4s",
                                                          "/1/0/100.m4s",
                                                          "/" + e + "/9/100.m4s",
                                                          "/" + e + "/0/100.init",
                                                          "/" + e + "/0/100.init.m4s",
                                                          "/" + e + "/0/../0/100.m4s",
                                                          "/" + e + "/0/%31%30%30.m4s",
                                                          "/" + e + "/0/cert",
                                                          "/" + e + "/0/cert/",
                                                          "/" + e + "/0/cert/00",
                                                          "/" + e + "/0/cert/0000000000000000",
                                                          "/" + e + "/0/cert/GGGGGGGGGGGGGGGG",
                                                          "/" + e + "/0/head/",
                                                          "/" + e + "/0/heads",
                                                          "/" + e + "/0/100.0.chunk.",
                                                          "/" + e + "/0/18446744073709551615.0.m4s",
                                                          std::string("/0.m3u8\0", 8),
                                                          std::string(9000, '/')}) {
    const auto answer = world.get(rest);
    CHECK_MESSAGE(answer.status == 404, rest);
    CHECK(header_of(answer, "Cache-Control") == "no-store");
  }
}

TEST_CASE("a query does not change what media is meant") {
  HlsWorld world;
  with_segments(world, 1);
  CHECK(world.get(world.place() + "100.m4s?x=1").status == 200);
  CHECK(world.get("/0.m3u8?_HLS_msn=5&_HLS_part=0").status == 200);
}

TEST_CASE("what left playlist and store is fetchable still, counts as memory, and goes where memory is short") {
  core::StoreLimits limits;
  limits.min_segments = 3;
  HlsWorld world(limits, {"", "00112233aabbccdd", 4});
  world.open({HlsWorld::track_info(0, proto::TrackKind::video, 0, proto::ContentType::mpeg_ts)});
  world.push_segments(0, 6);
  CHECK(world.hls.retired_bytes() == 0);
  const auto oldest = world.store.find_track(HlsWorld::first_epoch, 0)->oldest_segment();
  const std::string address = world.place() + std::to_string(oldest) + ".0.ts";
  world.store.shrink();
  world.push_segments(0, 1);
  CHECK(world.get(address).status == 200);
  CHECK(world.hls.retired_bytes() > 4'000);
  world.hls.forget_retired();
  CHECK(world.hls.retired_bytes() == 0);
  CHECK(world.get(address).status == 404);
}
