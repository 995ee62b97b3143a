#include "loop_fixture.hpp"

using namespace streamr::publisher;

namespace {

// Sends a finished FLV through the pipeline of an RTMP source.
void run_flv(const std::string& path, FileSink& sink) {
  MediaPipeline pipeline(false);
  std::string reason;
  REQUIRE(pipeline.start(ffmpeg_for_flv(), reason));
  std::ifstream file(path, std::ios::binary);
  const Bytes bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  REQUIRE_FALSE(bytes.empty());
  pipeline.packager().on_arrival_offset(1'700'000'000'000'000);
  pipeline.child().write(bytes);
  pipeline.child().close_input();
  const std::uint64_t end_us = wall_us() + 30'000'000;
  while (!pipeline.over() && wall_us() < end_us) {
    std::vector<pollfd> entries;
    pipeline.child().add_descriptors(entries);
    poll(entries.data(), entries.size(), 20);
    pipeline.on_ready(entries, wall_us());
    while (auto event = pipeline.packager().poll()) {
      if (auto* begin = std::get_if<EpochBegin>(&*event)) sink.open_epoch(*begin);
      if (auto* part = std::get_if<MediaPart>(&*event)) sink.push(std::move(*part));
    }
  }
  CHECK(pipeline.over());
  CHECK(pipeline.bad_fragments() == 0);
}

std::string packet_hashes(const std::string& path) {
  return output_of("ffmpeg -v error -i " + path + " -map 0:v? -map 0:a? -c copy -f streamhash -");
}

}  // namespace

TEST_CASE("init section and parts, joined, decode without an error and hold the very packets of the source") {
  Folder folder;
  for (const std::string& tracks : {picture + sound, picture, sound}) {
    CAPTURE(tracks);
    const std::string source = folder / "source.flv", joined = folder / "joined.mp4";
    REQUIRE(output_of("ffmpeg -v error -y" + tracks + "-t 6" + encoder(60) + "-bf 2 -f flv " + source).empty());
    FileSink sink;
    run_flv(source, sink);
    REQUIRE(sink.epochs.size() == 1);
    write_file(joined, sink.files[0]);
    CHECK(output_of("ffmpeg -v error -i " + joined + " -f null -") == "");
    CHECK(packet_hashes(joined) == packet_hashes(source));
    CHECK(packet_hashes(joined).find("SHA256") != std::string::npos);
  }
}

TEST_CASE("parts of a real encoder are half a second, four to a segment, the first of each independent") {
  Folder folder;
  const std::string source = folder / "source.flv";
  REQUIRE(output_of("ffmpeg -v error -y" + picture + sound + "-t 8" + encoder(60) + "-f flv " + source).empty());
  FileSink sink;
  run_flv(source, sink);
  REQUIRE(sink.parts.size() == 16);
  for (std::size_t i = 0; i < sink.parts.size(); ++i) {
    CHECK(sink.parts[i].duration_us == 500'000);
    CHECK(sink.parts[i].independent == (i % 4 == 0));
    CHECK(sink.parts[i].last_in_segment == (i % 4 == 3));
  }
  CHECK(sink.epochs[0].plan.part_target_us == 500'000);
}

TEST_CASE("a segment alone decodes after the init section, as a player does that joins there") {
  Folder folder;
  const std::string source = folder / "source.flv", joined = folder / "joined.mp4";
  REQUIRE(output_of("ffmpeg -v error -y" + picture + sound + "-t 6" + encoder(60) + "-f flv " + source).empty());
  Packager packager;
  FileSink sink;
  run_flv(source, sink);
  const Bytes& init = sink.epochs[0].init->bytes;
  // From the third segment on: what lies before it is cut away at a part border.
  Bytes file = init;
  ByteSpan rest = ByteSpan(sink.files[0]).subspan(init.size());
  for (int box = 0; box < 2 * 8; ++box) {
    BoxHead head;
    REQUIRE(read_box_head(rest, head) == HeadState::whole);
    rest = rest.subspan(static_cast<std::size_t>(head.total_bytes));
  }
  file.insert(file.end(), rest.begin(), rest.end());
  write_file(joined, file);
  CHECK(output_of("ffmpeg -v error -i " + joined + " -f null -") == "");
  CHECK(output_of("ffprobe -v error -select_streams v -count_frames -show_entries stream=nb_read_frames -of csv=p=0 " + joined) ==
        "60\n");
}

TEST_CASE("an address in what ffmpeg says never reaches the log") {
  CHECK(without_addresses("rtmp://host/live/secret: Connection refused") == "rtmp://... Connection refused");
  CHECK(without_addresses("opening 'http://u:p@h/x?token=1' for reading") == "opening 'http://...' for reading");
  CHECK(without_addresses("nothing to hide") == "nothing to hide");
}

TEST_CASE("garbage instead of media ends ffmpeg, not the program") {
  Folder folder;
  Bytes garbage(100'000, 0x5A);
  write_file(folder / "garbage.flv", garbage);
  FileSink sink;
  run_flv(folder / "garbage.flv", sink);
  CHECK(sink.epochs.empty());
}
