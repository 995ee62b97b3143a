#include "io/small_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/bytes.hpp"
#include "io/system.hpp"

namespace streamr::io {
namespace {

Error file_failure(const char* what, const std::string& path, int error) {
  const streamr_status_t status = error == ENOENT                     ? STREAMR_E_NOTFOUND
                                  : error == EACCES || error == EPERM ? STREAMR_E_PERMISSION
                                                                      : STREAMR_E_IO;
  char text[128] = {};
  return fail(status, std::string(what) + " " + path + ": " + strerror_r(error, text, sizeof text));
}

// A descriptor that closes itself.
struct File {
  int fd = -1;
  explicit File(int opened) : fd(opened) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (fd >= 0) ::close(fd);
  }
};

bool write_all(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return ::fsync(fd) == 0;
}

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// A new name is only as durable as the directory that holds it.
void sync_directory(const std::string& path) {
  const File directory(::open(directory_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.fd >= 0) ::fsync(directory.fd);
}

}  // namespace

Result<std::string> read_small_file(const std::string& path, const ReadRules& rules) {
  const File file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (file.fd < 0) return file_failure("cannot open", path, errno);
  struct stat facts {};
  if (::fstat(file.fd, &facts) != 0) return file_failure("cannot examine", path, errno);
  if (!S_ISREG(facts.st_mode)) return fail(STREAMR_E_IO, path + " is not a regular file");
  if (rules.owner_only && (facts.st_mode & 077) != 0)
    return fail(STREAMR_E_PERMISSION, path + " can be reached by others than its owner; set its mode to 0600");
  std::string content;
  std::array<char, 4096> block;
  for (;;) {
    const ssize_t got = ::read(file.fd, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_failure("cannot read", path, errno);
    if (got == 0) return content;
    content.append(block.data(), static_cast<std::size_t>(got));
    if (content.size() > rules.max_bytes)
      return fail(STREAMR_E_LIMIT, path + " is longer than " + std::to_string(rules.max_bytes) + " bytes");
  }
}

Status write_small_file(const std::string& path, std::string_view content, bool exclusive) {
  std::array<std::uint8_t, 8> unique{};
  if (!fill_random(unique)) return fail(STREAMR_E_IO, "the system has no randomness to give");
  const std::string beside = path + "." + to_hex(unique) + ".new";
  {
    const File file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (file.fd < 0) return file_failure("cannot create", beside, errno);
    if (!write_all(file.fd, content)) {
      const int error = errno;
      ::unlink(beside.c_str());
      return file_failure("cannot write", beside, error);
    }
  }
  // link() refuses an existing name, rename() replaces it; both are whole or not at all.
  const int done = exclusive ? ::link(beside.c_str(), path.c_str()) : ::rename(beside.c_str(), path.c_str());
  const int error = errno;
  if (exclusive || done != 0) ::unlink(beside.c_str());
  if (done != 0 && error == EEXIST) return fail(STREAMR_E_INUSE, path + " exists already and is never overwritten");
  if (done != 0) return file_failure("cannot write", path, error);
  sync_directory(path);
  return {};
}

}  // namespace streamr::io
