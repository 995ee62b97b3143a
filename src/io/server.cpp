#include "io/server.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "core/http_routes.hpp"

#include "io/connection.hpp"
#include "io/http_text.hpp"

namespace streamr::io {
namespace {

constexpr int backlog = 4096;
constexpr int accepts_a_turn = 64;

Error io_failure(const HostPort& address, int error) {
  const auto where = format_host_port(address.host, address.port);
  if (error == UV_EADDRINUSE)
    return fail(STREAMR_E_INUSE, "another program listens on " + where + " already; choose another port");
  return fail(STREAMR_E_IO, "cannot listen on " + where + ": " + uv_strerror(error));
}

}  // namespace

Server::Server(uv_loop_t* loop, TransportLoop& sockets, Handler& handler, ServerOptions options)
    : loop_(loop), sockets_(sockets), handler_(handler), options_(std::move(options)) {
  if (!options_.ledger) options_.ledger = std::make_shared<AddressLedger>(limits_of(options_));
  last_http_id_ = options_.first_http_id;
  uv_timer_init(loop_, &timer_);
  timer_.data = this;
  timer_open_ = true;
}

Server::~Server() {
  stop_listening();
}

Status Server::listen(const HostPort& address) {
  if (auto bound = bind(address); !bound) return bound;
  int error = ::listen(listener_, backlog) == 0 ? 0 : uv_translate_sys_error(errno);
  if (error == 0) error = sockets_.poller.add(listener_, *this);
  if (error != 0) {
    stop_listening();
    return io_failure(address, error);
  }
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  getsockname(listener_, reinterpret_cast<sockaddr*>(&name), &size);
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
  listener_ = ::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  bool bound = listener_ >= 0 && setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0;
  if (bound && options_.reuse_port) bound = setsockopt(listener_, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0;
  bound = bound && ::bind(listener_, found->ai_addr, found->ai_addrlen) == 0;
  const int error = bound ? 0 : uv_translate_sys_error(errno);
  freeaddrinfo(found);
  if (error == 0) return {};
  stop_listening();
  return io_failure(address, error);
}

void Server::tune(int fd) const {
  const int on = 1, idle_s = 30;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &options_.kernel_send_bytes, sizeof options_.kernel_send_bytes);
  setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &options_.kernel_unsent_bytes, sizeof options_.kernel_unsent_bytes);
}

// ---- who connects

void Server::on_ready(std::uint32_t) {
  for (int i = 0; i < accepts_a_turn; ++i)
    if (listener_ < 0 || !take_one()) return;
  sockets_.poller.again(*this);
}

// False: nobody waits any more, or nobody can be taken until the next tick.
bool Server::take_one() {
  const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) {
    if (options_.ledger->spare().takes_back(fd))
      options_.ledger->refused_for_descriptors();
    else
      take(fd);
    return true;
  }
  if (errno == EMFILE || errno == ENFILE) return refuse_for_descriptors();
  return errno == EINTR || errno == ECONNABORTED;
}

bool Server::refuse_for_descriptors() {
  switch (options_.ledger->spare().refuse_one(listener_)) {
    case SpareDescriptor::Refused::one: options_.ledger->refused_for_descriptors(); return true;
    case SpareDescriptor::Refused::nobody: return false;
    case SpareDescriptor::Refused::cannot: break;
  }
  starved_ = true;
  start_ticking();
  return false;
}

void Server::start_ticking() {
  if (uv_is_active(reinterpret_cast<uv_handle_t*>(&timer_))) return;
  uv_timer_start(
      &timer_, [](uv_timer_t* timer) { static_cast<Server*>(timer->data)->on_tick(); }, options_.tick_ms,
      options_.tick_ms);
}

void Server::take(int fd) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&name), &size) != 0 || !options_.ledger->enter()) {
    ::close(fd);
    return;
  }
  tune(fd);
  start_ticking();
  auto owned = std::make_unique<Connection>(*this);
  Connection* const connection = owned.get();
  connections_.emplace(connection, std::move(owned));
  auto address = numeric_host(reinterpret_cast<sockaddr*>(&name));
  const bool admitted = count_up(address, Kind::http);
  connection->start(fd, std::move(address), admitted);
}

bool Server::count_up(const std::string& address, Kind kind) {
  return options_.ledger->count_up(address, kind);
}

void Server::count_down(const std::string& address, Kind kind) {
  options_.ledger->count_down(address, kind);
}

void Server::on_tick() {
  answers_.sweep();
  free_gone();
  if (std::exchange(starved_, false) && listener_ >= 0) sockets_.poller.again(*this);
  if (connections_.empty()) {
    uv_timer_stop(&timer_);
    return;
  }
  std::vector<Connection*> now;
  now.reserve(connections_.size());
  for (const auto& [connection, owned] : connections_) now.push_back(connection);
  for (Connection* connection : now) connection->on_tick(now_ms());
}

void Server::send(LinkId link, const std::vector<SharedBytes>& pieces) {
  if (const auto found = links_.find(link); found != links_.end()) found->second->send(pieces);
}

void Server::flush_link(LinkId link) {
  const auto found = links_.find(link);
  if (found != links_.end() && found->second->dirty_) found->second->flush();
}

void Server::close_link(LinkId link) {
  if (const auto found = links_.find(link); found != links_.end()) found->second->close_politely();
}

void Server::hold(LinkId link, bool wanted) {
  if (const auto found = links_.find(link); found != links_.end()) found->second->hold(wanted);
}

void Server::reply(HttpId id, core::HttpResponse response) {
  if (answers_.owns(id)) {
    settle(id, std::move(response));
    return;
  }
  if (const auto found = exchanges_.find(id); found != exchanges_.end()) found->second->reply(std::move(response));
}

// The core counts the answer it gave once; the others who waited are counted here.
void Server::settle(HttpId id, core::HttpResponse response) {
  const int status = response.status;
  const std::uint64_t bytes = core::total_bytes(response.pieces);
  const bool media = !is_playlist(answers_.target_of(id));
  const std::size_t served = answers_.settle(id, std::move(response));
  if (served > 1) count_shared(status, media, bytes, served - 1);
}

void Server::count_shared(int status, bool media, std::uint64_t bytes, std::uint64_t times) {
  served_.requests[static_cast<std::size_t>(status / 100)] += times;
  (media ? served_.media_bytes : served_.playlist_bytes) += bytes * times;
}

SharedBytes Server::answer_tail_of(bool http_1_1, bool keep_alive) {
  const std::uint64_t second = now_ms() / 1000;
  if (second != tails_of_s_) tails_ = {};
  tails_of_s_ = second;
  SharedBytes& tail = tails_[(http_1_1 ? 2u : 0u) + (keep_alive ? 1u : 0u)];
  if (tail.empty()) {
    AnswerForm form;
    form.http_1_1 = http_1_1;
    form.keep_alive = keep_alive;
    tail = SharedBytes::copy(view_of(answer_tail(form)));
  }
  return tail;
}

void Server::pieces(HttpId id, const std::vector<SharedBytes>& pieces, bool end) {
  if (const auto found = exchanges_.find(id); found != exchanges_.end()) found->second->pieces(pieces, end);
}

void Server::mark_dirty(Connection* connection) {
  if (!std::exchange(connection->dirty_, true)) dirty_.push_back(connection);
}

bool Server::flush() {
  const bool any = !dirty_.empty();
  const std::vector<Connection*> now = std::exchange(dirty_, {});
  for (Connection* connection : now)
    if (connection->dirty_) connection->flush();
  free_gone();
  return any;
}

// Nobody stands in their code here, and who waits to be flushed may still be one of them.
void Server::free_gone() {
  if (dirty_.empty()) gone_.clear();
}

std::size_t Server::busy() const {
  std::size_t count = 0;
  for (const auto& [connection, owned] : connections_) count += connection->busy();
  return count;
}

void Server::stop_listening() {
  if (listener_ < 0) return;
  sockets_.poller.remove(listener_, *this);
  ::close(std::exchange(listener_, -1));
}

void Server::close_all() {
  stop_listening();
  if (!uv_is_closing(reinterpret_cast<uv_handle_t*>(&timer_)))
    uv_close(reinterpret_cast<uv_handle_t*>(&timer_),
             [](uv_handle_t* handle) { static_cast<Server*>(handle->data)->timer_open_ = false; });
  while (!connections_.empty()) connections_.begin()->first->close_now("this node stops");
  answers_.clear();
}

// The connection may stand in its own code: it is freed later.
void Server::forget(Connection* connection) {
  const auto found = connections_.find(connection);
  if (found == connections_.end()) return;
  options_.ledger->leave();
  gone_.push_back(std::move(found->second));
  connections_.erase(found);
}

}  // namespace streamr::io
