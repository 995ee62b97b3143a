#include "load/http_load.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace streamr::bench {
namespace {

constexpr std::size_t scratch_bytes = 1 << 18;
constexpr std::uint64_t most_errors_told = 5;

Plan plan_of(const std::string& name) {
  static const std::map<std::string, Plan> plans = {
      {"paced", Plan::paced},   {"burst", Plan::burst}, {"saturate", Plan::saturate}, {"playlist", Plan::playlist},
      {"player", Plan::player}, {"edge", Plan::edge},   {"stall", Plan::stall},       {"idle", Plan::idle}};
  const auto at = plans.find(name);
  if (at == plans.end()) throw std::runtime_error("--plan " + name + " is not one of paced burst saturate playlist player edge stall idle");
  return at->second;
}

}  // namespace

HttpLoad::HttpLoad(LoadOptions options, const Arguments& arguments)
    : options_(std::move(options)),
      plan_(plan_of(arguments.needed("plan"))),
      object_path_(arguments.text("object")),
      playlist_path_(arguments.text("playlist")),
      interval_ns_(arguments.number("interval-ms", 200) * 1'000'000),
      ring_(arguments.number("ring", 20)),
      behind_(arguments.number("behind", 2)),
      ask_once_(arguments.number("ask", 0) != 0),
      clients_(options_.connections),
      scratch_(scratch_bytes) {
  if (arguments.number("tls", 0) == 0) return;
  tls_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_min_proto_version(tls_.get(), TLS1_3_VERSION);
  SSL_CTX_set_ciphersuites(tls_.get(), "TLS_AES_128_GCM_SHA256");
  SSL_CTX_set_verify(tls_.get(), SSL_VERIFY_NONE, nullptr);
}

HttpLoad::~HttpLoad() {
  for (Client& client : clients_) {
    SSL_free(client.tls);
    if (client.fd >= 0) close(client.fd);
  }
}

// Parts pushed so far; without a feed (a peer that serves files) the clock takes its place.
std::uint64_t HttpLoad::published() const {
  return options_.times != nullptr ? options_.times->count.load() : ring_ + (now_ns() - begin_ns_) / interval_ns_;
}

// %s segment, %p part, %r ordinal modulo --ring.
std::string HttpLoad::expand(const std::string& path, std::uint64_t ordinal) const {
  std::string out;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] != '%' || i + 1 == path.size()) {
      out += path[i];
      continue;
    }
    const char kind = path[++i];
    if (kind == 'r') out += std::to_string(ordinal % ring_);
    if (kind == 's' && options_.times) out += std::to_string(options_.times->segment_of(ordinal));
    if (kind == 'p' && options_.times) out += std::to_string(options_.times->part_of(ordinal));
  }
  return out;
}

void HttpLoad::open(Client& client, std::uint32_t index) {
  client.fd = open_socket(options_, index);
  if (tls_) {
    client.tls = SSL_new(tls_.get());
    SSL_set_fd(client.tls, client.fd);
    if (SSL_connect(client.tls) != 1) throw std::runtime_error("the TLS handshake failed");
  }
  set_non_blocking(client.fd);
  poller_.add(client.fd, &client, plan_ == Plan::stall ? 0u : static_cast<std::uint32_t>(EPOLLIN));
}

void HttpLoad::ask(Client& client, Stage stage, std::uint64_t now) {
  const std::string request = "GET " + expand(stage == Stage::playlist ? playlist_path_ : object_path_, client.ordinal) +
                              " HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n";
  client.stage = stage;
  client.in_body = false;
  client.head_bytes = 0;
  client.asked_ns = now;
  const auto length = static_cast<int>(request.size());
  const long sent = client.tls ? SSL_write(client.tls, request.data(), length) : send(client.fd, request.data(), request.size(), MSG_NOSIGNAL);
  if (sent != length) fail(client, "a request could not be sent");
}

// The first request of a viewer that does not wait for its turn.
void HttpLoad::begin(Client& client) {
  const std::uint64_t now = now_ns();
  client.ordinal = published() - std::min(published(), behind_);
  if (plan_ == Plan::playlist || plan_ == Plan::player || plan_ == Plan::edge)
    client.ordinal = published() - std::min<std::uint64_t>(published(), 1);   // there, or about to be: never beyond the hint
  if (plan_ == Plan::playlist || plan_ == Plan::player) ask(client, Stage::playlist, now);
  if (plan_ == Plan::edge || plan_ == Plan::saturate || plan_ == Plan::stall || ask_once_) ask(client, Stage::object, now);
}

void HttpLoad::ask_next(Client& client, std::uint64_t now) {
  if (plan_ == Plan::saturate) {
    client.ordinal = published() - std::min(published(), behind_);
    return ask(client, Stage::object, now);
  }
  if (plan_ != Plan::playlist && plan_ != Plan::player && plan_ != Plan::edge) return;
  if (plan_ == Plan::player && client.stage == Stage::playlist) return ask(client, Stage::object, now);
  ++client.ordinal;
  if (client.ordinal + 3 < published()) {   // a player that is this late jumps to the edge
    if (measuring_) tally_.skipped += published() - client.ordinal;
    client.ordinal = published() - 1;
  }
  ask(client, plan_ == Plan::edge ? Stage::object : Stage::playlist, now);
}

long HttpLoad::receive(Client& client, char* into, std::size_t most, bool discard) {
  if (!client.tls) return recv(client.fd, into, most, discard ? MSG_TRUNC | MSG_DONTWAIT : MSG_DONTWAIT);
  const int got = SSL_read(client.tls, into, static_cast<int>(std::min(most, scratch_.size())));
  if (got > 0) return got;
  errno = SSL_get_error(client.tls, got) == SSL_ERROR_WANT_READ ? EAGAIN : ECONNRESET;
  return -1;
}

// Reads Content-Length out of a whole head; what stands behind it is body. False: the answer cannot be used.
bool HttpLoad::take_head(Client& client, std::size_t end) {
  const std::string_view head(client.head, end);
  if (head.size() < 12 || head.substr(9, 3) != "200") return false;
  std::size_t at = std::string_view::npos;
  for (std::size_t line = head.find("\r\n"); line != std::string_view::npos && at == std::string_view::npos; line = head.find("\r\n", line + 2))
    if (head.size() > line + 17 && strncasecmp(head.data() + line + 2, "content-length:", 15) == 0) at = line + 17;
  if (at == std::string_view::npos) return false;
  client.body_bytes = std::strtoull(head.data() + at, nullptr, 10);
  client.body_left = client.body_bytes - std::min<std::uint64_t>(client.body_bytes, client.head_bytes - end);
  client.in_body = true;
  return true;
}

bool HttpLoad::readable(Client& client) {
  while (client.stage != Stage::quiet) {
    if (!client.in_body) {
      const long got = receive(client, client.head + client.head_bytes, sizeof client.head - client.head_bytes, false);
      if (got <= 0) return got < 0 && errno == EAGAIN;
      client.head_bytes += static_cast<std::uint32_t>(got);
      const std::size_t end = std::string_view(client.head, client.head_bytes).find("\r\n\r\n");
      if (end == std::string_view::npos && client.head_bytes < sizeof client.head) continue;
      if (end == std::string_view::npos || !take_head(client, end + 4)) {
        if (tally_.errors < most_errors_told) std::fprintf(stderr, "bench_load: %.*s\n", static_cast<int>(client.head_bytes), client.head);
        return false;
      }
    }
    if (client.body_left > 0) {
      const std::size_t most = client.body_left;
      const long got = receive(client, scratch_.data(), most, true);
      if (got <= 0) return got < 0 && errno == EAGAIN;
      client.body_left -= static_cast<std::uint64_t>(got);
      if (measuring_) tally_.bytes += static_cast<std::uint64_t>(got);
      if (client.body_left > 0 && !client.tls) return true;   // epoll says when there is more
    }
    if (client.body_left == 0) answered(client);
  }
  return true;
}

void HttpLoad::answered(Client& client) {
  const std::uint64_t now = now_ns();
  if (measuring_) {
    ++tally_.answers;
    const bool live = plan_ == Plan::edge || plan_ == Plan::player || plan_ == Plan::playlist;
    std::uint64_t from = client.asked_ns;
    if (live && options_.times) from = options_.times->pushed_ns[client.ordinal % part_times_kept];
    auto& times = client.stage == Stage::playlist ? tally_.slice_us : tally_.part_us;
    if (from <= now) times.push_back(static_cast<std::uint32_t>((now - from) / 1000));
  }
  const Stage done = client.stage;
  client.stage = Stage::quiet;
  if (plan_ == Plan::player) client.stage = done;
  if (plan_ == Plan::idle || plan_ == Plan::paced || plan_ == Plan::burst) return;
  ask_next(client, now);
}

void HttpLoad::fail(Client& client, const char* why) {
  if (++tally_.errors <= most_errors_told) std::fprintf(stderr, "bench_load: %s (ordinal %llu)\n", why, static_cast<unsigned long long>(client.ordinal));
  SSL_free(client.tls);
  client.tls = nullptr;
  if (client.fd >= 0) close(client.fd);
  client.fd = -1;
  client.stage = Stage::quiet;
}

std::uint64_t HttpLoad::due_ns() const {
  if (plan_ == Plan::paced) return begin_ns_ + turn_ * interval_ns_ / clients_.size();
  if (plan_ == Plan::burst) return begin_ns_ + turn_ * interval_ns_;
  return ~std::uint64_t{0};
}

// Viewers whose time has come ask; one that still waits for its last answer misses its turn.
void HttpLoad::run_due(std::uint64_t now) {
  for (; due_ns() <= now; ++turn_) {
    const std::size_t first = plan_ == Plan::paced ? turn_ % clients_.size() : 0;
    const std::size_t last = plan_ == Plan::paced ? first + 1 : clients_.size();
    for (std::size_t i = first; i < last; ++i) {
      Client& client = clients_[i];
      if (client.fd < 0) continue;
      if (client.stage != Stage::quiet) {
        tally_.skipped += measuring_ ? 1 : 0;
        continue;
      }
      client.ordinal = published() - std::min(published(), behind_);
      ask(client, Stage::object, now);
    }
  }
}

void HttpLoad::run() {
  begin_ns_ = now_ns();
  for (std::uint32_t i = 0; i < clients_.size(); ++i) {
    open(clients_[i], i);
    begin(clients_[i]);
  }
  if (plan_ == Plan::stall) return hold_until_input_ends(options_.connections);
  begin_ns_ = now_ns();
  Span span(options_);
  for (std::uint64_t now = now_ns(); span.running(now); now = now_ns()) {
    measuring_ = span.measuring();
    run_due(now);
    const std::uint64_t due = due_ns();
    const std::uint64_t limit = due <= now ? 0 : std::min<std::uint64_t>(due - now, 5'000'000);
    for (const epoll_event& event : poller_.wait(limit)) {
      Client& client = *static_cast<Client*>(event.data.ptr);
      if (client.fd >= 0 && !readable(client)) fail(client, "an answer could not be used, or the server closed");
    }
  }
  const auto open = static_cast<std::uint32_t>(std::count_if(clients_.begin(), clients_.end(), [](const Client& c) { return c.fd >= 0; }));
  if (plan_ == Plan::idle) return hold_until_input_ends(open);
  span.report(tally_, open);
}

}  // namespace streamr::bench
