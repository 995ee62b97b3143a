#include "common/key_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "common/cli.hpp"

namespace streamr::programs {
namespace {

constexpr std::size_t longest_secret = 4096;

std::string system_reason() { return std::strerror(errno); }

bool write_all(int fd, const std::uint8_t* bytes, std::size_t len) {
  while (len > 0) {
    const ssize_t count = write(fd, bytes, len);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes += count;
    len -= static_cast<std::size_t>(count);
  }
  return fsync(fd) == 0;
}

}  // namespace

KeyPtr load_key(const std::string& path, std::string& sentence) {
  streamr_key_t* key = nullptr;
  streamr_error_t error = STREAMR_ERROR_INIT;
  const streamr_status_t status = streamr_key_load(path.c_str(), &key, &error);
  if (status == STREAMR_OK) return KeyPtr(key);
  if (status == STREAMR_E_NOTFOUND) {
    sentence = "the key file " + path + " does not exist; make one with streamr-keygen";
  } else if (status == STREAMR_E_PERMISSION) {
    sentence = "the key file " + path + " can be read by others; run: chmod 600 " + path;
  } else if (status == STREAMR_E_MALFORMED) {
    sentence = path + " is not a key file of streamr-keygen";
  } else {
    sentence = "the key file " + path + " cannot be read: " +
               (error.text[0] != 0 ? error.text : streamr_status_message(status));
  }
  return nullptr;
}

KeyPtr new_key() {
  streamr_key_t* key = nullptr;
  return streamr_key_generate(&key) == STREAMR_OK ? KeyPtr(key) : nullptr;
}

std::string public_hex(const streamr_key_t* key) {
  std::uint8_t bytes[STREAMR_KEY_BYTES] = {};
  streamr_key_public(key, bytes);
  return to_hex(bytes, sizeof bytes);
}

std::optional<CertificateBytes> make_certificate(const streamr_key_t* root, const streamr_key_t* session,
                                                 const CertificateWishes& wishes, std::string& sentence) {
  streamr_certificate_t fields = STREAMR_CERTIFICATE_INIT;
  streamr_key_public(session, fields.session_key);
  fields.track_mask = wishes.track_mask;
  fields.epoch = wishes.epoch;
  fields.not_before_s = wishes.not_before_s;
  fields.not_after_s = wishes.not_before_s + wishes.lifetime_s;
  fields.serial = wishes.serial;
  fields.min_segment = wishes.min_segment;
  fields.max_kbps = wishes.max_kbps;
  CertificateBytes bytes{};
  const streamr_status_t status = streamr_certificate_issue(root, &fields, bytes.data());
  if (status == STREAMR_OK) return bytes;
  sentence = std::string("the certificate could not be issued: ") + streamr_status_message(status);
  return std::nullopt;
}

std::uint64_t unix_us() {
  using namespace std::chrono;
  return static_cast<std::uint64_t>(duration_cast<microseconds>(system_clock::now().time_since_epoch()).count());
}

std::uint64_t new_epoch(std::uint64_t unix_ms) {
  std::uint8_t random[2] = {};
  streamr_control_random(random, sizeof random);
  return unix_ms << 16 | static_cast<std::uint64_t>(random[0]) << 8 | random[1];
}

bool write_new_file(const std::string& path, const std::uint8_t* bytes, std::size_t len, unsigned mode,
                    std::string& sentence) {
  // Written beside it and then linked: link() refuses to replace, and no half file is ever seen under the name.
  const std::string draft = path + ".new-" + std::to_string(getpid());
  const int fd = open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
  if (fd < 0) {
    sentence = "the file " + path + " cannot be written: " + system_reason();
    return false;
  }
  const bool written = write_all(fd, bytes, len);
  if (!written) sentence = "the file " + path + " cannot be written: " + system_reason();
  close(fd);
  bool placed = false;
  if (written) {
    placed = link(draft.c_str(), path.c_str()) == 0;
    if (!placed) {
      sentence = errno == EEXIST ? "the file " + path + " exists already and is never overwritten; choose another name"
                                 : "the file " + path + " cannot be written: " + system_reason();
    }
  }
  unlink(draft.c_str());
  return placed;
}

std::optional<std::vector<std::uint8_t>> read_file(const std::string& path, std::size_t max_bytes,
                                                   std::string& sentence) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    sentence = "the file " + path + " cannot be read: " + system_reason();
    return std::nullopt;
  }
  std::vector<std::uint8_t> bytes(max_bytes + 1);
  std::size_t got = 0;
  while (got < bytes.size()) {
    const ssize_t count = read(fd, bytes.data() + got, bytes.size() - got);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    got += static_cast<std::size_t>(count);
  }
  close(fd);
  if (got > max_bytes) {
    sentence = "the file " + path + " is longer than " + std::to_string(max_bytes) + " bytes";
    return std::nullopt;
  }
  bytes.resize(got);
  return bytes;
}

std::optional<std::string> read_secret(const std::string& path, std::string& sentence) {
  struct stat info = {};
  if (stat(path.c_str(), &info) == 0 && (info.st_mode & 077) != 0) {
    sentence = "the file " + path + " can be read by others; run: chmod 600 " + path;
    return std::nullopt;
  }
  const auto bytes = read_file(path, longest_secret, sentence);
  if (!bytes) return std::nullopt;
  std::string text(bytes->begin(), bytes->end());
  text.erase(std::min(text.find_first_of("\r\n"), text.size()));
  if (text.empty()) {
    sentence = "the file " + path + " holds no secret on its first line";
    return std::nullopt;
  }
  return text;
}

}  // namespace streamr::programs
