// What streamr-watch writes: an init section where it is new, then parts, and only of one track.
#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "viewer/media_writer.hpp"

using streamr::viewer::MediaWriter;

namespace {

struct Folder {
  Folder() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  ~Folder() {
    unlink(file().c_str());
    rmdir(path.c_str());
  }
  std::string file() const { return path + "/media"; }
  std::string text() const {
    std::ifstream in(file(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string path = "/tmp/streamr-media-XXXXXX";
};

bool give(MediaWriter& writer, const std::string& bytes, std::uint32_t flags = 0, std::uint16_t track = 0) {
  streamr_chunk_header_t header = STREAMR_CHUNK_HEADER_INIT;
  header.flags = flags;
  header.track = track;
  return writer.on_chunk(header, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

}  // namespace

TEST_CASE("the init section stands once before the parts, and again only where it changed") {
  const Folder folder;
  MediaWriter writer;
  REQUIRE(writer.open(folder.file()));
  CHECK(give(writer, "[init]", STREAMR_CHUNK_INIT));
  CHECK(give(writer, "a", STREAMR_CHUNK_INDEPENDENT));
  CHECK(give(writer, "[init]", STREAMR_CHUNK_INIT));
  CHECK(give(writer, "b"));
  CHECK(give(writer, "[other]", STREAMR_CHUNK_INIT));
  CHECK(give(writer, "c"));
  CHECK(writer.written_bytes() == 16);
  CHECK(writer.close());
  CHECK(folder.text() == "[init]ab[other]c");
}

TEST_CASE("gaps, ends and other tracks are not written") {
  const Folder folder;
  MediaWriter writer;
  REQUIRE(writer.open(folder.file()));
  CHECK(give(writer, "a"));
  CHECK(give(writer, "", STREAMR_CHUNK_GAP));
  CHECK(give(writer, "other track", 0, 1));
  CHECK(give(writer, "", STREAMR_CHUNK_END));
  CHECK(give(writer, "b"));
  CHECK(writer.close());
  CHECK(folder.text() == "ab");
}

TEST_CASE("a file that cannot be made is told with its name and the reason") {
  MediaWriter writer;
  CHECK_FALSE(writer.open("/no/such/folder/media"));
  CHECK(writer.trouble().find("/no/such/folder/media") != std::string::npos);
  CHECK(writer.trouble().find("No such file") != std::string::npos);
}

TEST_CASE("a full disk is told and not taken for a reader that went away") {
  struct stat found = {};
  if (stat("/dev/full", &found) != 0) {
    MESSAGE("this machine has no /dev/full: nothing to test with");
    return;
  }
  MediaWriter writer;
  REQUIRE(writer.open("/dev/full"));
  CHECK_FALSE(give(writer, "bytes"));
  CHECK_FALSE(writer.reader_gone());
  CHECK(writer.trouble().find("No space left") != std::string::npos);
}
