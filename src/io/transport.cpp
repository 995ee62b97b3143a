#include "io/transport.hpp"

#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace streamr::io {
namespace {

constexpr std::size_t pieces_a_write = 64;
constexpr std::size_t pieces_kept = 32;  // room that an idle connection keeps
constexpr int reads_a_turn = 2;

int last_error() {
  return uv_translate_sys_error(errno);
}

}  // namespace

int Transport::adopt(int fd) {
  if (const int error = loop_.poller.add(fd, *this); error != 0) return error;
  fd_ = fd;
  return 0;
}

void Transport::set_reading(bool wanted) {
  if (wanted == reading_ || !open() || read_ended_) return;
  reading_ = wanted;
  if (wanted) loop_.poller.again(*this);  // an edge may have passed while nothing was wanted
}

void Transport::call_again() {
  again_wanted_ = true;
  loop_.poller.again(*this);
}

void Transport::on_ready(std::uint32_t events) {
  if (std::exchange(again_wanted_, false)) owner_.on_again();
  if (!open()) return;
  if ((events & EPOLLOUT) != 0 && blocked_) {
    if (const int error = write(); error != 0) return owner_.on_failed(error);
    owner_.on_drained();
  }
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) told_end_ = true;
  if (open() && reading_ && (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) return read(told_end_);
  if (!open() || (events & (EPOLLHUP | EPOLLERR)) == 0) return;
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
  owner_.on_failed(error != 0 ? uv_translate_sys_error(error) : UV_ECONNRESET);
}

// A read that brought less than there was room for has emptied the socket: the next octet tells of itself.
void Transport::read(bool until_end) {
  for (int round = 0; round < reads_a_turn; ++round) {
    auto& buffer = loop_.read_buffer;
    const ssize_t count = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (count < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return;
      return owner_.on_failed(last_error());
    }
    if (count == 0) {
      read_ended_ = true;
      reading_ = false;
      return owner_.on_read_end();
    }
    take({buffer.data(), static_cast<std::size_t>(count)});
    if (!open() || !reading_) return;
    if (static_cast<std::size_t>(count) < buffer.size() && !until_end) return;
  }
  loop_.poller.again(*this);
}

void Transport::push(SharedBytes piece) {
  if (piece.empty()) return;
  queued_bytes_ += piece.size();
  pieces_.push_back(std::move(piece));
}

int Transport::flush() {
  return blocked_ || empty() || !open() ? 0 : write();
}

int Transport::write() {
  blocked_ = false;
  return tls_ ? write_records() : write_pieces();
}

int Transport::write_pieces() {
  while (queued_bytes_ != 0) {
    std::size_t wanted = 0;
    const ssize_t sent = write_some(wanted);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) return last_error();
      blocked_ = true;
      return 0;
    }
    consume(static_cast<std::size_t>(sent));
    if (static_cast<std::size_t>(sent) < wanted) {
      blocked_ = true;
      return 0;
    }
  }
  return 0;
}

ssize_t Transport::write_some(std::size_t& wanted) {
  const auto by_file = [this](const SharedBytes& piece) { return bulk_ && piece.file() != nullptr; };
  if (const SharedBytes& piece = pieces_[front_]; by_file(piece)) {
    const FileSpan& file = *piece.file();
    wanted = piece.size() - front_offset_;
    auto offset = static_cast<off_t>(file.offset + static_cast<std::size_t>(piece.data() - file.begin) + front_offset_);
    return ::sendfile(fd_, file.fd, &offset, wanted);
  }
  std::array<iovec, pieces_a_write> vectors;
  std::size_t count = 0, at = front_;
  for (; at < pieces_.size() && count < pieces_a_write && !by_file(pieces_[at]); ++at, ++count) {
    const std::size_t skip = at == front_ ? front_offset_ : 0;
    vectors[count] = {const_cast<std::uint8_t*>(pieces_[at].data()) + skip, pieces_[at].size() - skip};
    wanted += vectors[count].iov_len;
  }
  msghdr message{};
  message.msg_iov = vectors.data();
  message.msg_iovlen = count;
  const int more = at < pieces_.size() ? MSG_MORE : 0;
  return ::sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT | more);
}

void Transport::consume(std::size_t octets) {
  queued_bytes_ -= octets;
  while (octets > 0) {
    const std::size_t rest = pieces_[front_].size() - front_offset_;
    if (octets < rest) {
      front_offset_ += octets;
      return;
    }
    octets -= rest;
    front_offset_ = 0;
    pieces_[front_++] = {};
  }
  if (front_ == pieces_.size()) {
    if (pieces_.capacity() > pieces_kept)
      std::vector<SharedBytes>().swap(pieces_);
    else
      pieces_.clear();
    front_ = 0;
  } else if (front_ > pieces_.size() / 2) {
    pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(front_));
    front_ = 0;
  }
}

void Transport::shut_down() {
  if (!open()) return;
  if (tls_) {
    tls_->end();
    flush();
  }
  ::shutdown(fd_, SHUT_WR);
}

void Transport::close() {
  if (!open()) return;
  // Only who has said all says good-bye: the peer tells an answer that was cut off by its absence.
  if (tls_ && empty()) {
    tls_->end();
    write_records();
  }
  loop_.poller.remove(fd_, *this);
  ::close(std::exchange(fd_, -1));
  std::vector<SharedBytes>().swap(pieces_);
  tls_.reset();
  front_ = front_offset_ = 0;
  queued_bytes_ = 0;
  reading_ = blocked_ = false;
}

}  // namespace streamr::io
