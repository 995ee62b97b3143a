#include "coordinator/http/server.hpp"

#include <arpa/inet.h>
#include <libwebsockets.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <stdexcept>

#include "coordinator/http/connection.hpp"
#include "coordinator/rules/address.hpp"

namespace coordinator {

struct Timer {
  lws_sorted_usec_list_t list;  // first, so that the callback finds its owner
  Server::State* owner;
};

struct Server::State {
  State(Application& a, const ServerOptions& o) : application(a), options(o) {}

  Application& application;
  ServerOptions options;
  lws_context* context = nullptr;
  lws_vhost* vhost = nullptr;
  Timer timer{};
  std::atomic<bool> stopping{false};
  std::map<std::string, size_t> open_by_address;
  size_t open = 0;

  int on_event(lws* socket, lws_callback_reasons reason, Connection*& connection, const void* in, size_t len);
  int adopt(lws* socket, Connection*& connection);
  void release(Connection*& connection);
};

namespace {

struct PerSocket {
  Connection* connection;
};

std::string peer_address(lws* socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (getpeername(lws_get_socket_fd(socket), reinterpret_cast<sockaddr*>(&storage), &size) != 0) return "";
  char text[INET6_ADDRSTRLEN] = {};
  if (storage.ss_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in*>(&storage)->sin_addr, text, sizeof text);
  } else {
    inet_ntop(AF_INET6, &reinterpret_cast<sockaddr_in6*>(&storage)->sin6_addr, text, sizeof text);
  }
  return normal_address(text);
}

int callback(lws* socket, lws_callback_reasons reason, void* user, void* in, size_t len) {
  auto* state = static_cast<Server::State*>(lws_context_user(lws_get_context(socket)));
  auto* per_socket = static_cast<PerSocket*>(user);
  static PerSocket none{};
  if (state == nullptr) return 0;
  return state->on_event(socket, reason, (per_socket == nullptr ? &none : per_socket)->connection, in, len);
}

void on_second(lws_sorted_usec_list_t* list) {
  auto* timer = reinterpret_cast<Timer*>(list);
  timer->owner->application.every_second();
  lws_sul_schedule(timer->owner->context, 0, &timer->list, on_second, LWS_US_PER_SEC);
}

void raise_descriptor_limit(size_t wanted) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, wanted);
  setrlimit(RLIMIT_NOFILE, &limit);
}

// "any address of this family" for libwebsockets is a null interface.
const char* interface_of(const std::string& host) {
  return host.empty() || host == "0.0.0.0" || host == "::" || host == "*" ? nullptr : host.c_str();
}

// libwebsockets binds to addresses, not to names such as localhost.
std::string numeric_host(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (host.find(':') != std::string::npos || getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return host;
  char text[INET_ADDRSTRLEN] = {};
  inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in*>(found->ai_addr)->sin_addr, text, sizeof text);
  freeaddrinfo(found);
  return text;
}

}  // namespace

int Server::State::adopt(lws* socket, Connection*& connection) {
  const int on = 1;
  setsockopt(lws_get_socket_fd(socket), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const std::string address = peer_address(socket);
  connection = new Connection(socket, address, application);
  ++open;
  const size_t of_address = ++open_by_address[address];
  if (open > options.connections || of_address > options.connections_per_address) {
    connection->refuse(503, "unavailable", "expected fewer connections at once, the limit is reached");
    return connection->flush() ? 0 : -1;
  }
  return 0;
}

void Server::State::release(Connection*& connection) {
  if (connection == nullptr) return;
  --open;
  const auto found = open_by_address.find(connection->address());
  if (found != open_by_address.end() && --found->second == 0) open_by_address.erase(found);
  delete connection;
  connection = nullptr;
}

int Server::State::on_event(lws* socket, lws_callback_reasons reason, Connection*& connection, const void* in,
                            size_t len) {
  switch (reason) {
    case LWS_CALLBACK_RAW_ADOPT: return adopt(socket, connection);
    case LWS_CALLBACK_RAW_RX:
      return connection != nullptr && connection->on_bytes(static_cast<const char*>(in), len) ? 0 : -1;
    case LWS_CALLBACK_RAW_WRITEABLE: return connection == nullptr || connection->on_writable() ? 0 : -1;
    case LWS_CALLBACK_RAW_CLOSE: release(connection); return 0;
    case LWS_CALLBACK_EVENT_WAIT_CANCELLED: application.woken(); return 0;
    default: return 0;
  }
}

Server::Server(const ServerOptions& options, Application& application)
    : state_(std::make_unique<State>(application, options)) {
  raise_descriptor_limit(options.connections + 64);
  lws_set_log_level(0, nullptr);
  static const lws_protocols protocols[] = {{"coordinator", callback, sizeof(PerSocket), 65536, 0, nullptr, 0},
                                            {nullptr, nullptr, 0, 0, 0, nullptr, 0}};
  // Sockets, timers and the loop are libwebsockets'; requests are parsed by our own side of it (raw role), because its
  // HTTP role rewrites the request-target, whose exact octets nodes sign.
  lws_context_creation_info info{};
  info.port = CONTEXT_PORT_NO_LISTEN;
  info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
  info.pt_serv_buf_size = 64 * 1024;
  info.fd_limit_per_thread = static_cast<unsigned>(options.connections + 64);
  info.user = state_.get();
  info.gid = static_cast<gid_t>(-1);
  info.uid = static_cast<uid_t>(-1);
  state_->context = lws_create_context(&info);
  if (state_->context == nullptr) throw std::runtime_error("the network loop could not be made: too few resources");

  info.port = options.port;
  const std::string host = numeric_host(options.host);
  info.iface = interface_of(host);
  info.protocols = protocols;
  info.vhost_name = "coordinator";
  info.listen_accept_role = "raw-skt";
  info.listen_accept_protocol = "coordinator";
  info.options = LWS_SERVER_OPTION_ADOPT_APPLY_LISTEN_ACCEPT_CONFIG | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                 LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND;
  if (options.host.find(':') == std::string::npos) info.options |= LWS_SERVER_OPTION_DISABLE_IPV6;
  state_->vhost = lws_create_vhost(state_->context, &info);
  const int port = state_->vhost == nullptr ? 0 : lws_get_vhost_listen_port(state_->vhost);
  if (port <= 0) {
    lws_context_destroy(state_->context);
    state_->context = nullptr;
    throw std::runtime_error("expected a free address to listen on, " + options.host + ":" +
                             std::to_string(options.port) +
                             " is in use or not of this machine: choose another --listen");
  }
  port_ = static_cast<uint16_t>(port);
  state_->timer.owner = state_.get();
  lws_sul_schedule(state_->context, 0, &state_->timer.list, on_second, LWS_US_PER_SEC);
}

Server::~Server() {
  if (state_->context != nullptr) lws_context_destroy(state_->context);
}

void Server::run() {
  while (!state_->stopping.load()) {
    if (lws_service(state_->context, 0) < 0) break;
  }
}

void Server::stop() {
  state_->stopping.store(true);
  lws_cancel_service(state_->context);
}

void Server::wake() {
  lws_cancel_service(state_->context);
}

}  // namespace coordinator
