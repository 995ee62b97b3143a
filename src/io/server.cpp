#include "io/server.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "io/connection.hpp"

namespace streamr::io {
namespace {

constexpr int backlog = 1024;

Error io_failure(const HostPort& address, int error) {
  const auto where = format_host_port(address.host, address.port);
  if (error == UV_EADDRINUSE)
    return fail(STREAMR_E_INUSE, "another program listens on " + where + " already; choose another port");
  return fail(STREAMR_E_IO, "cannot listen on " + where + ": " + uv_strerror(error));
}

}  // namespace

Server::Server(uv_loop_t* loop, Handler& handler, ServerOptions options)
    : loop_(loop), handler_(handler), options_(options), read_buffer_(64 * 1024) {
  uv_timer_init(loop_, &timer_);
  timer_.data = this;
  timer_open_ = true;
}

Server::~Server() = default;

Status Server::listen(const HostPort& address) {
  if (auto bound = bind(address); !bound) return bound;
  const int error =
      uv_listen(reinterpret_cast<uv_stream_t*>(&listener_), backlog, [](uv_stream_t* listener, int status) {
        if (status == 0) static_cast<Server*>(listener->data)->on_incoming();
      });
  if (error != 0) {
    stop_listening();
    return io_failure(address, error);
  }
  sockaddr_storage name{};
  int size = sizeof name;
  uv_tcp_getsockname(&listener_, reinterpret_cast<sockaddr*>(&name), &size);
  listening_ = {numeric_host(reinterpret_cast<sockaddr*>(&name)), port_of(reinterpret_cast<sockaddr*>(&name))};
  return {};
}

Status Server::bind(const HostPort& address) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found) != 0 || !found)
    return fail(STREAMR_E_INVALID, "no address belongs to the host \"" + address.host + "\"");
  int error = uv_tcp_init_ex(loop_, &listener_, static_cast<unsigned>(found->ai_family));
  if (error == 0) {
    listener_open_ = true;
    listener_.data = this;
    if (options_.reuse_port) {
      uv_os_fd_t fd = -1;
      const int on = 1;
      if (uv_fileno(reinterpret_cast<uv_handle_t*>(&listener_), &fd) == 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    }
    error = uv_tcp_bind(&listener_, found->ai_addr, 0);
  }
  freeaddrinfo(found);
  if (error == 0) return {};
  stop_listening();
  return io_failure(address, error);
}

void Server::tune(uv_tcp_t* socket) const {
  uv_tcp_nodelay(socket, 1);
  uv_tcp_keepalive(socket, 1, 30);
  int bytes = options_.kernel_send_bytes;
  uv_send_buffer_size(reinterpret_cast<uv_handle_t*>(socket), &bytes);
#ifdef TCP_NOTSENT_LOWAT
  uv_os_fd_t fd = -1;
  if (uv_fileno(reinterpret_cast<uv_handle_t*>(socket), &fd) == 0)
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &options_.kernel_unsent_bytes, sizeof options_.kernel_unsent_bytes);
#endif
}

void Server::on_incoming() {
  auto owned = std::make_unique<Connection>(*this);
  Connection* connection = owned.get();
  uv_tcp_init(loop_, connection->socket());
  connection->socket()->data = connection;
  connections_.emplace(connection, std::move(owned));
  if (uv_accept(reinterpret_cast<uv_stream_t*>(&listener_), reinterpret_cast<uv_stream_t*>(connection->socket())) !=
      0) {
    connection->close_now("accept failed");
    return;
  }
  sockaddr_storage name{};
  int size = sizeof name;
  if (uv_tcp_getpeername(connection->socket(), reinterpret_cast<sockaddr*>(&name), &size) != 0 ||
      connections_.size() > options_.connections) {
    connection->close_now("too many connections");
    return;
  }
  tune(connection->socket());
  if (!uv_is_active(reinterpret_cast<uv_handle_t*>(&timer_)))
    uv_timer_start(
        &timer_, [](uv_timer_t* timer) { static_cast<Server*>(timer->data)->on_tick(); }, options_.tick_ms,
        options_.tick_ms);
  auto address = numeric_host(reinterpret_cast<sockaddr*>(&name));
  const bool admitted = count_up(address, Kind::http);
  connection->start(std::move(address), admitted);
}

bool Server::count_up(const std::string& address, Kind kind) {
  auto& counts = addresses_[address];
  std::size_t& count = kind == Kind::http ? counts.http : counts.websocket;
  if (count >= (kind == Kind::http ? options_.http_an_address : options_.websockets_an_address)) return false;
  ++count;
  return true;
}

void Server::count_down(const std::string& address, Kind kind) {
  const auto found = addresses_.find(address);
  if (found == addresses_.end()) return;
  --(kind == Kind::http ? found->second.http : found->second.websocket);
  if (found->second.http == 0 && found->second.websocket == 0) addresses_.erase(found);
}

void Server::on_tick() {
  if (connections_.empty()) {
    uv_timer_stop(&timer_);
    return;
  }
  for (auto& [connection, owned] : connections_) connection->on_tick(now_ms());
}

void Server::send(LinkId link, const std::vector<SharedBytes>& pieces) {
  if (const auto found = links_.find(link); found != links_.end()) found->second->send(pieces);
}

void Server::close_link(LinkId link) {
  if (const auto found = links_.find(link); found != links_.end()) found->second->close_politely();
}

void Server::reply(HttpId id, core::HttpResponse response) {
  if (const auto found = exchanges_.find(id); found != exchanges_.end()) found->second->reply(std::move(response));
}

void Server::pieces(HttpId id, const std::vector<SharedBytes>& pieces, bool end) {
  if (const auto found = exchanges_.find(id); found != exchanges_.end()) found->second->pieces(pieces, end);
}

bool Server::flush() {
  if (dirty_.empty()) return false;
  std::unordered_set<Connection*> now;
  now.swap(dirty_);
  for (Connection* connection : now) connection->flush();
  return true;
}

std::size_t Server::busy() const {
  std::size_t count = 0;
  for (const auto& [connection, owned] : connections_) count += connection->busy();
  return count;
}

void Server::stop_listening() {
  if (!listener_open_ || uv_is_closing(reinterpret_cast<uv_handle_t*>(&listener_))) return;
  uv_close(reinterpret_cast<uv_handle_t*>(&listener_),
           [](uv_handle_t* handle) { static_cast<Server*>(handle->data)->listener_open_ = false; });
}

void Server::close_all() {
  stop_listening();
  if (!uv_is_closing(reinterpret_cast<uv_handle_t*>(&timer_)))
    uv_close(reinterpret_cast<uv_handle_t*>(&timer_),
             [](uv_handle_t* handle) { static_cast<Server*>(handle->data)->timer_open_ = false; });
  for (auto& [connection, owned] : connections_) connection->close_now("this node stops");
}

void Server::forget(Connection* connection) {
  dirty_.erase(connection);
  connections_.erase(connection);
}

}  // namespace streamr::io
