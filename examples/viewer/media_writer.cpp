#include "viewer/media_writer.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace streamr::viewer {

MediaWriter::~MediaWriter() { close(); }

bool MediaWriter::open(const std::string& path) {
  path_ = path;
  owned_ = path != "-";
  fd_ = owned_ ? ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644) : STDOUT_FILENO;
  if (fd_ >= 0) return true;
  trouble_ = "the file " + path + " cannot be written: " + std::strerror(errno);
  return false;
}

bool MediaWriter::on_chunk(const streamr_chunk_header_t& header, const std::uint8_t* bytes, std::size_t len) {
  if (fd_ < 0 || len == 0 || (header.flags & (STREAMR_CHUNK_GAP | STREAMR_CHUNK_END)) != 0) return true;
  if (has_track_ && header.track != track_) return true;
  has_track_ = true;
  track_ = header.track;
  if ((header.flags & STREAMR_CHUNK_INIT) != 0) {
    // A new epoch of the same source repeats its init section: the file goes on under the one it has.
    if (std::equal(init_.begin(), init_.end(), bytes, bytes + len)) return true;
    init_.assign(bytes, bytes + len);
  }
  return write_all(bytes, len);
}

bool MediaWriter::write_all(const std::uint8_t* bytes, std::size_t len) {
  while (len > 0) {
    const ssize_t count = ::write(fd_, bytes, len);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      reader_gone_ = errno == EPIPE;
      trouble_ = (owned_ ? "the file " + path_ : std::string("standard output")) + " cannot be written: " + std::strerror(errno);
      return false;
    }
    bytes += count;
    len -= static_cast<std::size_t>(count);
    written_bytes_ += static_cast<std::uint64_t>(count);
  }
  return true;
}

bool MediaWriter::close() {
  if (fd_ < 0) return true;
  const int closed = owned_ ? ::close(fd_) : 0;
  fd_ = -1;
  if (closed == 0) return true;
  trouble_ = "the file " + path_ + " could not be completed: " + std::strerror(errno);
  return false;
}

}  // namespace streamr::viewer
