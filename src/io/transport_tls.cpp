#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "io/transport.hpp"

namespace streamr::io {
namespace {

constexpr std::size_t plain_bytes = 64 * 1024;
constexpr std::size_t small_bytes = 4 * 1024;  // pieces below it share a record: a header costs less copied than sealed
constexpr std::size_t record_bytes = 16 * 1024;

}  // namespace

void Transport::start_tls(std::unique_ptr<TlsSession> session) {
  tls_ = std::move(session);
  if (loop_.plain_buffer.empty()) loop_.plain_buffer.resize(plain_bytes);
}

void Transport::take(ByteView octets) {
  if (tls_)
    take_records(octets);
  else
    owner_.on_octets(octets);
}

void Transport::take_records(ByteView octets) {
  tls_->feed(octets);
  if (tls_->not_tls()) {
    tls_.reset();
    return owner_.on_not_tls();
  }
  const bool waited = !tls_->established();
  for (ByteView plain = tls_->read(loop_.plain_buffer); !plain.empty(); plain = tls_->read(loop_.plain_buffer)) {
    owner_.on_octets(plain);
    if (!open()) return;
  }
  const bool has_more = !tls_->waiting().empty() || (waited && tls_->established());
  if (has_more && !blocked_) {
    const int error = write();  // the handshake's next flight, an alert, what waited for the handshake
    if (error != 0 && !tls_->failed()) return owner_.on_failed(error);
  }
  if (tls_->failed()) return owner_.on_failed(UV_EPROTO);
  if (!tls_->ended() || std::exchange(read_ended_, true)) return;
  reading_ = false;
  owner_.on_read_end();
}

int Transport::write_records() {
  for (;;) {
    const ByteView records = tls_->waiting();
    if (!records.empty()) {
      const ssize_t sent = ::send(fd_, records.data(), records.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return uv_translate_sys_error(errno);
      if (sent > 0) tls_->sent(static_cast<std::size_t>(sent));
      if (sent < 0 || static_cast<std::size_t>(sent) < records.size()) {
        blocked_ = true;
        return 0;
      }
    }
    if (queued_bytes_ == 0 || tls_->room_left() == 0) return 0;
    if (!seal_pieces()) return UV_EPROTO;
  }
}

// A piece is let go as soon as it is sealed. Large ones become records as they are; neighbours that are small share
// one.
bool Transport::seal_pieces() {
  for (std::size_t room = tls_->room_left(); room > 0 && queued_bytes_ > 0; room = tls_->room_left()) {
    const auto front = [this] { return pieces_[front_].view().subspan(front_offset_); };
    if (front().size() >= small_bytes) {
      const auto octets = front().subspan(0, std::min(front().size(), room));
      if (!tls_->seal(octets)) return false;
      consume(octets.size());
      continue;
    }
    std::uint8_t together[record_bytes];
    std::size_t have = 0;
    while (queued_bytes_ > 0 && front().size() < small_bytes && have + front().size() <= sizeof together) {
      const ByteView octets = front();
      std::memcpy(together + have, octets.data(), octets.size());
      have += octets.size();
      consume(octets.size());
    }
    if (!tls_->seal({together, have})) return false;
  }
  return true;
}

}  // namespace streamr::io
