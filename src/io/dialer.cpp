#include "io/dialer.hpp"

#include <fcntl.h>
#include <libwebsockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <functional>

#include "io/sigpipe.hpp"
#include "io/ws_handshake.hpp"

namespace streamr::io {
namespace {

constexpr std::size_t frame_bytes = 32 * 1024;  // longer messages go out in fragments: the library holds a copy of one

int on_library_event(lws* socket, lws_callback_reasons reason, void*, void* in, std::size_t size) {
  switch (reason) {
    case LWS_CALLBACK_CLIENT_FILTER_PRE_ESTABLISH:
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
    case LWS_CALLBACK_CLIENT_RECEIVE:
    case LWS_CALLBACK_CLIENT_WRITEABLE:
    case LWS_CALLBACK_CLIENT_CLOSED:
    case LWS_CALLBACK_WSI_DESTROY:
      return static_cast<Dialer*>(lws_context_user(lws_get_context(socket)))
          ->on_event(socket, static_cast<int>(reason), in, size);
    default: return 0;
  }
}

const lws_protocols protocols[] = {
    {ws_subprotocol.data(), &on_library_event, 0, limits::message_bytes, 0, nullptr, 0},
    {nullptr, nullptr, 0, 0, 0, nullptr, 0},
};

// The library pings where nothing came for 10 s and hangs up after 30 s of silence.
constexpr lws_retry_bo_t liveness = {nullptr, 0, 0, 10, static_cast<std::uint16_t>(limits::silence_us / 1'000'000), 0};

}  // namespace

struct Dialer::Link {
  LinkId id = 0;
  WsUrl url;
  lws* socket = nullptr;
  bool established = false;
  bool closing = false;
  std::uint64_t since_ms = 0;  // of dialling, then of closing
  // outgoing: each message has LWS_PRE octets of room in front, where the library writes its header
  std::deque<ByteVector> queue;
  std::size_t sent_of_front = 0;
  std::uint64_t queued_bytes = 0;
  std::uint64_t in_library_bytes = 0;
  // incoming
  ByteVector message;
  bool discarding = false;

  std::uint64_t outstanding() const { return queued_bytes + in_library_bytes; }
};

// Watches a second descriptor of the library's socket: the library may close its own whenever it likes, and a loop that
// watches a number which was closed and given out again would watch somebody else's.
struct Dialer::Watch {
  uv_poll_t handle{};
  Dialer* dialer = nullptr;
  int fd = -1;
  int events = 0;
};

struct Dialer::Lookup {
  uv_getaddrinfo_t request{};
  Dialer* dialer = nullptr;
  LinkId link = 0;
};

Dialer::Dialer(uv_loop_t* loop, Handler& handler, DialerOptions options)
    : loop_(loop), handler_(handler), options_(options) {
  uv_timer_init(loop_, &timer_);
  timer_.data = this;
  timer_open_ = true;
}

Dialer::~Dialer() = default;

// The library could run on our loop by itself; but ending it there closes a descriptor of its own twice (4.1), which in
// a process with other threads may be somebody else's by then. So it polls its few sockets, and is turned when they are
// ready.
bool Dialer::open_context() {
  if (context_) return true;
  lws_context_creation_info info{};
  info.port = CONTEXT_PORT_NO_LISTEN;
  info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
  info.user = this;
  info.gid = info.uid = static_cast<decltype(info.uid)>(-1);
  info.fd_limit_per_thread = 256;
  info.pt_serv_buf_size = limits::message_bytes;
  info.pcontext = &context_;
  const SigpipeKept kept;
  lws_set_log_level(0, nullptr);
  context_ = lws_create_context(&info);
  return context_ != nullptr;
}

lws_vhost* Dialer::vhost(bool tls) {
  lws_vhost*& slot = tls ? secure_ : plain_;
  if (slot || !open_context()) return slot;
  lws_context_creation_info info{};
  info.port = CONTEXT_PORT_NO_LISTEN;
  info.protocols = protocols;
  info.vhost_name = tls ? "secure" : "plain";
  info.gid = info.uid = static_cast<decltype(info.uid)>(-1);
  if (tls) {
    info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info.client_ssl_ca_filepath = system_authorities();
  }
  slot = lws_create_vhost(context_, &info);
  return slot;
}

void Dialer::dial(LinkId id, const std::string& text) {
  auto url = parse_ws_url(text);
  auto owned = std::make_unique<Link>();
  Link& link = *owned;
  link.id = id;
  link.since_ms = uv_now(loop_);
  links_[id] = std::move(owned);
  if (!url) return end(id, url.error().text);
  if (closing_) return end(id, "this node stops");
  link.url = *url;
  if (!uv_is_active(reinterpret_cast<uv_handle_t*>(&timer_)))
    uv_timer_start(
        &timer_, [](uv_timer_t* timer) { static_cast<Dialer*>(timer->data)->on_tick(); }, 250, 250);

  sockaddr_storage numeric{};
  const char* host = link.url.host.c_str();
  if (uv_ip4_addr(host, 1, reinterpret_cast<sockaddr_in*>(&numeric)) == 0 ||
      uv_ip6_addr(host, 1, reinterpret_cast<sockaddr_in6*>(&numeric)) == 0)
    return connect(id, link.url.host);
  look_up(id, host);
}

void Dialer::look_up(LinkId id, const char* host) {
  auto lookup = std::make_unique<Lookup>();
  lookup->dialer = this;
  lookup->link = id;
  lookup->request.data = lookup.get();
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  const auto found = [](uv_getaddrinfo_t* request, int status, addrinfo* result) {
    std::unique_ptr<Lookup> done(static_cast<Lookup*>(request->data));
    Dialer& dialer = *done->dialer;
    --dialer.lookups_;
    const std::string address = status == 0 && result ? numeric_host(result->ai_addr) : std::string();
    uv_freeaddrinfo(result);
    if (!dialer.owns(done->link)) return;
    if (address.empty())
      return dialer.end(done->link, std::string("the relay's name has no address: ") + uv_strerror(status));
    dialer.connect(done->link, address);
  };
  if (uv_getaddrinfo(loop_, &lookup->request, found, host, nullptr, &hints) != 0)
    return end(id, "the relay's name cannot be looked up");
  ++lookups_;
  lookup.release();
}

void Dialer::connect(LinkId id, const std::string& address) {
  Link& link = *links_.at(id);
  lws_vhost* host = vhost(link.url.tls);
  if (!host) return end(id, "the WebSocket library could not be set up");
  const std::string authority = format_host_port(link.url.host, link.url.port);
  const bool default_port = link.url.port == (link.url.tls ? 443 : 80);
  lws_client_connect_info info{};
  info.context = context_;
  info.vhost = host;
  info.address = address.c_str();
  info.port = link.url.port;
  info.path = link.url.target.c_str();
  info.host = default_port ? link.url.host.c_str() : authority.c_str();
  info.protocol = ws_subprotocol.data();
  info.local_protocol_name = ws_subprotocol.data();
  info.ssl_connection = link.url.tls ? LCCSCF_USE_SSL : 0;
  info.ietf_version_or_minus_one = -1;
  // The number, not the link: the library may tell of a socket whose link is gone.
  info.opaque_user_data = reinterpret_cast<void*>(static_cast<std::uintptr_t>(id));
  info.retry_and_idle_policy = &liveness;
  lws* const socket = lws_client_connect_via_info(&info);
  // A failure may have been told already, and the link be gone with it.
  if (!owns(id)) return;
  if (!socket) return end(id, "the relay cannot be reached");
  link.socket = socket;
  watch(link);
  dirty_ = true;
}

// ---- turning the library

void Dialer::watch(Link& link) {
  if (!link.socket) return;
  Watch*& watch = watches_[link.id];
  if (!watch) {
    const int fd = lws_get_socket_fd(link.socket);
    auto made = std::make_unique<Watch>();
    made->dialer = this;
    made->handle.data = made.get();
    made->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (made->fd < 0 || uv_poll_init(loop_, &made->handle, made->fd) != 0) {
      if (made->fd >= 0) ::close(made->fd);
      watches_.erase(link.id);  // the timer turns the library, and asks again
      return;
    }
    watch = made.release();
    ++watches_open_;
  }
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  const bool connecting = !link.established && getpeername(watch->fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0;
  const bool wants_to_write = connecting || (link.established && link.outstanding() != 0);
  const int events = UV_READABLE | (wants_to_write ? UV_WRITABLE : 0);
  if (events == watch->events) return;
  watch->events = events;
  uv_poll_start(&watch->handle, events,
                [](uv_poll_t* handle, int, int) { static_cast<Watch*>(handle->data)->dialer->turn(); });
}

void Dialer::unwatch(LinkId id) {
  const auto found = watches_.find(id);
  if (found == watches_.end()) return;
  uv_close(reinterpret_cast<uv_handle_t*>(&found->second->handle), [](uv_handle_t* handle) {
    const std::unique_ptr<Watch> done(static_cast<Watch*>(handle->data));
    --done->dialer->watches_open_;
  });
  // libuv forgets the descriptor in uv_close, so it may go at once; the peer sees the end when the last one is closed.
  ::close(found->second->fd);
  watches_.erase(found);
}

void Dialer::turn() {
  if (!context_ || turning_) return;
  turning_ = true;
  dirty_ = false;
  // A step often asks for the next one: connected, then the request goes out; the last message, then the close frame.
  constexpr int steps = 4, steps_most = 64;
  bool more = true;
  for (int step = 0; step < steps || (more && step < steps_most); ++step) {
    lws_service_tsi(context_, -1, 0);
    more = lws_service_adjust_timeout(context_, 1, 0) == 0;  // decrypted octets wait in the library, not in the socket
  }
  if (more) dirty_ = true;
  for (const auto& [id, link] : links_) watch(*link);
  turning_ = false;
}

bool Dialer::flush() {
  if (!dirty_) return false;
  turn();
  return true;
}

void Dialer::end(LinkId id, const std::string& why) {
  const auto found = links_.find(id);
  if (found == links_.end()) return;
  const auto link = std::move(found->second);
  links_.erase(found);
  handler_.on_closed(id, why);
}

void Dialer::send(LinkId id, const std::vector<SharedBytes>& pieces) {
  const auto found = links_.find(id);
  if (found == links_.end() || found->second->closing) return;
  Link& link = *found->second;
  std::size_t bytes = 0;
  for (const auto& piece : pieces) bytes += piece.size();
  ByteVector message(LWS_PRE);
  message.reserve(LWS_PRE + bytes);
  for (const auto& piece : pieces) message.insert(message.end(), piece.data(), piece.data() + piece.size());
  link.queue.push_back(std::move(message));
  link.queued_bytes += bytes;
  if (link.queued_bytes > options_.queue_bytes) {
    kill(id, "the relay reads too slowly");
    return;
  }
  if (!link.established) return;
  lws_callback_on_writable(link.socket);
  dirty_ = true;
}

void Dialer::close_link(LinkId id) {
  const auto found = links_.find(id);
  if (found == links_.end() || found->second->closing) return;
  Link& link = *found->second;
  link.closing = true;
  link.since_ms = uv_now(loop_);
  dirty_ = true;
  if (link.established) {
    lws_callback_on_writable(link.socket);
    return;
  }
  kill(id, "closed by this side");
}

int Dialer::on_event(lws* socket, int reason, void* in, std::size_t size) {
  const LinkId id = reinterpret_cast<std::uintptr_t>(lws_get_opaque_user_data(socket));
  const auto found = links_.find(id);
  Link* const link = found == links_.end() ? nullptr : found->second.get();
  switch (reason) {
    case LWS_CALLBACK_CLIENT_FILTER_PRE_ESTABLISH: {
      char chosen[64] = {};
      const int length = lws_hdr_copy(socket, chosen, sizeof chosen, WSI_TOKEN_PROTOCOL);
      if (length > 0 && ws_subprotocol == chosen) return 0;
      if (link) end(link->id, "the other side does not speak streamr.relay.v1");
      return -1;
    }
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
      if (link)
        end(link->id, in && size ? std::string(static_cast<const char*>(in), size) : "the relay cannot be reached");
      return 0;
    case LWS_CALLBACK_CLIENT_ESTABLISHED: {
      if (!link) return -1;
      link->established = true;
      link->socket = socket;
      const int fd = lws_get_socket_fd(socket), on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
#ifdef TCP_NOTSENT_LOWAT
      setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &options_.kernel_unsent_bytes,
                 sizeof options_.kernel_unsent_bytes);
#endif
      handler_.on_dialed(link->id);
      if (!link->queue.empty() || link->closing) lws_callback_on_writable(socket);
      return 0;
    }
    case LWS_CALLBACK_CLIENT_RECEIVE:
      return link ? on_receive(socket, *link, static_cast<const std::uint8_t*>(in), size) : -1;
    case LWS_CALLBACK_CLIENT_WRITEABLE: return link ? on_writable(socket, *link) : -1;
    case LWS_CALLBACK_CLIENT_CLOSED:
      if (link) end(link->id, "the relay closed the connection");
      return 0;
    case LWS_CALLBACK_WSI_DESTROY:
      if (link) end(link->id, "the relay closed the connection");
      unwatch(id);
      return 0;
    default: return 0;
  }
}

int Dialer::on_receive(lws* socket, Link& link, const std::uint8_t* octets, std::size_t size) {
  if (link.closing) return 0;
  if (lws_is_first_fragment(socket)) {
    link.message.clear();
    link.discarding = !lws_frame_is_binary(socket);
    if (link.discarding) handler_.on_text_message(link.id);
  }
  if (!link.discarding && size > limits::message_bytes - link.message.size()) {
    link.discarding = true;
    ByteVector().swap(link.message);
    handler_.on_oversized_message(link.id);
  }
  const bool final = lws_is_final_fragment(socket);
  if (link.discarding) return 0;
  if (final && link.message.empty()) {
    handler_.on_message(link.id, SharedBytes::copy({octets, size}));
    return 0;
  }
  if (link.message.empty()) link.message.reserve(size + lws_remaining_packet_payload(socket));
  link.message.insert(link.message.end(), octets, octets + size);
  if (final) handler_.on_message(link.id, SharedBytes::take(std::move(link.message)));
  if (final) link.message = {};
  return 0;
}

int Dialer::on_writable(lws* socket, Link& link) {
  link.in_library_bytes = 0;
  while (!link.queue.empty() && !lws_send_pipe_choked(socket)) {
    ByteVector& message = link.queue.front();
    const std::size_t total = message.size() - LWS_PRE;
    const std::size_t size = std::min(frame_bytes, total - link.sent_of_front);
    const bool first = link.sent_of_front == 0, last = link.sent_of_front + size == total;
    const int form = (first ? LWS_WRITE_BINARY : LWS_WRITE_CONTINUATION) | (last ? 0 : LWS_WRITE_NO_FIN);
    // Octets before this place were sent already, so the library may write its header over them.
    if (lws_write(socket, message.data() + LWS_PRE + link.sent_of_front, size, static_cast<lws_write_protocol>(form)) <
        0)
      return -1;
    link.sent_of_front += size;
    link.queued_bytes -= size;
    if (lws_partial_buffered(socket)) link.in_library_bytes = size;
    if (!last) continue;
    link.queue.pop_front();
    link.sent_of_front = 0;
  }
  const std::uint64_t outstanding = link.outstanding();
  if (outstanding != 0) lws_callback_on_writable(socket);
  if (link.closing && outstanding == 0) {
    lws_close_reason(socket, LWS_CLOSE_STATUS_NORMAL, nullptr, 0);
    end(link.id, "closed by this side");
    return -1;
  }
  handler_.on_sent(link.id, outstanding);
  return 0;
}

void Dialer::on_tick() {
  if (links_.empty() && watches_.empty()) {
    uv_timer_stop(&timer_);
    return;
  }
  std::vector<std::pair<LinkId, const char*>> late;
  const std::uint64_t now = uv_now(loop_);
  for (const auto& [id, link] : links_) {
    if (!link->established && now - link->since_ms >= options_.connect_within_ms)
      late.emplace_back(id, "the relay did not answer within 5 seconds");
    else if (link->closing && now - link->since_ms >= options_.close_within_ms)
      late.emplace_back(id, "closed by this side");
  }
  for (const auto& [id, why] : late) kill(id, why);
  turn();  // the library's own clocks: pings, silence
}

void Dialer::kill(LinkId id, const std::string& why) {
  lws* const socket = links_.at(id)->socket;
  end(id, why);
  if (socket) lws_set_timeout(socket, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
  dirty_ = true;
}

void Dialer::close_all() {
  if (closing_) return;
  closing_ = true;
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_),
           [](uv_handle_t* handle) { static_cast<Dialer*>(handle->data)->timer_open_ = false; });
  while (!links_.empty()) end(links_.begin()->first, "this node stops");
  if (context_) lws_context_destroy(context_);
  while (!watches_.empty()) unwatch(watches_.begin()->first);
}

}  // namespace streamr::io
