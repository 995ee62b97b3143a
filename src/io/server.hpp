// Decides who may connect to the one listening port (limits an address and in all), and drives every connection's
// clock. Never parses octets; that is connection, which also owns the socket. Runs on the loop's thread only. Called by
// runtime; answers come back through send, reply and pieces.
#pragma once

#include <uv.h>

#include <array>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "core/http.hpp"
#include "io/address.hpp"
#include "io/address_ledger.hpp"
#include "io/answer_table.hpp"
#include "io/handler.hpp"
#include "io/tls_context.hpp"
#include "io/transport.hpp"

namespace streamr::io {

class Connection;

struct ServerOptions {
  std::size_t http_an_address = limits::http_an_address;
  std::size_t websockets_an_address = limits::websockets_an_address;
  std::size_t connections = 8192;
  std::uint64_t header_within_ms = 10'000;
  std::uint64_t body_within_ms = 30'000;
  std::uint64_t idle_ms = 30'000;   // keep-alive without a request
  std::uint64_t stuck_ms = 30'000;  // a reader that takes nothing
  std::uint64_t ping_every_ms = limits::ping_every_us / 1000;
  std::uint64_t silence_ms = limits::silence_us / 1000;
  std::uint64_t linger_ms = 1'000;                        // read and discard before the socket closes
  std::uint64_t websocket_queue_bytes = 4 * 1024 * 1024;  // above it the link is closed; the core keeps far below
  std::uint64_t tick_ms = 250;
  int kernel_send_bytes = 256 * 1024;    // SO_SNDBUF; measured: sendfile costs twice as much with 512 KiB
  int kernel_unsent_bytes = 128 * 1024;  // TCP_NOTSENT_LOWAT: what waits stays here, where it can be dropped
  bool reuse_port = false;               // several loops on one port
  std::shared_ptr<TlsServer> tls;        // null: http and ws; else https and wss, shared by all loops
  HttpId first_http_id = 0;              // loops number their requests apart
  std::shared_ptr<AddressLedger> ledger;  // of all loops of a port; null: an own one with the limits above
};
inline ConnectionLimits limits_of(const ServerOptions& options) {
  return {options.http_an_address, options.websockets_an_address, options.connections};
}

class Server final : Poller::Watcher {
 public:
  Server(uv_loop_t* loop, TransportLoop& sockets, Handler& handler, ServerOptions options = {});
  ~Server() override;
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // INUSE, IO, INVALID. The host may be a name; its first address is taken.
  Status listen(const HostPort& address);
  const HostPort& listening() const { return listening_; }

  bool owns(LinkId link) const { return links_.contains(link); }
  void send(LinkId link, const std::vector<SharedBytes>& pieces);
  void flush_link(LinkId link);  // writes what send queued for this one now
  void close_link(LinkId link);
  void hold(LinkId link, bool wanted);  // while wanted, no further message of this one is read
  void reply(HttpId id, core::HttpResponse response);
  void pieces(HttpId id, const std::vector<SharedBytes>& pieces, bool end);
  // What was answered without the core since the last call.
  core::HttpServed take_served() { return std::exchange(served_, {}); }
  // Writes what send, reply and pieces queued; reports on_sent. False: there was nothing to write.
  bool flush();

  void stop_listening();
  // Closes all sockets without good-bye; idle() follows after some turns of the loop.
  void close_all();
  bool idle() const { return connections_.empty() && listener_ < 0 && !timer_open_; }
  // Connections that still have something to say; held requests and idle ones do not count.
  std::size_t busy() const;
  std::size_t connection_count() const { return connections_.size(); }

 private:
  friend class Connection;
  using Kind = AddressLedger::Kind;

  void on_ready(std::uint32_t events) override;  // somebody connects
  bool take_one();
  bool refuse_for_descriptors();
  void start_ticking();
  void take(int fd);
  void on_tick();
  void tune(int fd) const;
  Status bind(const HostPort& address);
  // What connections tell.
  bool count_up(const std::string& address, Kind kind);
  void count_down(const std::string& address, Kind kind);
  TransportLoop& loop() { return sockets_; }
  void free_gone();
  void mark_dirty(Connection* connection);
  SharedBytes answer_tail_of(bool http_1_1, bool keep_alive);
  void settle(HttpId id, core::HttpResponse response);
  void count_shared(int status, bool media, std::uint64_t bytes, std::uint64_t times);
  void forget(Connection* connection);
  HttpId next_http_id() { return ++last_http_id_; }
  std::uint64_t now_ms() const { return uv_now(loop_); }

  uv_loop_t* loop_;
  TransportLoop& sockets_;
  Handler& handler_;
  ServerOptions options_;
  HostPort listening_;
  int listener_ = -1;
  bool starved_ = false;  // somebody may wait for whom there was no descriptor
  uv_timer_t timer_{};
  bool timer_open_ = false;
  AnswerTable answers_;
  std::array<SharedBytes, 4> tails_;  // of answers in this second
  std::uint64_t tails_of_s_ = UINT64_MAX;
  std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
  std::unordered_map<LinkId, Connection*> links_;
  std::unordered_map<HttpId, Connection*> exchanges_;
  std::vector<Connection*> dirty_;
  std::vector<std::unique_ptr<Connection>> gone_;  // freed when nobody can stand in their code any more
  HttpId last_http_id_ = 0;
  core::HttpServed served_;
};

}  // namespace streamr::io
