#include "capi/node_host.hpp"

#include <poll.h>

#include "capi/guard.hpp"
#include "capi/handles.hpp"
#include "capi/object_fields.hpp"
#include "io/system.hpp"

namespace streamr::capi {
namespace {

constexpr std::uint32_t known_flags = STREAMR_NODE_HOST_LOOP | STREAMR_NODE_OPEN_TICKETS | STREAMR_NODE_ANY_STREAM;
constexpr std::size_t name_bytes = 64;
constexpr std::uint32_t default_events = 256;
constexpr std::uint32_t most_loops = 256;

Status read_coordinator(std::string url, core::NodeConfig& out) {
  while (!url.empty() && url.back() == '/') url.pop_back();
  const std::size_t scheme = url.starts_with("http://") ? 7 : url.starts_with("https://") ? 8 : 0;
  const bool host = scheme != 0 && url.size() > scheme && url.find_first_of("/?#@ ", scheme) == std::string::npos;
  if (!url.empty() && !host)
    return invalid("coordinator_url is http(s)://host:port, got \"" + url.substr(0, 100) + "\"");
  out.coordinator_url = std::move(url);
  return {};
}

Status read_addresses(const streamr_node_options_t& from, io::RuntimeOptions& out) {
  if (from.listen) {
    auto listen = io::parse_host_port(from.listen);
    if (!listen) return listen.error();
    out.listen = *listen;
  }
  if (from.advertise_url) {
    if (auto url = io::parse_ws_url(from.advertise_url); !url) return url.error();
    out.node.advertise_url = from.advertise_url;
  }
  return read_coordinator(text_of(from.coordinator_url), out.node);
}

Status read_serving(const streamr_node_options_t& from, io::RuntimeOptions& out) {
  if (from.loops > most_loops) return invalid("loops is at most 256, got " + std::to_string(from.loops));
  if ((from.tls_certificate_file == nullptr) != (from.tls_key_file == nullptr))
    return invalid("tls_certificate_file and tls_key_file are given together or not at all");
  if (from.tls_certificate_file && !from.listen) return invalid("TLS files are given, but no address to listen on");
  out.dialer.extra_authorities = text_of(from.tls_authorities_file);
  if (from.tls_certificate_file) {
    auto tls = io::TlsServer::open({from.tls_certificate_file, from.tls_key_file});
    if (!tls) return tls.error();
    out.server.tls = std::move(*tls);
  }
  if (from.loops) out.loops = from.loops;
  if (from.http_per_address) out.server.http_an_address = from.http_per_address;
  if (from.websockets_per_address) out.server.websockets_an_address = from.websockets_per_address;
  if (from.max_connections) out.server.connections = from.max_connections;
  out.server.ledger = std::make_shared<io::AddressLedger>(io::limits_of(out.server));
  return {};
}

streamr_limits_t with_defaults(streamr_limits_t limits) {
  const io::ServerOptions usual;
  const auto fill = [](std::uint32_t& member, std::uint64_t value) {
    if (member == 0) member = static_cast<std::uint32_t>(value);
  };
  fill(limits.memory_kib, core::NodeConfig{}.memory_bytes / 1024);
  fill(limits.http_per_address, usual.http_an_address);
  fill(limits.websockets_per_address, usual.websockets_an_address);
  fill(limits.max_connections, usual.connections);
  return limits;
}

streamr_limits_t limits_of(const streamr_node_options_t& from) {
  streamr_limits_t out = STREAMR_LIMITS_INIT;
  out.upload_kbps = from.upload_kbps;
  out.max_viewers = from.max_viewers;
  out.memory_kib = from.memory_bytes_kib;
  out.http_per_address = from.http_per_address;
  out.websockets_per_address = from.websockets_per_address;
  out.max_connections = from.max_connections;
  return with_defaults(out);
}

Result<crypto::KeyPair> identity_of(const streamr_node_options_t& from) {
  if (from.identity) return from.identity->pair;
  std::array<std::uint8_t, 32> seed{};
  if (!io::fill_random(seed)) return fail(STREAMR_E_IO, "the system has no randomness to give");
  return crypto::KeyPair::from_seed(seed);
}

Status read_node(const streamr_node_options_t& from, core::NodeConfig& out) {
  out.role = from.role == 0 ? STREAMR_ROLE_VIEWER : from.role;
  if (out.role > STREAMR_ROLE_ORIGIN) return invalid("role is one of STREAMR_ROLE_*");
  if ((from.flags & ~known_flags) != 0) return invalid("flags holds a bit that this library does not know");
  out.flags = from.flags;
  out.name = text_of(from.name);
  out.software = from.software ? from.software : std::string("libstreamr/") + streamr_version();
  if (out.name.size() > name_bytes || out.software.size() > name_bytes)
    return invalid("name and software have at most 64 octets each");
  if (from.capacity_kbps) out.capacity_kbps = from.capacity_kbps;
  if (from.memory_bytes_kib) out.memory_bytes = std::uint64_t{from.memory_bytes_kib} * 1024;
  out.upload_kbps = from.upload_kbps;
  out.max_viewers = from.max_viewers;
  if (from.coordinator_key) out.coordinator_key = fixed_from<Key>(from.coordinator_key);
  if (out.coordinator_key && !crypto::is_sound_key(*out.coordinator_key))
    return invalid("coordinator_key is not an Ed25519 public key");
  out.serves_http = from.listen != nullptr;
  return {};
}

}  // namespace

Result<std::shared_ptr<NodeHost>> NodeHost::create(const streamr_node_options_t& from) {
  auto identity = identity_of(from);
  if (!identity) return identity.error();
  io::RuntimeOptions options{.node = {},
                             .identity = *identity,
                             .listen = {},
                             .state_dir = text_of(from.state_dir),
                             .host_loop = false,
                             .server = {},
                             .dialer = {},
                             .on_event = {}};
  if (auto read = read_node(from, options.node); !read) return read.error();
  if (auto read = read_addresses(from, options); !read) return read.error();
  if (auto read = read_serving(from, options); !read) return read.error();
  options.host_loop = (from.flags & STREAMR_NODE_HOST_LOOP) != 0;
  return std::shared_ptr<NodeHost>(new NodeHost(std::move(options), from));
}

NodeHost::NodeHost(io::RuntimeOptions options, const streamr_node_options_t& from)
    : public_key_(options.identity.public_key()),
      host_loop_(options.host_loop),
      ledger_(options.server.ledger),
      limits_(limits_of(from)),
      events_(from.event_queue ? from.event_queue : default_events, from.wakeup, from.user),
      runtime_([&] {
        options.on_event = [this](core::NodeEvent event) { on_event(std::move(event)); };
        return std::move(options);
      }()) {}

Status NodeHost::start() {
  if (started_.exchange(true)) return fail(STREAMR_E_STATE, "this node was started before");
  auto begun = runtime_.start();
  if (!begun) events_.close();
  if (begun && host_loop_) runtime_.host_watch(events_.fd());
  return begun;
}

streamr_status_t NodeHost::stop(std::uint32_t deadline_ms) {
  if (!runtime_.running()) return STREAMR_E_STATE;
  const bool graceful = runtime_.stop(deadline_ms);
  core::NodeEvent last;
  last.kind = STREAMR_EVENT_STOPPED;
  last.time_us = io::read_clocks().unix_us;
  events_.push(std::move(last));
  events_.close();
  return graceful ? STREAMR_OK : STREAMR_E_TIMEOUT;
}

Status NodeHost::set_limits(const streamr_limits_t& wanted) {
  if (wanted.reserved != 0) return invalid("reserved is 0 in streamr_limits_t");
  const std::lock_guard lock(limits_mutex_);
  const streamr_limits_t limits = with_defaults(wanted);
  const core::NodeLimits node{limits.upload_kbps, limits.max_viewers, std::uint64_t{limits.memory_kib} * 1024};
  const auto changed = run([&](core::Node& core, Now now) { return core.set_limits(node, now); });
  if (!changed) return changed;
  ledger_->set_limits({limits.http_per_address, limits.websockets_per_address, limits.max_connections});
  limits_ = limits;
  return {};
}

streamr_limits_t NodeHost::limits() const {
  const std::lock_guard lock(limits_mutex_);
  return limits_;
}

std::int32_t NodeHost::fd() const {
  if (!host_loop_) return events_.fd();
  return runtime_.host_fd() >= 0 ? runtime_.host_fd() : STREAMR_E_STATE;
}

Status NodeHost::run(std::function<Status(core::Node&, Now)> work) {
  Status result;
  auto called = runtime_.call([&](core::Node& node, Now now) {
    result = work(node, now);
    told_writable();
  });
  return called ? result : called;
}

void NodeHost::told_writable() {
  if (!writable_wanted_.exchange(false)) return;
  core::NodeEvent event;
  event.kind = STREAMR_EVENT_WRITABLE;
  event.time_us = io::read_clocks().unix_us;
  on_event(std::move(event));
}

void NodeHost::on_event(core::NodeEvent event) {
  if (events_.push(std::move(event))) runtime_.post([](core::Node& node, Now) { node.set_event_backpressure(true); });
}

// ---- handles

void NodeHost::watched(core::WatchId id, streamr_subscription_t* handle) {
  const std::lock_guard lock(handles_mutex_);
  watches_[id] = handle;
}

void NodeHost::unwatched(core::WatchId id) {
  const std::lock_guard lock(handles_mutex_);
  watches_.erase(id);
}

void NodeHost::published(core::PublicationId id, streamr_publication_t* handle) {
  const std::lock_guard lock(handles_mutex_);
  publications_[id] = handle;
}

void NodeHost::unpublished(core::PublicationId id) {
  const std::lock_guard lock(handles_mutex_);
  publications_.erase(id);
}

// ---- events

std::optional<core::NodeEvent> NodeHost::next(std::uint32_t timeout_ms) {
  bool relieved = false;
  auto event = events_.pop(timeout_ms, relieved);
  if (relieved) runtime_.post([](core::Node& node, Now) { node.set_event_backpressure(false); });
  return event;
}

streamr_status_t NodeHost::poll(streamr_event_t* out, std::uint32_t timeout_ms) {
  const std::uint64_t until = timeout_ms == UINT32_MAX ? UINT64_MAX : io::read_clocks().mono_us + ms_to_us(timeout_ms);
  for (;;) {
    const std::uint64_t now = io::read_clocks().mono_us;
    const std::uint64_t left_ms = until == UINT64_MAX ? UINT32_MAX : until <= now ? 0 : (until - now + 999) / 1000;
    auto event = next(host_loop_ ? 0 : static_cast<std::uint32_t>(left_ms));
    if (event) {
      streamr_event_t filled{};
      if (!fill(*event, filled)) continue;  // its subscription was closed meanwhile
      const auto status = write_struct(filled, out);
      if (status != STREAMR_OK) streamr_blob_release(filled.blob);
      return status;
    }
    if (!runtime_.running()) return STREAMR_E_STATE;
    if (left_ms == 0) return STREAMR_E_AGAIN;
    if (!host_loop_) continue;
    pollfd ready{runtime_.host_fd(), POLLIN, 0};
    const int timer_ms = runtime_.host_timeout_ms();
    const auto wait_ms = std::min<std::uint64_t>(left_ms, timer_ms < 0 ? 1000u : static_cast<std::uint64_t>(timer_ms));
    ::poll(&ready, 1, static_cast<int>(wait_ms));
    if (auto ran = runtime_.host_run(); !ran) return ran.error().status;
  }
}

// False: the event belongs to a handle that is gone.
bool NodeHost::name_handles(const core::NodeEvent& from, streamr_event_t& out) {
  const std::lock_guard lock(handles_mutex_);
  const auto watch = watches_.find(from.watch);
  const auto publication = publications_.find(from.publication);
  if (from.watch != 0 && watch == watches_.end()) return false;
  if (from.publication != 0 && publication == publications_.end()) return false;
  if (from.watch != 0) out.subscription = watch->second;
  if (from.publication != 0) out.publication = publication->second;
  return true;
}

bool NodeHost::fill(const core::NodeEvent& from, streamr_event_t& out) {
  if (!name_handles(from, out)) return false;
  out.struct_size = sizeof out;
  out.kind = from.kind;
  out.value = from.value;
  out.time_us = from.time_us;
  out.latency_us = from.latency_us;
  out.bytes = from.bytes;
  out.duration_us = from.duration_us;
  out.role = from.role;
  copy_out(from.stream, out.stream_id);
  out.header.struct_size = sizeof out.header;
  std::size_t size = std::min(from.text.size(), sizeof out.text - 1);
  while (size > 0 && size < from.text.size() && (from.text[size] & 0xC0) == 0x80) --size;  // never half a character
  std::memcpy(out.text, from.text.data(), size);
  if (!from.chunk) return true;
  out.header = to_fields(from.chunk->header());
  auto blob = std::make_unique<streamr_blob>();
  blob->bytes = from.chunk->payload();
  out.blob = blob.release();
  return true;
}

}  // namespace streamr::capi
