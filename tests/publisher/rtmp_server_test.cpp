#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "loop_fixture.hpp"

using namespace streamr::publisher;

namespace {

std::string push(const std::string& url, const std::string& tone = "440", int gop = 30) {
  return "ffmpeg -v error -re -f lavfi -i testsrc2=s=320x180:r=30 -f lavfi -i sine=r=48000:f=" + tone + " -t 40" +
         encoder(gop) + "-f flv " + url;
}

int connect_to(const std::string& url) {
  const std::size_t colon = url.rfind(':');
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(url.substr(colon + 1))));
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return fd;
}

}  // namespace

TEST_CASE("a real ffmpeg publishes with the right key: honest times, whole parts, a clean end") {
  Studio studio;
  const std::string url = studio.listen();
  {
    Child source(push(url + Studio::key));
    REQUIRE(studio.run_until([&] { return studio.sink.parts.size() >= 10; }, 20));
    CHECK(studio.publisher.has_source());
  }
  studio.publisher.finish(wall_us());
  CHECK(studio.run_until([&] { return studio.publisher.done(); }, 5));
  CHECK(studio.publisher.exit_code() == 0);
  CHECK(studio.sink.ends == 1);
  REQUIRE(studio.sink.epochs.size() == 1);
  CHECK(studio.sink.parts.back().last_in_segment);
  // Live: a part of half a second leaves soon after its last frame came in, and never before its first.
  for (std::size_t i = 4; i < 8; ++i) {
    CHECK(studio.sink.late_us[i] > 0);
    CHECK(studio.sink.late_us[i] < 3'000'000);
  }
  Folder folder;
  write_file(folder / "joined.mp4", studio.sink.files[0]);
  CHECK(output_of("ffmpeg -v error -i " + (folder / "joined.mp4") + " -f null -") == "");
}

TEST_CASE("a real ffmpeg with a wrong key is refused and nothing is published") {
  Studio studio;
  const std::string url = studio.listen();
  Child source(push(url + "wrong"));
  REQUIRE(studio.run_until([&] { return source.ended(); }, 20));
  CHECK(source.exit_code() != 0);
  CHECK(studio.sink.epochs.empty());
  CHECK_FALSE(studio.publisher.has_source());
}

TEST_CASE("a newer source with the right key takes the place of the first, in a new epoch") {
  Studio studio;
  const std::string url = studio.listen();
  Child first(push(url + Studio::key));
  REQUIRE(studio.run_until([&] { return studio.sink.parts.size() >= 4; }, 20));
  Child second(push(url + Studio::key, "880"));
  REQUIRE(studio.run_until([&] { return studio.sink.epochs.size() == 2 && studio.sink.parts.back().media_time_us > 500'000; }, 20));
  CHECK(studio.run_until([&] { return first.ended(); }, 10));
  CHECK(studio.sink.epochs.size() == 2);
  CHECK(studio.sink.ends == 0);
}

TEST_CASE("a source that is killed leaves the stream open for one that comes back") {
  Studio studio;
  const std::string url = studio.listen();
  { Child first(push(url + Studio::key));
    REQUIRE(studio.run_until([&] { return studio.sink.parts.size() >= 4; }, 20)); }
  REQUIRE(studio.run_until([&] { return !studio.publisher.has_source(); }, 10));
  Child second(push(url + Studio::key));
  REQUIRE(studio.run_until([&] { return studio.sink.epochs.size() == 2; }, 20));
  CHECK(studio.sink.ends == 0);
}

TEST_CASE("a hundred idle connections do not keep the streamer out") {
  Studio studio;
  const std::string url = studio.listen();
  std::vector<int> idle;
  for (int i = 0; i < 100; ++i) {
    idle.push_back(connect_to("127.0.0.1:" + studio.publisher.server().address().substr(10)));
    studio.run_until([n = 0]() mutable { return n++ > 0; }, 1);
  }
  Child source(push(url + Studio::key));
  CHECK(studio.run_until([&] { return studio.publisher.has_source() && studio.sink.parts.size() >= 2; }, 20));
  for (const int fd : idle) close(fd);
}

TEST_CASE("what is not RTMP is closed without an answer") {
  Studio studio;
  studio.listen();
  const int fd = connect_to(studio.publisher.server().address());
  REQUIRE(send(fd, "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL) == 18);
  pollfd entry = {fd, POLLIN, 0};
  CHECK(studio.run_until([&] { return poll(&entry, 1, 0) == 1; }, 5));
  char byte = 0;
  CHECK(recv(fd, &byte, 1, 0) <= 0);
  close(fd);
}

TEST_CASE("an address that is taken is said so") {
  Studio first, second;
  first.listen();
  std::string reason;
  const auto port = static_cast<unsigned short>(std::stoi(first.publisher.server().address().substr(10)));
  CHECK(second.publisher.server().open("127.0.0.1", port, reason) == RtmpServer::Opened::in_use);
  CHECK(reason.find("in use") != std::string::npos);
}

TEST_CASE("a file is published as fast as it plays and ends the stream") {
  Folder folder;
  const std::string film = folder / "film.mp4";
  REQUIRE(output_of("ffmpeg -v error -y" + picture + sound + "-t 4" + encoder(30) + film).empty());
  Studio studio(film);
  std::string reason;
  const std::uint64_t begin_us = wall_us();
  REQUIRE(studio.publisher.start_input(begin_us, reason));
  REQUIRE(studio.run_until([&] { return studio.publisher.done(); }, 20));
  CHECK(wall_us() - begin_us > 3'000'000);
  CHECK(studio.publisher.exit_code() == 0);
  CHECK(studio.sink.parts.size() == 8);
  CHECK(studio.sink.ends == 1);
}

TEST_CASE("an MPEG-TS with AAC, and one with MP2, is published whole") {
  Folder folder;
  for (const std::string codec : {"aac", "mp2"}) {
    CAPTURE(codec);
    const std::string film = folder / (codec + ".ts");
    REQUIRE(output_of("ffmpeg -v error -y" + picture + sound + "-t 4" + encoder(30) + "-c:a " + codec + " " + film).empty());
    Studio studio(film);
    std::string reason;
    REQUIRE(studio.publisher.start_input(wall_us(), reason));
    REQUIRE(studio.run_until([&] { return studio.publisher.done(); }, 20));
    CHECK(studio.publisher.exit_code() == 0);
    CHECK(studio.sink.parts.size() == 8);
  }
}

TEST_CASE("an input that does not exist, and one that is no media, are refused with a sentence") {
  Studio missing("/nonexistent/film.mp4");
  std::string reason;
  CHECK_FALSE(missing.publisher.start_input(wall_us(), reason));
  CHECK(reason.find("does not exist") != std::string::npos);
  Folder folder;
  write_file(folder / "text.mp4", Bytes(1000, 'x'));
  Studio broken(folder / "text.mp4");
  REQUIRE(broken.publisher.start_input(wall_us(), reason));
  REQUIRE(broken.run_until([&] { return broken.publisher.done(); }, 10));
  CHECK(broken.publisher.exit_code() == 5);
  CHECK(broken.publisher.last_sentence().find("cannot be read") != std::string::npos);
}

TEST_CASE("a file whose key frames are twelve seconds apart is refused with what to set") {
  Folder folder;
  const std::string film = folder / "film.mp4";
  REQUIRE(output_of("ffmpeg -v error -y" + picture + "-t 11" + encoder(1000) + film).empty());
  Studio studio(film);
  std::string reason;
  REQUIRE(studio.publisher.start_input(wall_us(), reason));
  REQUIRE(studio.run_until([&] { return studio.publisher.done(); }, 20));
  CHECK(studio.publisher.exit_code() == 5);
  CHECK(studio.publisher.last_sentence().find("Keyframe Interval") != std::string::npos);
  CHECK(studio.sink.epochs.empty());
}
