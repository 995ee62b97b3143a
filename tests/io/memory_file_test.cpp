#include <doctest/doctest.h>
#include <unistd.h>

#include "io/memory_file.hpp"
#include "raw_client.hpp"
#include "server_fixture.hpp"

using namespace streamr;
using namespace streamr::io;
using namespace streamr::io::test;

namespace {

SharedBytes filled(MemoryFile& file, std::size_t octets, std::uint8_t seed) {
  auto room = file.room(octets);
  REQUIRE(room);
  for (std::size_t i = 0; i < octets; ++i) room->fill[i] = static_cast<std::uint8_t>(seed + i * 31 + i / 4096);
  return room->shared;
}

std::string text_of(const SharedBytes& bytes) {
  return {bytes.view().begin(), bytes.view().end()};
}

}  // namespace

TEST_CASE("room stands in memory and at its place in the file") {
  const auto file = MemoryFile::open();
  REQUIRE(file);
  CHECK_FALSE(file->room(100));  // the heap is cheaper
  const SharedBytes first = filled(*file, 100'000, 1);
  const SharedBytes second = filled(*file, 70'001, 2);
  for (const SharedBytes* one : {&first, &second}) {
    REQUIRE(one->file() != nullptr);
    std::string read(one->size(), '\0');
    const auto place = static_cast<off_t>(one->file()->offset + static_cast<std::size_t>(one->data() - one->file()->begin));
    CHECK(pread(one->file()->fd, read.data(), read.size(), place) == static_cast<ssize_t>(read.size()));
    CHECK(read == text_of(*one));
  }
  const SharedBytes part = second.slice(4097, 10);
  CHECK(part.file() == second.file());
}

TEST_CASE("room that nobody holds any more is given back and its place is not used again") {
  const auto file = MemoryFile::open();
  REQUIRE(file);
  auto gone = filled(*file, 80'000, 3);
  const int fd = gone.file()->fd;
  const auto offset = static_cast<off_t>(gone.file()->offset);
  SharedBytes part = gone.slice(0, 1);
  gone = {};
  char octet = 0;
  CHECK(pread(fd, &octet, 1, offset) == 1);
  CHECK(octet == 3);
  part = {};
  CHECK(pread(fd, &octet, 1, offset) == 1);
  CHECK(octet == 0);
  CHECK(filled(*file, 80'000, 4).file()->offset > static_cast<std::uint64_t>(offset));
}

TEST_CASE("octets of a file of memory arrive as they are, in one answer and in many") {
  ServerFixture world;
  const auto file = MemoryFile::open();
  REQUIRE(file);
  std::vector<SharedBytes> pieces;
  for (std::uint8_t i = 0; i < 8; ++i) pieces.push_back(filled(*file, 200'000 + i, i));
  std::string body;
  for (const auto& piece : pieces) body += text_of(piece);
  const auto freshness = std::make_shared<core::Freshness>();
  world.seen.request_hook = [&](const core::HttpRequest& request) {
    core::HttpResponse response;
    response.pieces = request.target.starts_with("/live/x/0/0/1.m4s") ? pieces : std::vector{pieces[1]};
    response.shared = freshness;
    world.server.reply(request.id, std::move(response));
  };
  RawClient client(world.port(), 16 * 1024);
  const auto ends_with = [&](const std::string& wanted) {
    return world.until([&] { return client.heard().size() > wanted.size() && client.heard().ends_with(wanted); });
  };
  for (int i = 0; i < 4; ++i) {  // the first small one goes by writing, the next by sendfile
    client.forget();
    client.say("GET /live/x/0/0/1.1.m4s HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(ends_with(text_of(pieces[1])));
  }
  client.forget();
  client.say("GET /live/x/0/0/1.m4s HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(ends_with(body));
  freshness->stale = true;
}
