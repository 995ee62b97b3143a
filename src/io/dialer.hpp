// Decides how a node dials other relays: WebSocket over TCP or TLS with libwebsockets on the loop that the node has
// already. Never redials (the core says when) and never blocks: names are resolved beside the loop. Runs on the loop's
// thread only. Called by runtime.
#pragma once

#include <uv.h>

#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/address.hpp"
#include "io/handler.hpp"

struct lws;
struct lws_context;
struct lws_vhost;

namespace streamr::io {

struct DialerOptions {
  std::uint64_t connect_within_ms = 5'000;
  std::uint64_t close_within_ms = 2'000;
  std::uint64_t queue_bytes = 8 * 1024 * 1024;
  int kernel_unsent_bytes = 128 * 1024;
};

class Dialer {
 public:
  Dialer(uv_loop_t* loop, Handler& handler, DialerOptions options = {});
  ~Dialer();
  Dialer(const Dialer&) = delete;
  Dialer& operator=(const Dialer&) = delete;

  // Answered by on_dialed or on_closed; a bad address is told before this returns.
  void dial(LinkId link, const std::string& url);
  bool owns(LinkId link) const { return links_.contains(link); }
  void send(LinkId link, const std::vector<SharedBytes>& pieces);
  void close_link(LinkId link);

  // Hands what was queued to the sockets and reports on_sent. False: there was nothing to do.
  bool flush();

  // Closes all without good-bye; idle() follows after some turns of the loop.
  void close_all();
  bool idle() const { return !context_ && !timer_open_ && lookups_ == 0 && watches_open_ == 0; }
  std::size_t link_count() const { return links_.size(); }

  struct Link;
  // For the library's callback.
  int on_event(lws* socket, int reason, void* in, std::size_t size);

 private:
  struct Lookup;
  struct Watch;
  bool open_context();
  lws_vhost* vhost(bool tls);
  void look_up(LinkId link, const char* host);
  void connect(LinkId link, const std::string& address);
  void end(LinkId link, const std::string& why);
  void kill(LinkId link, const std::string& why);
  void on_tick();
  void turn();
  void watch(Link& link);
  void unwatch(LinkId link);
  int on_receive(lws* socket, Link& link, const std::uint8_t* octets, std::size_t size);
  int on_writable(lws* socket, Link& link);

  uv_loop_t* loop_;
  Handler& handler_;
  DialerOptions options_;
  lws_context* context_ = nullptr;  // opened by the first dial; the library sets it to null when it is gone
  lws_vhost* plain_ = nullptr;
  lws_vhost* secure_ = nullptr;
  bool closing_ = false;
  uv_timer_t timer_{};
  bool timer_open_ = false;
  std::size_t lookups_ = 0;
  std::unordered_map<LinkId, std::unique_ptr<Link>> links_;
  std::unordered_map<LinkId, Watch*> watches_;  // may outlive their link, until the library let the socket go
  std::size_t watches_open_ = 0;
  bool dirty_ = false;
  bool turning_ = false;
};

}  // namespace streamr::io
