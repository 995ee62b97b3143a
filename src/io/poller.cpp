#include "io/poller.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace streamr::io {
namespace {

constexpr int events_a_turn = 256;

}  // namespace

Poller::Poller(uv_loop_t* loop) : loop_(loop) {}

Poller::~Poller() {
  if (epoll_ >= 0) ::close(epoll_);
}

int Poller::open() {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) return uv_translate_sys_error(errno);
  uv_idle_init(loop_, &awake_);
  awake_.data = this;
  idle_open_ = true;
  if (const int error = uv_poll_init(loop_, &poll_, epoll_); error != 0) return error;
  poll_.data = this;
  poll_open_ = true;
  return uv_poll_start(&poll_, UV_READABLE,
                       [](uv_poll_t* handle, int, int) { static_cast<Poller*>(handle->data)->turn(); });
}

int Poller::add(int fd, Watcher& watcher) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &watcher;
  return epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : uv_translate_sys_error(errno);
}

void Poller::remove(int fd, Watcher& watcher) {
  epoll_event unused{};
  epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, &unused);
  std::replace(batch_.begin(), batch_.end(), &watcher, static_cast<Watcher*>(nullptr));
  if (!watcher.again_) return;
  std::replace(again_.begin(), again_.end(), &watcher, static_cast<Watcher*>(nullptr));
  std::replace(again_now_.begin(), again_now_.end(), &watcher, static_cast<Watcher*>(nullptr));
}

void Poller::again(Watcher& watcher) {
  if (watcher.again_) return;
  watcher.again_ = true;
  again_.push_back(&watcher);
  if (idle_open_ && !uv_is_closing(reinterpret_cast<uv_handle_t*>(&awake_)))
    uv_idle_start(&awake_, [](uv_idle_t* handle) { static_cast<Poller*>(handle->data)->turn_again(); });
}

void Poller::turn() {
  std::array<epoll_event, events_a_turn> events;
  const int count = epoll_wait(epoll_, events.data(), events_a_turn, 0);
  if (count <= 0) return;
  batch_.resize(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < batch_.size(); ++i) batch_[i] = static_cast<Watcher*>(events[i].data.ptr);
  for (std::size_t i = 0; i < batch_.size(); ++i)
    if (batch_[i] != nullptr) batch_[i]->on_ready(events[i].events);
  batch_.clear();
}

void Poller::turn_again() {
  again_now_.swap(again_);
  for (std::size_t i = 0; i < again_now_.size(); ++i) {
    Watcher* const watcher = again_now_[i];
    if (watcher == nullptr) continue;
    watcher->again_ = false;
    watcher->on_ready(EPOLLIN);
  }
  again_now_.clear();
  if (again_.empty()) uv_idle_stop(&awake_);
}

void Poller::close() {
  if (poll_open_ && !uv_is_closing(reinterpret_cast<uv_handle_t*>(&poll_)))
    uv_close(reinterpret_cast<uv_handle_t*>(&poll_),
             [](uv_handle_t* handle) { static_cast<Poller*>(handle->data)->poll_open_ = false; });
  if (idle_open_ && !uv_is_closing(reinterpret_cast<uv_handle_t*>(&awake_)))
    uv_close(reinterpret_cast<uv_handle_t*>(&awake_),
             [](uv_handle_t* handle) { static_cast<Poller*>(handle->data)->idle_open_ = false; });
}

}  // namespace streamr::io
