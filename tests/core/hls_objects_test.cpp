#include "hls_fixture.hpp"

using namespace streamr;
using namespace streamr::test;
using proto::TrackKind;

namespace {

void opened(HlsWorld& world) {
  world.open({HlsWorld::track_info(0, TrackKind::muxed)});
  world.push_init(0, "muxed");
}

std::string raw(const core::ChunkPtr& chunk) {
  return {reinterpret_cast<const char*>(chunk->header().raw.data()), 224};
}

std::string header_and_leaves(const core::ChunkPtr& chunk) {
  const SharedBytes& bytes = chunk->header_and_leaves();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

TEST_CASE("a .chunk is header, leaves and payload, so that anybody can check it") {
  HlsWorld world;
  opened(world);
  const auto chunk = world.push(0, proto::independent, HlsWorld::octets(40'000, 9));
  const auto answer = world.get(world.place() + "100.0.chunk");
  CHECK(answer.status == 200);
  CHECK_FALSE(answer.open);
  CHECK(header_of(answer, "Content-Type") == "application/octet-stream");
  const std::string body = text_of(answer);
  CHECK(body.size() == 224 + 3 * 32 + 40'000);
  const auto header = proto::parse_chunk_header(view_of(body).first(224));
  REQUIRE(header);
  CHECK(proto::verify_chunk_header(*header, *chunk->certificate()));
  CHECK(body.substr(320) == std::string(40'000, '\x09'));
  CHECK(world.get(world.place() + "100.0.chunk", {{"range", "bytes=0-223"}}).status == 206);
}

TEST_CASE("a .chunk streams its slices in order as they verify") {
  HlsWorld world;
  opened(world);
  const auto signed_chunk = world.sign(0, proto::independent, HlsWorld::octets(70'000, 9));  // five slices
  const auto kept = world.announce(signed_chunk);
  world.give_slice(kept, signed_chunk, 0);
  const auto answer = world.get(world.place() + "100.0.chunk");
  CHECK(answer.open);
  std::string body = text_of(answer);
  CHECK(body.size() == 224 + 5 * 32 + 16'384);
  world.give_slice(kept, signed_chunk, 2);
  CHECK_FALSE(world.hls.poll_pieces().has_value());  // slice 1 goes first
  bool ended = false;
  const auto drain = [&] {
    while (auto pieces = world.hls.poll_pieces()) {
      for (const auto& piece : pieces->pieces) body.append(reinterpret_cast<const char*>(piece.data()), piece.size());
      ended = pieces->end;
    }
  };
  world.give_slice(kept, signed_chunk, 1);
  drain();
  CHECK(body.size() == 224 + 5 * 32 + 3 * 16'384);
  CHECK_FALSE(ended);
  world.give_slice(kept, signed_chunk, 4);
  world.give_slice(kept, signed_chunk, 3);
  drain();
  CHECK(ended);
  CHECK(body == header_and_leaves(kept) + std::string(70'000, '\x09'));
}

TEST_CASE("a .chunk whose rest never comes is ended after three target durations") {
  HlsWorld world;
  opened(world);
  const auto kept = world.announce(world.sign(0, proto::independent, HlsWorld::octets(40'000, 9)));
  CHECK(world.get(world.place() + "100.0.chunk").open);
  CHECK(world.hls.deadline_us() <= world.now.mono_us + 6'000'000);
  world.pass_ms(5'999);
  CHECK_FALSE(world.hls.poll_pieces().has_value());
  world.pass_ms(1);
  const auto last = world.hls.poll_pieces();
  REQUIRE(last);
  CHECK(last->end);
  CHECK(last->pieces.empty());
}

TEST_CASE("nobody is served slices after the connection went away") {
  HlsWorld world;
  opened(world);
  const auto signed_chunk = world.sign(0, proto::independent, HlsWorld::octets(40'000, 9));
  const auto kept = world.announce(signed_chunk);
  const HttpId id = world.next_id;
  CHECK(world.get(world.place() + "100.0.chunk").open);
  world.hls.on_closed(id);
  world.give_slice(kept, signed_chunk, 0);
  CHECK_FALSE(world.hls.poll_pieces().has_value());
}

TEST_CASE("HEAD of a .chunk that is still coming ends at once") {
  HlsWorld world;
  opened(world);
  world.announce(world.sign(0, proto::independent, HlsWorld::octets(40'000, 9)));
  CHECK(world.get(world.place() + "100.0.chunk", {}, "HEAD").status == 200);
  const auto last = world.hls.poll_pieces();
  REQUIRE(last);
  CHECK(last->end);
}

TEST_CASE("GAP, END and INIT are chunks too") {
  HlsWorld world;
  opened(world);
  world.push(0, proto::independent, HlsWorld::octets(10, 9));
  world.push(0, proto::gap, {});
  world.end();
  CHECK(text_of(world.get(world.place() + "100.1.chunk")).size() == 224);
  CHECK(text_of(world.get(world.place() + "100.2.chunk")).size() == 224);
  CHECK(text_of(world.get(world.place() + "100.65535.chunk")).size() == 224 + 32 + init_section("muxed").size());
  CHECK(world.get(world.place() + "100.1.m4s").status == 404);
  CHECK(world.get(world.place() + "100.2.m4s").status == 404);
  CHECK(world.get(world.place() + "100.3.chunk").status == 404);
}

TEST_CASE("opaque media is there as .chunk and as nothing else") {
  HlsWorld world;
  world.open({HlsWorld::track_info(3, TrackKind::other, 0, proto::ContentType::opaque)});
  world.push(3, proto::independent | proto::last_in_segment, HlsWorld::octets(10, 9));
  CHECK(world.get(world.place(3) + "100.0.chunk").status == 200);
  CHECK(world.get(world.place(3) + "100.0.m4s").status == 404);
  CHECK(world.get(world.place(3) + "100.0.ts").status == 404);
  CHECK(world.get(world.place(3) + "100.m4s").status == 404);
  CHECK(world.get(world.place(3) + "head").status == 200);
}

TEST_CASE("head is the newest header of the track") {
  HlsWorld world;
  world.open({HlsWorld::track_info(0, TrackKind::muxed)});
  CHECK(world.get(world.place() + "head").status == 404);
  const auto init = world.push(0, proto::init, init_section("muxed"));
  CHECK(text_of(world.get(world.place() + "head")) == raw(init));
  world.push_segments(0, 1);
  const auto part = world.push(0, proto::independent, HlsWorld::octets(10, 9));
  const auto answer = world.get(world.place() + "head");
  CHECK(text_of(answer) == raw(part));
  CHECK(header_of(answer, "Cache-Control") == "no-cache");
  CHECK(world.get(world.place(9) + "head").status == 404);
}

TEST_CASE("a run of headers follows the signed chain from where it is asked") {
  HlsWorld world;
  opened(world);
  world.push_segments(0, 1);
  world.push_init(0, "h264");
  world.push_segments(0, 2);
  const std::string all = text_of(world.get(world.place() + "headers?from=100.0&n=64"));
  REQUIRE(all.size() == 13 * 224);
  for (std::size_t i = 1; i < 13; ++i) {
    const auto before = proto::parse_chunk_header(view_of(all).subspan((i - 1) * 224, 224));
    const auto here = proto::parse_chunk_header(view_of(all).subspan(i * 224, 224));
    REQUIRE(here);
    CHECK(here->prev_header_hash == before->hash());
  }
  CHECK(text_of(world.get(world.place() + "headers?from=100.65535&n=2")) ==
        raw(world.store.find(HlsWorld::first_epoch, 0, {100, init_part})) +
            raw(world.store.find(HlsWorld::first_epoch, 0, {100, 0})));
  CHECK(text_of(world.get(world.place() + "headers?n=3&from=102.1")).size() == 3 * 224);
  CHECK(text_of(world.get(world.place() + "headers?from=100.2")).size() == 11 * 224);
  CHECK(world.get(world.place() + "headers?from=103.0").status == 404);
}

TEST_CASE("a run of headers without a proper start is refused") {
  HlsWorld world;
  opened(world);
  world.push_segments(0, 1);
  for (const char* query : {"", "?", "?from=", "?from=100", "?from=100.", "?from=.0", "?from=100.0.0", "?from=0100.0",
                            "?from=-1.0", "?from=100.65536", "?from=18446744073709551616.0", "?from=100.0&n=0",
                            "?from=100.0&n=-1", "?from=100.0&n=x", "?from=100.0&n=", "?n=5"})
    CHECK_MESSAGE(world.get(world.place() + "headers" + query).status == 400, query);
}

TEST_CASE("the certificate behind a header can be fetched by its id") {
  HlsWorld world;
  opened(world);
  const auto certificate = world.verifier.newest_certificate();
  const std::string id = to_hex(certificate->id().view());
  const auto answer = world.get(world.place() + "cert/" + id);
  CHECK(answer.status == 200);
  CHECK(text_of(answer) == std::string(certificate->raw.begin(), certificate->raw.end()));
  world.hls.set_certificates({});
  CHECK(world.get(world.place() + "cert/" + id).status == 200);  // the chunks themselves know it
  CHECK(world.get("/5/0/cert/" + id).status == 404);
}
