// Decides how a node dials other relays: names, addresses in turn, TCP or TLS, the WebSocket handshake, its time limits
// and its silence. Never redials (the core says when) and never blocks: names are resolved beside the loop. Runs on the
// loop's thread only. Called by runtime.
#pragma once

#include <uv.h>

#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/address.hpp"
#include "io/handler.hpp"
#include "io/tls_context.hpp"
#include "io/transport.hpp"
#include "io/ws_frame.hpp"

namespace streamr::io {

struct DialerOptions {
  std::uint64_t connect_within_ms = 5'000;  // from dial() to the open WebSocket
  std::uint64_t next_address_ms = 1'000;    // then another address of the same name is tried
  std::uint64_t close_within_ms = 2'000;
  std::uint64_t ping_after_ms = 10'000;  // nothing was heard for so long
  std::uint64_t silence_ms = limits::silence_us / 1000;
  std::uint64_t queue_bytes = 8 * 1024 * 1024;
  int kernel_unsent_bytes = 128 * 1024;
  std::string extra_authorities;  // a PEM file, trusted for wss beside the system's
};

class Dialer {
 public:
  Dialer(uv_loop_t* loop, TransportLoop& sockets, Handler& handler, DialerOptions options = {});
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
  bool idle() const { return links_.empty() && !timer_open_ && lookups_ == 0; }
  std::size_t link_count() const { return links_.size(); }

 private:
  struct Link;
  struct Lookup;

  void look_up(Link& link);
  void connect_next(Link& link);
  int open_socket(Link& link, const sockaddr_storage& address);
  bool start_tls(Link& link);
  void opened(Link& link);
  SharedBytes frame(std::uint8_t first_octet, std::span<const SharedBytes> pieces);
  void mark_dirty(Link& link);
  void flush_link(Link& link);
  void on_tick();
  void tick(Link& link, std::uint64_t now_ms);
  void end(LinkId id, const std::string& why);
  std::uint64_t now_ms() const { return uv_now(loop_); }

  uv_loop_t* loop_;
  TransportLoop& sockets_;
  Handler& handler_;
  DialerOptions options_;
  TlsContext tls_;  // made by the first wss
  bool closing_ = false;
  uv_timer_t timer_{};
  bool timer_open_ = false;
  std::size_t lookups_ = 0;
  std::unordered_map<LinkId, std::unique_ptr<Link>> links_;
  std::vector<std::unique_ptr<Link>> gone_;  // freed when nobody can stand in their code any more
  std::vector<LinkId> dirty_;
  std::array<WsMask, 64> masks_{};  // unpredictable, drawn together, each used once
  std::size_t masks_left_ = 0;
};

}  // namespace streamr::io
