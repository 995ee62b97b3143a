// Decides the life of one accepted socket: HTTP requests one after the other, or a WebSocket after its handshake, with
// every time limit of both. Never decides what is answered and never counts addresses. Runs on the loop's thread only.
// Called by server, which owns it, and by its transport.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/http.hpp"
#include "io/answer_table.hpp"
#include "io/http_parser.hpp"
#include "io/transport.hpp"
#include "io/ws_receiver.hpp"

namespace streamr::io {

class Server;

class Connection final : Transport::Owner, WsReceiver::Sink, AnswerTable::Waiter {
 public:
  explicit Connection(Server& server);
  ~Connection() override;

  // Takes an accepted and tuned socket over; `admitted` false answers 503.
  void start(int fd, std::string peer_address, bool admitted);

  void send(const std::vector<SharedBytes>& pieces);
  void close_politely();  // close frame, then linger
  void reply(core::HttpResponse response);
  void pieces(const std::vector<SharedBytes>& pieces, bool end);
  void flush();
  void on_tick(std::uint64_t now_ms);
  void close_now(const std::string& why);
  bool busy() const {
    return state_ != State::closed && (state_ == State::websocket || state_ == State::lingering || !socket_.empty());
  }

 private:
  friend class Server;
  // reading: between and inside requests · answering: one request is with the handler · websocket · lingering: all is
  // said, what still comes is read and discarded · closed: waits for libuv to let the socket go
  enum class State : std::uint8_t { reading, answering, websocket, lingering, closed };

  void take_http(ByteView bytes);
  void take_websocket(ByteView bytes);
  void on_request();
  bool ask_table();
  void send_prepared(const PreparedAnswer& answer);
  void upgrade();
  void refuse(const HttpRefusal& refusal);
  void answer_done();
  void linger();
  void send_control(std::uint8_t first_octet, ByteVector payload);
  void queued();
  void hold(bool wanted);
  void end_link(const std::string& why);
  void tick_reading(std::uint64_t now_ms);
  void tick_websocket(std::uint64_t now_ms);

  void on_octets(ByteView octets) override;
  void on_read_end() override;
  void on_failed(int error) override;
  void on_not_tls() override;
  void on_drained() override { flush(); }
  void on_again() override;
  void on_answer(const PreparedAnswer& answer) override;
  void on_ws_message(SharedBytes message) override;
  void on_ws_text() override;
  void on_ws_oversized() override;
  void on_ws_ping(ByteView payload) override;
  void on_ws_pong() override {}
  void on_ws_close(std::uint16_t code) override;
  bool ws_wanted() const override { return state_ == State::websocket && !held_; }

  Server& server_;
  Transport socket_;
  std::string peer_address_;
  State state_ = State::reading;
  bool counted_ = false;
  bool peer_ended_ = false;
  bool held_ = false;  // the node has enough messages of it ahead
  bool media_leaves_ = false;  // a media answer is on its way to the kernel
  bool answered_ = false;  // at least once: from then on the idle limit counts
  bool close_after_answer_ = false;
  bool chunked_ = false;   // the answer under way is sent in chunks
  bool bodiless_ = false;  // HEAD, 204, 304
  HttpParser parser_;
  ByteVector waiting_;  // octets that came while a request was being answered
  HttpId exchange_ = 0;  // of an answer that the core makes for this connection alone
  AnswerTable::Seat seat_;  // of an answer that several wait for
  std::unique_ptr<WsReceiver> receiver_;
  std::unique_ptr<ByteVector> pong_;  // the newest ping's payload, while the answer to it waits
  LinkId link_ = 0;
  bool shutdown_sent_ = false;
  bool dirty_ = false;  // stands in the server's list of those that have something to flush
  // clocks, all in loop milliseconds
  std::uint64_t state_since_ms_ = 0;  // of reading: when the first octet of a request came, else the last answer
  std::uint64_t last_heard_ms_ = 0;
  std::uint64_t last_ping_ms_ = 0;
  std::uint64_t last_progress_ms_ = 0;
  std::uint64_t media_left_ms_ = 0;  // when the last piece of the last media answer was with the kernel
  std::uint64_t last_outstanding_ = 0;
};

}  // namespace streamr::io
