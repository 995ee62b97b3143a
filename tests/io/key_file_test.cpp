#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "io/key_file.hpp"
#include "temporary_directory.hpp"

using namespace streamr;
using namespace streamr::io;
using streamr::io::test::TemporaryDirectory;

namespace {

crypto::KeyPair key_of(std::uint8_t octet) {
  std::array<std::uint8_t, 32> seed{};
  seed.fill(octet);
  return crypto::KeyPair::from_seed(seed);
}

streamr_status_t status_of(const std::string& path) {
  const auto loaded = load_key(path);
  return loaded ? STREAMR_OK : loaded.error().status;
}

void write(const std::string& path, const std::string& text, mode_t mode = 0600) {
  std::ofstream(path) << text;
  chmod(path.c_str(), mode);
}

const std::string digits(64, 'a');

}  // namespace

TEST_CASE("a key that was saved is loaded again, and its file belongs to its owner alone") {
  const TemporaryDirectory directory;
  const auto path = directory.path("key");
  REQUIRE(save_key(key_of(7), path));
  struct stat facts {};
  REQUIRE(stat(path.c_str(), &facts) == 0);
  CHECK((facts.st_mode & 0777) == 0600);
  const auto loaded = load_key(path);
  REQUIRE(loaded);
  CHECK(loaded->public_key() == key_of(7).public_key());
  CHECK(directory.entries() == 1);
}

TEST_CASE("an existing file is never overwritten") {
  const TemporaryDirectory directory;
  const auto path = directory.path("key");
  REQUIRE(save_key(key_of(1), path));
  const auto again = save_key(key_of(2), path);
  REQUIRE_FALSE(again);
  CHECK(again.error().status == STREAMR_E_INUSE);
  CHECK(load_key(path)->public_key() == key_of(1).public_key());
  CHECK(directory.entries() == 1);
}

TEST_CASE("a key that others can reach is refused, with group and with world") {
  const TemporaryDirectory directory;
  const auto path = directory.path("key");
  REQUIRE(save_key(key_of(1), path));
  for (const mode_t mode : {0640, 0604, 0660, 0601, 0620}) {
    chmod(path.c_str(), mode);
    CHECK(status_of(path) == STREAMR_E_PERMISSION);
  }
  chmod(path.c_str(), 0400);
  CHECK(status_of(path) == STREAMR_OK);
}

TEST_CASE("what is no key file is malformed, what is missing is not found, a link is not followed") {
  const TemporaryDirectory directory;
  CHECK(status_of(directory.path("none")) == STREAMR_E_NOTFOUND);
  write(directory.path("empty"), "");
  CHECK(status_of(directory.path("empty")) == STREAMR_E_MALFORMED);
  write(directory.path("title"), "streamr-key-v2\n" + digits + "\n");
  CHECK(status_of(directory.path("title")) == STREAMR_E_MALFORMED);
  write(directory.path("short"), "streamr-key-v1\n" + digits.substr(1) + "\n");
  CHECK(status_of(directory.path("short")) == STREAMR_E_MALFORMED);
  write(directory.path("upper"), "streamr-key-v1\n" + std::string(64, 'A') + "\n");
  CHECK(status_of(directory.path("upper")) == STREAMR_E_MALFORMED);
  write(directory.path("long"), "streamr-key-v1\n" + digits + "\n" + std::string(1000, 'x'));
  CHECK(status_of(directory.path("long")) == STREAMR_E_MALFORMED);
  write(directory.path("good"), "streamr-key-v1\n" + digits + "\n");
  CHECK(status_of(directory.path("good")) == STREAMR_OK);
  REQUIRE(symlink(directory.path("good").c_str(), directory.path("link").c_str()) == 0);
  CHECK(status_of(directory.path("link")) == STREAMR_E_IO);
  CHECK(status_of(directory.path("")) == STREAMR_E_IO);
}

TEST_CASE("a refusal never shows the key") {
  const TemporaryDirectory directory;
  write(directory.path("key"), "streamr-key-v1\n" + digits + "x\n");
  const auto loaded = load_key(directory.path("key"));
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().text.find("aaaa") == std::string::npos);
}

TEST_CASE("a directory that cannot be written is an error with the path in it") {
  const auto saved = save_key(key_of(1), "/nonexistent-directory/key");
  REQUIRE_FALSE(saved);
  CHECK(saved.error().text.find("/nonexistent-directory/key") != std::string::npos);
}
