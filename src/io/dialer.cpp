#include "io/dialer.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "io/dialer_link.hpp"
#include "io/system.hpp"

namespace streamr::io {
namespace {

constexpr std::size_t addresses_most = 8;
constexpr std::uint64_t tick_ms = 100;
constexpr std::uint8_t final_frame = 0x80;

socklen_t size_of(const sockaddr_storage& address) {
  return address.ss_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
}

void set_port(sockaddr_storage& address, std::uint16_t port) {
  if (address.ss_family == AF_INET6)
    reinterpret_cast<sockaddr_in6&>(address).sin6_port = htons(port);
  else
    reinterpret_cast<sockaddr_in&>(address).sin_port = htons(port);
}

}  // namespace

struct Dialer::Lookup {
  uv_getaddrinfo_t request{};
  Dialer* dialer = nullptr;
  LinkId link = 0;
};

Dialer::Dialer(uv_loop_t* loop, TransportLoop& sockets, Handler& handler, DialerOptions options)
    : loop_(loop), sockets_(sockets), handler_(handler), options_(std::move(options)) {
  uv_timer_init(loop_, &timer_);
  timer_.data = this;
  timer_open_ = true;
}

Dialer::~Dialer() = default;

// ---- from an address to a socket

void Dialer::dial(LinkId id, const std::string& text) {
  auto url = parse_ws_url(text);
  Link& link = *(links_[id] = std::make_unique<Link>(*this, id));
  link.since_ms = now_ms();
  if (!url) return end(id, url.error().text);
  if (closing_) return end(id, "this node stops");
  link.url = std::move(*url);
  if (!uv_is_active(reinterpret_cast<uv_handle_t*>(&timer_)))
    uv_timer_start(
        &timer_, [](uv_timer_t* timer) { static_cast<Dialer*>(timer->data)->on_tick(); }, tick_ms, tick_ms);
  sockaddr_storage numeric{};
  const char* const host = link.url.host.c_str();
  if (uv_ip4_addr(host, link.url.port, reinterpret_cast<sockaddr_in*>(&numeric)) != 0 &&
      uv_ip6_addr(host, link.url.port, reinterpret_cast<sockaddr_in6*>(&numeric)) != 0)
    return look_up(link);
  link.addresses.push_back(numeric);
  connect_next(link);
}

void Dialer::look_up(Link& link) {
  auto lookup = std::make_unique<Lookup>();
  lookup->dialer = this;
  lookup->link = link.id;
  lookup->request.data = lookup.get();
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  const auto found = [](uv_getaddrinfo_t* request, int status, addrinfo* result) {
    const std::unique_ptr<Lookup> done(static_cast<Lookup*>(request->data));
    Dialer& dialer = *done->dialer;
    --dialer.lookups_;
    const auto owner = dialer.links_.find(done->link);
    if (owner == dialer.links_.end()) return uv_freeaddrinfo(result);
    auto& addresses = owner->second->addresses;
    for (const addrinfo* at = result; at != nullptr && addresses.size() < addresses_most; at = at->ai_next) {
      sockaddr_storage address{};
      std::memcpy(&address, at->ai_addr, at->ai_addrlen);
      set_port(address, owner->second->url.port);
      if (at->ai_family == AF_INET || at->ai_family == AF_INET6) addresses.push_back(address);
    }
    uv_freeaddrinfo(result);
    if (addresses.empty())
      return dialer.end(done->link, std::string("the relay's name has no address: ") + uv_strerror(status));
    dialer.connect_next(*owner->second);
  };
  if (uv_getaddrinfo(loop_, &lookup->request, found, link.url.host.c_str(), nullptr, &hints) != 0)
    return end(link.id, "the relay's name cannot be looked up");
  ++lookups_;
  lookup.release();
}

// Tries one address after the other until one takes the connection; the last failure is the one that is told.
void Dialer::connect_next(Link& link) {
  link.failed_over = false;
  while (link.next_address < link.addresses.size()) {
    const sockaddr_storage& address = link.addresses[link.next_address++];
    const int error = open_socket(link, address);
    if (error == 0) {
      link.attempt_ms = now_ms();
      if (link.url.tls && !start_tls(link)) return;
      WsClientHandshake::Key key{};
      if (!fill_random(key)) return end(link.id, "the system has no randomness to give");
      link.handshake = std::make_unique<WsClientHandshake>(key);
      link.socket->push_text(link.handshake->request(link.url));
      link.socket->set_reading(true);
      return mark_dirty(link);
    }
    link.problem = uv_strerror(error);
  }
  end(link.id, "the relay cannot be reached: " + link.problem);
}

int Dialer::open_socket(Link& link, const sockaddr_storage& address) {
  const int fd = ::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return uv_translate_sys_error(errno);
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
#ifdef TCP_NOTSENT_LOWAT
  setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &options_.kernel_unsent_bytes, sizeof options_.kernel_unsent_bytes);
#endif
  link.socket = std::make_unique<Transport>(sockets_, static_cast<Transport::Owner&>(link));
  int error = 0;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), size_of(address)) != 0 && errno != EINPROGRESS)
    error = uv_translate_sys_error(errno);
  if (error == 0) error = link.socket->adopt(fd);
  if (error != 0) ::close(fd);
  return error;
}

bool Dialer::start_tls(Link& link) {
  if (!tls_) {
    auto context = open_tls_client(options_.extra_authorities);
    if (!context) {
      end(link.id, context.error().text);
      return false;
    }
    tls_ = std::move(*context);
  }
  auto session = TlsSession::connect(tls_, sockets_.tls_rooms, link.url.host);
  if (!session) {
    end(link.id, "TLS cannot be set up for this host");
    return false;
  }
  link.socket->start_tls(std::move(session));
  return true;
}

void Dialer::opened(Link& link) {
  link.open = true;
  link.handshake.reset();
  link.addresses = {};
  link.heard_ms = link.pinged_ms = now_ms();
  for (auto& early : link.early) link.socket->push(std::move(early));
  link.early = {};
  link.early_bytes = 0;
  mark_dirty(link);
  handler_.on_dialed(link.id);
}

// ---- messages

SharedBytes Dialer::frame(std::uint8_t opcode, std::span<const SharedBytes> pieces) {
  if (masks_left_ == 0) {
    fill_random({masks_.front().data(), sizeof masks_});
    masks_left_ = masks_.size();
  }
  return ws_client_frame(static_cast<std::uint8_t>(final_frame | opcode), pieces, masks_[--masks_left_]);
}

void Dialer::send(LinkId id, const std::vector<SharedBytes>& pieces) {
  const auto found = links_.find(id);
  if (found == links_.end() || found->second->closing) return;
  Link& link = *found->second;
  link.queue(frame(ws_opcode::binary, pieces));
  if (link.outstanding() > options_.queue_bytes) return end(id, "the relay reads too slowly");
  mark_dirty(link);
}

void Dialer::close_link(LinkId id) {
  const auto found = links_.find(id);
  if (found == links_.end() || found->second->closing) return;
  Link& link = *found->second;
  if (!link.open) return end(id, "closed by this side");
  link.say_close(1000);
  link.closing = true;
  link.since_ms = now_ms();
}

void Dialer::mark_dirty(Link& link) {
  if (std::exchange(link.dirty, true)) return;
  dirty_.push_back(link.id);
}

bool Dialer::flush() {
  gone_.clear();
  if (dirty_.empty()) return false;
  for (const LinkId id : std::exchange(dirty_, {})) {
    const auto found = links_.find(id);
    if (found == links_.end()) continue;
    found->second->dirty = false;
    flush_link(*found->second);
  }
  return true;
}

void Dialer::flush_link(Link& link) {
  if (link.failed_over) connect_next(link);
  if (!owns(link.id) || !link.socket) return;
  if (const int error = link.socket->flush(); error != 0) return link.on_failed(error);
  if (link.open && !link.closing) handler_.on_sent(link.id, link.outstanding());
  if (link.closing && link.outstanding() == 0) link.say_end();
}

// ---- time and end

void Dialer::on_tick() {
  if (links_.empty()) {
    uv_timer_stop(&timer_);
    return;
  }
  std::vector<LinkId> ids;
  ids.reserve(links_.size());
  for (const auto& [id, link] : links_) ids.push_back(id);
  for (const LinkId id : ids)
    if (const auto found = links_.find(id); found != links_.end()) tick(*found->second, now_ms());
}

void Dialer::tick(Link& link, std::uint64_t now) {
  if (link.closing) {
    if (now - link.since_ms >= options_.close_within_ms) end(link.id, "closed by this side");
  } else if (!link.open) {
    if (now - link.since_ms >= options_.connect_within_ms)
      return end(link.id, "the relay did not answer within " + std::to_string(options_.connect_within_ms) + " ms");
    const bool others = link.next_address < link.addresses.size();
    if (link.socket && !link.heard && others && now - link.attempt_ms >= options_.next_address_ms)
      link.fail_over("it did not answer");
  } else if (now - link.heard_ms >= options_.silence_ms) {
    end(link.id, "the relay was silent for " + std::to_string(options_.silence_ms) + " ms");
  } else if (now - link.heard_ms >= options_.ping_after_ms && now - link.pinged_ms >= options_.ping_after_ms) {
    link.pinged_ms = now;
    link.queue(frame(ws_opcode::ping, {}));
    mark_dirty(link);
  }
}

void Dialer::end(LinkId id, const std::string& why) {
  const auto found = links_.find(id);
  if (found == links_.end()) return;
  auto link = std::move(found->second);
  links_.erase(found);
  if (link->socket) link->socket->close();
  gone_.push_back(std::move(link));
  handler_.on_closed(id, why);
}

void Dialer::close_all() {
  if (closing_) return;
  closing_ = true;
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_),
           [](uv_handle_t* handle) { static_cast<Dialer*>(handle->data)->timer_open_ = false; });
  while (!links_.empty()) end(links_.begin()->first, "this node stops");
}

}  // namespace streamr::io
