#include "publisher/rtmp/server.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <utility>

#include "common/log.hpp"

namespace streamr::publisher {
namespace {

using programs::log_info;
using programs::log_warn;

constexpr std::size_t read_bytes = 64u << 10;
constexpr int reads_in_turn = 8;  // then the others have theirs
constexpr int accepts_in_turn = 16;
constexpr int backlog = 64;

std::string text_of(const sockaddr_storage& address, socklen_t length, bool with_port) {
  char host[NI_MAXHOST], port[NI_MAXSERV];
  if (getnameinfo(reinterpret_cast<const sockaddr*>(&address), length, host, sizeof host, port, sizeof port,
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "unknown";
  }
  if (!with_port) return host;
  return address.ss_family == AF_INET6 ? "[" + std::string(host) + "]:" + port : std::string(host) + ":" + port;
}

int bind_one(const addrinfo& found) {
  const int fd = socket(found.ai_family, found.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, found.ai_protocol);
  if (fd < 0) return -1;
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, found.ai_addr, found.ai_addrlen) == 0 && listen(fd, backlog) == 0) return fd;
  const int saved = errno;
  close(fd);
  errno = saved;
  return -1;
}

std::uint64_t random_u64() {
  std::random_device device;
  return static_cast<std::uint64_t>(device()) << 32 | device();
}

}  // namespace

RtmpServer::RtmpServer(std::string stream_key, RtmpListener& listener)
    : listener_(listener), gate_(std::move(stream_key)) {}

RtmpServer::~RtmpServer() {
  for (const Connection& connection : connections_) close(connection.fd);
  if (fd_ >= 0) close(fd_);
}

RtmpServer::Opened RtmpServer::open(const std::string& host, unsigned short port, std::string& reason) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string where = host + ":" + std::to_string(port);
  if (const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found); error != 0) {
    reason = "the address " + where + " cannot be listened on: " + gai_strerror(error);
    return Opened::failed;
  }
  fd_ = bind_one(*found);
  const int error = errno;
  freeaddrinfo(found);
  if (fd_ < 0) {
    reason = "the address " + where + " cannot be listened on: " + std::strerror(error) +
             (error == EADDRINUSE ? "; stop the program that holds it or choose another port" : "");
    return error == EADDRINUSE || error == EADDRNOTAVAIL || error == EACCES ? Opened::in_use : Opened::failed;
  }
  sockaddr_storage own = {};
  socklen_t length = sizeof own;
  getsockname(fd_, reinterpret_cast<sockaddr*>(&own), &length);
  address_ = text_of(own, length, true);
  return Opened::yes;
}

void RtmpServer::add_descriptors(std::vector<pollfd>& out) const {
  out.push_back({fd_, POLLIN, 0});
  for (const Connection& connection : connections_) {
    const bool writes = !connection.session->output().empty();
    out.push_back({connection.fd, static_cast<short>(POLLIN | (writes ? POLLOUT : 0)), 0});
  }
}

void RtmpServer::on_ready(std::span<const pollfd> ready, std::uint64_t now_us) {
  std::size_t i = 1;
  for (Connection& connection : connections_) {
    const short events = i < ready.size() ? ready[i++].revents : static_cast<short>(0);
    if (events & (POLLIN | POLLHUP | POLLERR)) read_some(connection, now_us);
    connection.session->on_time(now_us);
    drain_events(connection, now_us);
    write_some(connection);
  }
  if (!ready.empty() && (ready[0].revents & POLLIN)) accept_all(now_us);
  sweep(now_us);
}

void RtmpServer::accept_all(std::uint64_t now_us) {
  for (int turn = 0; turn < accepts_in_turn; ++turn) {
    sockaddr_storage peer = {};
    socklen_t length = sizeof peer;
    const int fd = accept4(fd_, reinterpret_cast<sockaddr*>(&peer), &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connections_.size() >= max_connections) make_room();
    Connection& connection = connections_.emplace_back();
    connection.fd = fd;
    connection.peer = text_of(peer, length, true);
    connection.session = std::make_unique<RtmpSession>(gate_, text_of(peer, length, false), now_us, random_u64());
  }
}

// A flood of idle connections must not keep the streamer out: the oldest one that does not publish makes place.
void RtmpServer::make_room() {
  const auto oldest =
      std::ranges::find_if(connections_, [&](const Connection& connection) { return &connection != source_; });
  if (oldest == connections_.end()) return;
  close(oldest->fd);
  connections_.erase(oldest);
}

void RtmpServer::read_some(Connection& connection, std::uint64_t now_us) {
  std::uint8_t bytes[read_bytes];
  for (int turn = 0; turn < reads_in_turn; ++turn) {
    const ssize_t count = recv(connection.fd, bytes, sizeof bytes, 0);
    if (count > 0) {
      connection.session->on_bytes({bytes, static_cast<std::size_t>(count)}, now_us);
      continue;
    }
    if (count == 0 || (errno != EAGAIN && errno != EINTR)) connection.gone = true;
    return;
  }
}

void RtmpServer::drain_events(Connection& connection, std::uint64_t now_us) {
  while (auto event = connection.session->poll()) {
    switch (event->kind) {
      case RtmpEvent::Kind::publish:
        if (source_ != nullptr && source_ != &connection) {
          log_info("source_replaced", "another source with the right key takes the place of the present one",
                   {{"old", source_->peer}, {"new", connection.peer}});
          Connection& old = *std::exchange(source_, nullptr);
          old.session->end("NetStream.Publish.Denied", "another source with the right key took the place", now_us);
          listener_.on_source_end();
        }
        source_ = &connection;
        log_info("source_connected", "a source publishes", {{"peer", connection.peer}});
        listener_.on_source_begin(now_us);
        break;
      case RtmpEvent::Kind::media:
        if (source_ == &connection) listener_.on_source_media(std::move(event->message), now_us);
        break;
      case RtmpEvent::Kind::unpublish: break;  // sweep tells it once
      case RtmpEvent::Kind::refused_key:
        log_warn("key_refused", "a connection was refused: its stream key is not the right one", {{"peer", connection.peer}});
        break;
    }
  }
}

void RtmpServer::write_some(Connection& connection) {
  auto& output = connection.session->output();
  while (!output.empty()) {
    const ssize_t count = send(connection.fd, output.data(), output.size(), MSG_NOSIGNAL);
    if (count <= 0) {
      if (count == 0 || (errno != EAGAIN && errno != EINTR)) connection.gone = true;
      return;
    }
    output.erase(output.begin(), output.begin() + count);
  }
}

void RtmpServer::sweep(std::uint64_t now_us) {
  for (auto it = connections_.begin(); it != connections_.end();) {
    const bool closing = it->session->closing();
    const bool over = it->gone || (closing && now_us >= it->session->deadline_us());
    if (source_ == &*it && (it->gone || closing)) {
      log_info("source_gone", "the source is gone",
               {{"peer", it->peer}, {"reason", it->session->reason().empty() ? "it hung up" : it->session->reason()}});
      source_ = nullptr;
      listener_.on_source_end();
    }
    if (!over) {
      ++it;
      continue;
    }
    if (!it->session->reason().empty()) {
      programs::log_debug("connection_closed", it->session->reason(), {{"peer", it->peer}});
    }
    close(it->fd);
    it = connections_.erase(it);
  }
}

void RtmpServer::end_source(std::string_view sentence, std::uint64_t now_us) {
  if (source_ == nullptr) return;
  Connection& old = *std::exchange(source_, nullptr);
  old.session->end("NetStream.Publish.Denied", sentence, now_us);
  write_some(old);
  listener_.on_source_end();
}

}  // namespace streamr::publisher
