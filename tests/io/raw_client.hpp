// Decides nothing: a plain TCP client, or a server's end, that says exactly the octets a test gives it, well-formed or
// not.
// Never waits without a limit and never parses more than a test asks.
// Called by the tests in this directory.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <string_view>

namespace streamr::io::test {

class RawClient {
 public:
  explicit RawClient(std::uint16_t port, int receive_bytes = 0) {
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    if (receive_bytes) setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
    fcntl(fd_, F_SETFL, O_NONBLOCK);
  }
  // The other end of somebody's connection.
  struct Accepted {
    int fd;
  };
  explicit RawClient(Accepted taken) : fd_(taken.fd), connected_(true) { fcntl(fd_, F_SETFL, O_NONBLOCK); }
  ~RawClient() { close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connected() const { return connected_; }
  void say(std::string_view octets) {
    while (!octets.empty()) {
      const ssize_t sent = ::send(fd_, octets.data(), octets.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      octets.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  // Takes what is there; true while the other side may still speak.
  bool take() {
    char block[65536];
    for (;;) {
      const ssize_t got = ::recv(fd_, block, sizeof block, 0);
      if (got > 0) {
        heard_.append(block, static_cast<std::size_t>(got));
        continue;
      }
      if (got == 0) ended_ = true;
      if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK) ended_ = reset_ = true;
      return !ended_;
    }
  }
  // What was heard so far; ended() tells whether more can come.
  const std::string& heard() {
    take();
    return heard_;
  }
  bool ended() {
    take();
    return ended_;
  }
  bool was_reset() const { return reset_; }
  void forget() { heard_.clear(); }
  void end_sending() { ::shutdown(fd_, SHUT_WR); }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
  bool connected_ = false;
  bool ended_ = false;
  bool reset_ = false;
  std::string heard_;
};

// Takes connections on a free port of 127.0.0.1, one after the other.
class RawListener {
 public:
  RawListener() : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(fd_, reinterpret_cast<sockaddr*>(&at), sizeof at);
    ::listen(fd_, 8);
    socklen_t size = sizeof at;
    getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size);
    port_ = ntohs(at.sin_port);
    fcntl(fd_, F_SETFL, O_NONBLOCK);
  }
  ~RawListener() { ::close(fd_); }
  RawListener(const RawListener&) = delete;
  RawListener& operator=(const RawListener&) = delete;

  std::uint16_t port() const { return port_; }
  // Null while nobody waits.
  std::unique_ptr<RawClient> accept() {
    const int taken = ::accept(fd_, nullptr, nullptr);
    return taken < 0 ? nullptr : std::make_unique<RawClient>(RawClient::Accepted{taken});
  }

 private:
  int fd_;
  std::uint16_t port_ = 0;
};

inline std::string upgrade_request(std::string_view subprotocol = "streamr.relay.v1", std::string_view version = "13") {
  return "GET /relay HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, "
         "Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
         "Sec-WebSocket-Version: " +
         std::string(version) + "\r\nSec-WebSocket-Protocol: " + std::string(subprotocol) + "\r\n\r\n";
}

// A client's frame, masked with zeros, so that the payload stays readable.
inline std::string frame(unsigned char first, std::string_view payload, bool masked = true) {
  std::string out(1, static_cast<char>(first));
  const unsigned char mask = masked ? 0x80 : 0;
  if (payload.size() < 126) {
    out.push_back(static_cast<char>(mask | payload.size()));
  } else if (payload.size() < 65536) {
    out.push_back(static_cast<char>(mask | 126));
    out.push_back(static_cast<char>(payload.size() >> 8));
    out.push_back(static_cast<char>(payload.size() & 0xFF));
  } else {
    out.push_back(static_cast<char>(mask | 127));
    for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>((payload.size() >> shift) & 0xFF));
  }
  if (masked) out.append(4, '\0');
  return out.append(payload);
}

}  // namespace streamr::io::test
