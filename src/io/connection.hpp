// Decides the life of one accepted socket: HTTP requests one after the other, or a WebSocket after its handshake, with
// every time limit of both. Never decides what is answered and never counts addresses. Runs on the loop's thread only.
// Called by server, which owns it, and by libuv.
#pragma once

#include <uv.h>

#include <memory>
#include <string>
#include <vector>

#include "core/http.hpp"
#include "io/http_parser.hpp"
#include "io/out_queue.hpp"
#include "io/ws_receiver.hpp"

namespace streamr::io {

class Server;

class Connection final : OutQueue::Owner, WsReceiver::Sink {
 public:
  explicit Connection(Server& server);
  ~Connection() override;

  uv_tcp_t* socket() { return &socket_; }
  // The socket was accepted and tuned; `admitted` false answers 503.
  void start(std::string peer_address, bool admitted);

  void send(const std::vector<SharedBytes>& pieces);
  void close_politely();  // close frame, then linger
  void reply(core::HttpResponse response);
  void pieces(const std::vector<SharedBytes>& pieces, bool end);
  void flush();
  void on_tick(std::uint64_t now_ms);
  void close_now(const std::string& why);
  bool busy() const {
    return state_ != State::closed && (state_ == State::websocket || state_ == State::lingering || !out_.empty());
  }

 private:
  // reading: between and inside requests · answering: one request is with the handler · websocket · lingering: all is
  // said, what still comes is read and discarded · closed: waits for libuv to let the socket go
  enum class State : std::uint8_t { reading, answering, websocket, lingering, closed };

  void on_read(ssize_t count, const char* data);
  void take_http(ByteView bytes);
  void take_websocket(ByteView bytes);
  void on_request();
  void upgrade();
  void refuse(const HttpRefusal& refusal);
  void answer_done();
  void linger();
  void set_reading(bool wanted);
  void send_control(std::uint8_t first_octet, ByteVector payload);
  void queued();
  void end_link(const std::string& why);
  void tick_reading(std::uint64_t now_ms);
  void tick_websocket(std::uint64_t now_ms);

  void on_write_done(int error) override;
  void on_ws_message(SharedBytes message) override;
  void on_ws_text() override;
  void on_ws_oversized() override;
  void on_ws_ping(ByteView payload) override;
  void on_ws_pong() override {}
  void on_ws_close(std::uint16_t code) override;
  bool ws_wanted() const override { return state_ == State::websocket; }

  Server& server_;
  uv_tcp_t socket_{};
  OutQueue out_;
  std::string peer_address_;
  State state_ = State::reading;
  bool reading_ = false;
  bool counted_ = false;
  bool peer_ended_ = false;
  bool answered_ = false;  // at least once: from then on the idle limit counts
  bool close_after_answer_ = false;
  bool chunked_ = false;   // the answer under way is sent in chunks
  bool bodiless_ = false;  // HEAD, 204, 304
  HttpParser parser_;
  ByteVector waiting_;  // octets that came while a request was being answered
  HttpId exchange_ = 0;
  std::unique_ptr<WsReceiver> receiver_;
  LinkId link_ = 0;
  bool shutdown_sent_ = false;
  uv_shutdown_t shutdown_{};
  // clocks, all in loop milliseconds
  std::uint64_t state_since_ms_ = 0;  // of reading: when the first octet of a request came, else the last answer
  std::uint64_t last_heard_ms_ = 0;
  std::uint64_t last_ping_ms_ = 0;
  std::uint64_t last_progress_ms_ = 0;
  std::uint64_t last_outstanding_ = 0;
};

}  // namespace streamr::io
