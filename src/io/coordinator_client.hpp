// Decides how the coordinator is asked over HTTP(S): libcurl's multi interface on the node's own loop.
// Never follows a redirect, never takes more than the call allows, never retries (the core decides). Loop's thread
// only. Called by runtime.
#pragma once

#include <uv.h>

#include <memory>
#include <unordered_map>

#include "core/presence.hpp"
#include "io/handler.hpp"

namespace streamr::io {

class CoordinatorClient {
 public:
  CoordinatorClient(uv_loop_t* loop, Handler& handler);
  ~CoordinatorClient();
  CoordinatorClient(const CoordinatorClient&) = delete;
  CoordinatorClient& operator=(const CoordinatorClient&) = delete;

  // Answered by on_http_answer, exactly once, not before this returns.
  void call(core::HttpCall call);
  // Drops what is under way; idle() follows after some turns of the loop.
  void close_all();
  bool idle() const { return !timer_open_ && polls_ == 0; }

 private:
  struct Call;
  struct Poll;
  void on_socket(void* easy, int socket, int what, Poll* poll);
  void on_activity(int socket, int flags);
  void collect();
  void finish(Call& call, int code);

  uv_loop_t* loop_;
  Handler& handler_;
  void* multi_ = nullptr;  // CURLM*
  uv_timer_t timer_{};
  bool timer_open_ = false;
  bool closing_ = false;
  std::size_t polls_ = 0;
  std::unordered_map<void*, std::unique_ptr<Call>> calls_;
};

}  // namespace streamr::io
