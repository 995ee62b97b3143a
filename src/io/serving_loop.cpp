#include "io/serving_loop.hpp"

#include <csignal>

#include "base/overloaded.hpp"
#include "io/system.hpp"

namespace streamr::io {
namespace {

std::uint64_t bytes_of(const std::vector<SharedBytes>& pieces) {
  std::uint64_t bytes = 0;
  for (const auto& piece : pieces) bytes += piece.size();
  return bytes;
}

}  // namespace

ServingLoop::ServingLoop(ServerOptions options, std::function<void()> told)
    : options_(std::move(options)), told_(std::move(told)) {}

ServingLoop::~ServingLoop() {
  if (thread_.joinable()) {
    post({LoopCloseAll{}});
    thread_.join();
  }
  release();
}

Status ServingLoop::start(const HostPort& address) {
  if (const int error = uv_loop_init(&loop_); error != 0)
    return fail(STREAMR_E_IO, std::string("no event loop: ") + uv_strerror(error));
  loop_open_ = true;
  uv_async_init(&loop_, &wake_, [](uv_async_t*) {});
  uv_prepare_init(&loop_, &before_sleep_);
  before_sleep_.data = this;
  uv_prepare_start(&before_sleep_, [](uv_prepare_t* handle) { static_cast<ServingLoop*>(handle->data)->pump(); });
  sockets_ = std::make_unique<TransportLoop>(&loop_);
  if (const int error = sockets_->poller.open(); error != 0)
    return fail(STREAMR_E_IO, std::string("no event loop: ") + uv_strerror(error));
  server_ = std::make_unique<Server>(&loop_, *sockets_, static_cast<Handler&>(*this), options_);
  if (auto bound = server_->listen(address); !bound) return bound;
  ended_ = false;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return {};
}

void ServingLoop::post(std::vector<LoopCommand> commands) {
  if (commands_.put(std::move(commands)) && loop_open_) uv_async_send(&wake_);
}

core::HttpServed ServingLoop::take_served() {
  core::HttpServed sum;
  for (const auto& one : served_.take()) sum += one;
  return sum;
}

void ServingLoop::run() {
  uv_run(&loop_, UV_RUN_DEFAULT);
  ended_.store(true, std::memory_order_release);
  told_();
}

void ServingLoop::pump() {
  for (auto& batch : commands_.take())
    for (auto& command : batch) act(command);
  if (closing_) return;
  while (server_->flush()) {
  }
  busy_.store(server_->busy(), std::memory_order_relaxed);
  tell_figures();
  if (told_next_.empty()) return;
  if (events_.put(std::exchange(told_next_, {}))) told_();
}

void ServingLoop::tell_figures() {
  const auto share = load_.measure(read_clocks().mono_us);
  if (!share) return;
  busy_permille_.store(*share, std::memory_order_relaxed);
  const auto served = server_->take_served();
  if (served.any() && served_.put(served)) told_();
}

void ServingLoop::act(LoopCommand& command) {
  std::visit(Overloaded{
                 [&](LoopSend& send) {
                   if (const auto found = traffic_.find(send.number); found != traffic_.end())
                     found->second.handed_bytes += bytes_of(send.pieces);
                   server_->send(send.number, send.pieces);
                 },
                 [&](LoopCloseLink& close) { server_->close_link(close.number); },
                 [&](LoopReply& reply) { server_->reply(reply.id, std::move(reply.response)); },
                 [&](LoopPieces& more) { server_->pieces(more.id, more.pieces, more.end); },
                 [&](LoopTaken& told) { taken(told.number, told.taken); },
                 [&](LoopStopListening&) { server_->stop_listening(); },
                 [&](LoopCloseAll&) { close_all(); },
             },
             command);
}

void ServingLoop::close_all() {
  if (std::exchange(closing_, true)) return;
  server_->close_all();
  sockets_->poller.close();
  uv_close(reinterpret_cast<uv_handle_t*>(&before_sleep_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&wake_), nullptr);
}

// After its thread ended, or where it never began.
void ServingLoop::release() {
  if (!loop_open_) return;
  if (!closing_ && sockets_ && server_) {
    close_all();
    uv_run(&loop_, UV_RUN_DEFAULT);
  }
  server_.reset();
  sockets_.reset();
  uv_loop_close(&loop_);
  loop_open_ = false;
}

// ---- what its sockets tell

LinkId ServingLoop::on_accepted(const std::string& peer_address) {
  const LinkId number = ++last_number_;
  traffic_[number] = {};
  told_next_.push_back(LoopAccepted{number, peer_address});
  return number;
}
void ServingLoop::on_message(LinkId link, const SharedBytes& message) {
  Ahead& ahead = traffic_[link].ahead;
  ahead.add(message.size());
  if (ahead.full()) server_->hold(link, true);
  told_next_.push_back(LoopMessage{link, message});
}
void ServingLoop::taken(LinkId link, const Ahead& taken) {
  const auto found = traffic_.find(link);
  if (found == traffic_.end()) return;
  Ahead& ahead = found->second.ahead;
  ahead.messages -= taken.messages;
  ahead.bytes -= taken.bytes;
  if (!ahead.full()) server_->hold(link, false);
}
void ServingLoop::on_text_message(LinkId link) {
  told_next_.push_back(LoopTextMessage{link});
}
void ServingLoop::on_oversized_message(LinkId link) {
  told_next_.push_back(LoopOversizedMessage{link});
}
void ServingLoop::on_closed(LinkId link, const std::string& why) {
  traffic_.erase(link);
  told_next_.push_back(LoopClosed{link, why});
}
void ServingLoop::on_sent(LinkId link, std::uint64_t outstanding_bytes) {
  const auto found = traffic_.find(link);
  if (found == traffic_.end()) return;
  const std::uint64_t handed = found->second.handed_bytes;
  told_next_.push_back(LoopSent{link, handed - std::min(handed, outstanding_bytes)});
}
void ServingLoop::on_http(const core::HttpRequest& request) {
  told_next_.push_back(LoopRequest{request});
}
void ServingLoop::on_http_closed(HttpId id) {
  told_next_.push_back(LoopRequestClosed{id});
}

}  // namespace streamr::io
