// How other threads, or a host that drives the loop itself, reach a running node.
#if defined(__linux__)
#include <sys/epoll.h>
#endif
#include <unistd.h>

#include "io/runtime.hpp"
#include "io/sigpipe.hpp"
#include "io/system.hpp"

namespace streamr::io {
namespace {

constexpr std::size_t commands_waiting = 1024;

}  // namespace

bool Runtime::enqueue(Work work, std::size_t limit) {
  const bool queued = commands_.push(
      [this, work = std::move(work)] {
        if (phase_ < Phase::closing) work(*node_, read_clocks());
      },
      limit);
  if (queued) uv_async_send(&wake_);
  return queued;
}

void Runtime::post(Work work) {
  if (running_) enqueue(std::move(work), SIZE_MAX);
}

Status Runtime::call(Work work) {
  if (!running_) return fail(STREAMR_E_STATE, "the node does not run");
  if (on_loop_thread()) {
    work(*node_, read_clocks());
    uv_async_send(&wake_);
    return {};
  }
  auto told = std::make_shared<std::promise<bool>>();
  auto done = told->get_future();
  auto run = [work = std::move(work), told = std::move(told)](core::Node& node, Now now) {
    work(node, now);
    told->set_value(true);
  };
  if (!enqueue(std::move(run), commands_waiting))
    return fail(STREAMR_E_AGAIN, "the command queue is full; try again later");
  const auto stopped = [] { return fail(STREAMR_E_STATE, "the node was stopped"); };
  // Where the loop ended before the command came, nobody will answer.
  while (done.wait_for(std::chrono::milliseconds(50)) != std::future_status::ready)
    if (over_ && done.wait_for(std::chrono::seconds(0)) != std::future_status::ready) return stopped();
  try {
    done.get();
  } catch (const std::future_error&) {
    return stopped();  // the loop gave the command up
  }
  return {};
}

// ---- host loop

void Runtime::open_host_fd() {
#if defined(__linux__)
  host_fd_ = epoll_create1(EPOLL_CLOEXEC);
  host_watch(uv_backend_fd(&loop_));
#else
  host_fd_ = dup(uv_backend_fd(&loop_));
#endif
}

void Runtime::host_watch(int also) {
#if defined(__linux__)
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = also;
  epoll_ctl(host_fd_, EPOLL_CTL_ADD, also, &event);
#else
  (void)also;
#endif
}

int Runtime::host_timeout_ms() {
  if (!running_ || !options_.host_loop) return -1;
  uv_update_time(&loop_);
  return uv_backend_timeout(&loop_);
}

Status Runtime::host_run() {
  if (!running_ || !options_.host_loop) return fail(STREAMR_E_STATE, "the node is not driven by the host");
  const SigpipeBlocked quiet;
  loop_thread_ = std::this_thread::get_id();
  uv_run(&loop_, UV_RUN_NOWAIT);
  uv_run(&loop_, UV_RUN_NOWAIT);  // pumps what came in, and registers new sockets with the descriptor
  return {};
}

}  // namespace streamr::io
