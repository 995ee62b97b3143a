#include "io/runtime.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "base/overloaded.hpp"
#include "io/sigpipe.hpp"
#include "io/system.hpp"

namespace streamr::io {
namespace {

constexpr int rounds_a_turn = 64;                   // then the sockets have their turn again
constexpr std::uint32_t patient_stop_ms = 2'000;
constexpr std::uint64_t longest_drain_us = 1'000'000;
constexpr std::uint64_t force_before_us = 100'000;  // what closing by force is given out of the deadline

// An address that others can use where the socket listens on all: the first one that is not loopback.
std::string reachable_host(const std::string& host) {
  if (host != "0.0.0.0" && host != "::") return host;
  uv_interface_address_t* found = nullptr;
  int count = 0;
  std::string out = "127.0.0.1";
  if (uv_interface_addresses(&found, &count) != 0) return out;
  for (int i = 0; i < count; ++i) {
    if (found[i].is_internal || found[i].address.address4.sin_family != AF_INET) continue;
    out = numeric_host(reinterpret_cast<const sockaddr*>(&found[i].address));
    break;
  }
  uv_free_interface_addresses(found, count);
  return out;
}

}  // namespace

Runtime::Runtime(RuntimeOptions options) : options_(std::move(options)), closed_told_(closed_.get_future()) {}

Runtime::~Runtime() {
  if (running_) stop(1000);
  release();
}

Status Runtime::start() {
  if (running_ || over_) return fail(STREAMR_E_STATE, "this node was started before");
  if (auto opened = open(); !opened) {
    if (loop_open_) begin_closing();
    if (loop_open_) turn_until_closed(read_clocks().mono_us + s_to_us(2));
    release();
    return opened;
  }
  running_ = true;
  if (options_.host_loop) {
    loop_thread_ = std::this_thread::get_id();
    open_host_fd();
    node_->start(read_clocks());
    uv_async_send(&wake_);
    return {};
  }
  // The host's signals are the host's: this thread takes none, and SIGPIPE from a library reaches nobody.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run_thread(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return {};
}

Status Runtime::open() {
  if (const int error = uv_loop_init(&loop_); error != 0)
    return fail(STREAMR_E_IO, std::string("no event loop: ") + uv_strerror(error));
  loop_open_ = true;
  uv_async_init(&loop_, &wake_, [](uv_async_t*) {});
  uv_prepare_init(&loop_, &before_sleep_);
  uv_timer_init(&loop_, &timer_);
  own_handles_ = 2;
  before_sleep_.data = timer_.data = this;
  uv_prepare_start(&before_sleep_, [](uv_prepare_t* handle) { static_cast<Runtime*>(handle->data)->pump(); });
  Handler& handler = *this;
  sockets_ = std::make_unique<TransportLoop>(&loop_);
  if (const int error = sockets_->poller.open(); error != 0)
    return fail(STREAMR_E_IO, std::string("no event loop: ") + uv_strerror(error));
  server_ = std::make_unique<ServingGroup>(&loop_, *sockets_, handler, options_.server, std::max(1u, options_.loops),
                                           [this] { uv_async_send(&wake_); });
  dialer_ = std::make_unique<Dialer>(&loop_, *sockets_, handler, options_.dialer);
  coordinator_ = std::make_unique<CoordinatorClient>(&loop_, handler);
  state_ = std::make_unique<StateDir>(&loop_, options_.state_dir);

  auto facts = state_->load();
  if (!facts) return facts.error();
  options_.node.state = std::move(*facts);
  std::array<std::uint8_t, 8> seed{};
  if (!fill_random(seed) || !fill_random(options_.node.boot_id))
    return fail(STREAMR_E_IO, "the system has no randomness to give");
  options_.node.seed = load_u64(seed.data());
  if (options_.listen) {
    if (auto bound = server_->listen(*options_.listen); !bound) return bound;
    listening_ = server_->listening();
  }
  if (options_.listen) memory_ = MemoryFile::open();
  options_.node.buffers = memory_.get();
  node_ = std::make_unique<core::Node>(options_.node, options_.identity);
  if (listening_) node_->set_listening(advertised());
  return {};
}

std::string Runtime::advertised() const {
  if (!options_.node.advertise_url.empty()) return options_.node.advertise_url;
  return (options_.server.tls ? "wss://" : "ws://") + format_host_port(reachable_host(listening_->host), listening_->port) + "/relay";
}

void Runtime::run_thread() {
  loop_thread_ = std::this_thread::get_id();
  node_->start(read_clocks());
  while (phase_ != Phase::closed) {
    uv_run(&loop_, UV_RUN_ONCE);
    if (phase_ == Phase::closing && all_closed()) phase_ = Phase::closed;
  }
  commands_.run_all();  // gives up each of them: their callers are told
  over_ = true;
  closed_.set_value();
}

// ---- one turn

void Runtime::pump() {
  if (phase_ >= Phase::closing) return;
  int rounds = 0;
  for (bool more = true; more && rounds < rounds_a_turn; ++rounds) {
    commands_.run_all();
    server_->take_in();
    if (phase_ >= Phase::closing) return;
    const Now now = read_clocks();
    if (rounds == 0) tell_figures(now);
    if (node_->deadline_us() <= now.mono_us && rounds == 0) node_->on_time(now);
    more = false;
    while (auto action = node_->poll(now)) {
      act(*action);
      more = true;
    }
    flush_sending();
    if (server_->flush()) more = true;
    if (dialer_->flush()) more = true;
  }
  advance_phase();
  if (phase_ < Phase::closing) arm_timer();
}

// The node says all that it has for one peer before it comes to the next: it leaves while the node thinks of that one.
void Runtime::send(core::SendMessage& message) {
  if (message.link != sending_) flush_sending();
  if (!server_->owns(message.link)) return dialer_->send(message.link, message.pieces);
  sending_ = message.link;
  server_->send(message.link, message.pieces);
}

void Runtime::flush_sending() {
  if (sending_ != 0) server_->flush_link(std::exchange(sending_, 0));
}

void Runtime::tell_figures(Now now) {
  const auto share = load_.measure(now.mono_us);
  if (!share) return;
  node_->on_load(std::max(*share, server_->busy_permille()), now);
  if (const auto served = server_->take_served(); served.any()) node_->on_http_served(served, now);
  if (listening_) node_->set_server_stats(server_->stats());
}

void Runtime::act(core::Action& action) {
  const auto to_link = [this](LinkId link, auto&& server, auto&& dialer) { server_->owns(link) ? server() : dialer(); };
  std::visit(Overloaded{
                 [&](core::DialLink& dial) { dialer_->dial(dial.link, dial.url); },
                 [&](core::SendMessage& message) { send(message); },
                 [&](core::CloseLink& close) {
                   to_link(
                       close.link, [&] { server_->close_link(close.link); }, [&] { dialer_->close_link(close.link); });
                 },
                 [&](core::HttpCall& call) { coordinator_->call(std::move(call)); },
                 [&](core::ReplyHttp& reply) { server_->reply(reply.id, std::move(reply.response)); },
                 [&](core::HttpPieces& more) { server_->pieces(more.id, more.pieces, more.end); },
                 [&](core::SaveState& fact) { state_->save(fact.name, fact.value); },
                 [&](core::LogLine&) {},  // a library has no log of its own; what matters is an event
                 [&](core::NodeEvent& event) {
                   if (options_.on_event) options_.on_event(std::move(event));
                 },
             },
             action);
}

void Runtime::arm_timer() {
  const std::uint64_t deadline = node_->deadline_us();
  if (deadline == UINT64_MAX && phase_ == Phase::running) {
    uv_timer_stop(&timer_);
    return;
  }
  const std::uint64_t now = read_clocks().mono_us;
  std::uint64_t wait_ms = deadline <= now ? 0 : std::min<std::uint64_t>((deadline - now + 999) / 1000, 60'000);
  if (phase_ == Phase::draining) wait_ms = std::min<std::uint64_t>(wait_ms, 10);
  uv_update_time(&loop_);
  uv_timer_start(
      &timer_, [](uv_timer_t*) {}, wait_ms, 0);  // waking is enough: the turn that follows pumps
}

Status Runtime::reload_tls() {
  if (!options_.server.tls) return fail(STREAMR_E_STATE, "this node was created without TLS");
  return options_.server.tls->reload();
}

// ---- end

void Runtime::begin_draining() {
  if (phase_ != Phase::running) return;
  phase_ = Phase::draining;
  server_->stop_listening();
  node_->stop(read_clocks(), drain_us_);
}

void Runtime::advance_phase() {
  if (phase_ == Phase::draining && node_->stopped() && server_->busy() == 0 && dialer_->link_count() == 0 &&
      state_->idle())
    begin_closing();
}

void Runtime::begin_closing() {
  if (phase_ >= Phase::closing) return;
  phase_ = Phase::closing;
  if (server_) server_->close_all();
  if (sockets_) sockets_->poller.close();
  if (dialer_) dialer_->close_all();
  if (coordinator_) coordinator_->close_all();
  const auto closed = [](uv_handle_t* handle) { --static_cast<Runtime*>(handle->data)->own_handles_; };
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), closed);
  uv_close(reinterpret_cast<uv_handle_t*>(&before_sleep_), closed);
}

bool Runtime::all_closed() const {
  return own_handles_ == 0 && (!sockets_ || sockets_->poller.idle()) && (!server_ || server_->idle()) && (!dialer_ || dialer_->idle()) &&
         (!coordinator_ || coordinator_->idle()) && (!state_ || state_->idle());
}

bool Runtime::stop(std::uint32_t deadline_ms) {
  const std::uint64_t until = read_clocks().mono_us + ms_to_us(deadline_ms);
  const std::uint64_t force_at = until - std::min(ms_to_us(deadline_ms), force_before_us);
  bool graceful = true;
  // Half of a patient caller's time is for peers to go elsewhere, the rest for good-byes and the last receipts.
  drain_us_ = deadline_ms < patient_stop_ms ? 0 : std::min(ms_to_us(deadline_ms) / 2, longest_drain_us);
  if (options_.host_loop) {
    loop_thread_ = std::this_thread::get_id();
    begin_draining();
    turn_until_closed(force_at);
    if (phase_ != Phase::closed) {
      graceful = phase_ == Phase::closing;
      begin_closing();
      turn_until_closed(UINT64_MAX);
    }
  } else {
    commands_.push([this] { begin_draining(); });
    uv_async_send(&wake_);
    graceful = await_closed(force_at);
    if (!graceful) {
      commands_.push([this] { begin_closing(); });
      uv_async_send(&wake_);
    }
    thread_.join();
  }
  running_ = false;
  over_ = true;
  state_->write_rest();
  return graceful;
}

bool Runtime::await_closed(std::uint64_t until_mono_us) {
  const std::uint64_t now = read_clocks().mono_us;
  if (until_mono_us <= now) return closed_told_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  return closed_told_.wait_for(std::chrono::microseconds(until_mono_us - now)) == std::future_status::ready;
}

// Turns the loop on the calling thread, for hosts that drive it and for a start that failed.
void Runtime::turn_until_closed(std::uint64_t until_mono_us) {
  const SigpipeBlocked quiet;
  while (phase_ != Phase::closed && read_clocks().mono_us < until_mono_us) {
    uv_run(&loop_, UV_RUN_NOWAIT);
    if (phase_ == Phase::closing && all_closed()) {
      phase_ = Phase::closed;
      return;
    }
    if (uv_backend_timeout(&loop_) == 0) continue;
    pollfd ready{uv_backend_fd(&loop_), POLLIN, 0};
    ::poll(&ready, 1, 5);
  }
}

void Runtime::release() {
  over_ = true;
  if (host_fd_ >= 0) ::close(host_fd_);
  host_fd_ = -1;
  if (!loop_open_) return;
  server_.reset();
  dialer_.reset();
  sockets_.reset();
  coordinator_.reset();
  state_.reset();
  node_.reset();
  uv_close(reinterpret_cast<uv_handle_t*>(&wake_), nullptr);
  uv_run(&loop_, UV_RUN_NOWAIT);
  uv_loop_close(&loop_);
  loop_open_ = false;
}

// ---- what sockets tell

LinkId Runtime::on_accepted(const std::string& peer_address) {
  return node_->on_accepted(peer_address, read_clocks());
}
void Runtime::on_dialed(LinkId link) {
  node_->on_dialed(link, read_clocks());
}
void Runtime::on_message(LinkId link, const SharedBytes& message) {
  node_->on_message(link, message, read_clocks());
}
void Runtime::on_text_message(LinkId link) {
  node_->on_text_message(link, read_clocks());
}
void Runtime::on_oversized_message(LinkId link) {
  node_->on_oversized_message(link, read_clocks());
}
void Runtime::on_closed(LinkId link, const std::string& why) {
  node_->on_closed(link, why, read_clocks());
}
void Runtime::on_sent(LinkId link, std::uint64_t outstanding_bytes) {
  node_->on_sent(link, outstanding_bytes, read_clocks());
}
void Runtime::on_http(const core::HttpRequest& request) {
  node_->on_http(request, read_clocks());
}
void Runtime::on_http_closed(HttpId id) {
  node_->on_http_closed(id, read_clocks());
}
void Runtime::on_http_answer(CallId call, int status, std::optional<std::uint32_t> retry_after_s, ByteView body,
                             const std::string& failure) {
  node_->on_http_answer(call, status, retry_after_s, body, failure, read_clocks());
}

}  // namespace streamr::io
