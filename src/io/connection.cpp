#include "io/connection.hpp"

#include <unistd.h>

#include <algorithm>

#include "core/http_routes.hpp"
#include "io/http_text.hpp"
#include "io/server.hpp"
#include "io/ws_handshake.hpp"

namespace streamr::io {
namespace {

// A client that asks on without reading answers waits until this much or less of the answers is still here.
constexpr std::uint64_t answers_ahead_bytes = 64 * 1024;
constexpr std::size_t requests_ahead_bytes = 64 * 1024;
constexpr std::uint64_t hurry_ms = 100;
constexpr std::uint64_t bulk_bytes = 512 * 1024;

// Answers that several may share are asked for in the plainest form only.
bool asks_plainly(const HttpHead& head) {
  return head.method == "GET" && head.header("range").empty() && head.header("if-none-match").empty() &&
         head.header("if-range").empty();
}

}  // namespace

Connection::Connection(Server& server) : server_(server), socket_(server.loop(), *this) {}

Connection::~Connection() = default;

void Connection::start(int fd, std::string peer_address, bool admitted) {
  peer_address_ = std::move(peer_address);
  counted_ = admitted;
  state_since_ms_ = last_heard_ms_ = last_progress_ms_ = server_.now_ms();
  if (const int error = socket_.adopt(fd); error != 0) {
    ::close(fd);
    return close_now(uv_strerror(error));
  }
  if (server_.options_.tls) {
    if (!admitted) return close_now("too many connections from this address");  // a handshake is more than it gets
    auto session = TlsSession::accept(server_.options_.tls->context(), server_.loop().tls_rooms);
    if (!session) return close_now("no memory for TLS");
    socket_.start_tls(std::move(session));
  }
  socket_.set_reading(true);
  if (!admitted) refuse({503, "too many connections from this address"});
}

void Connection::on_octets(ByteView octets) {
  last_heard_ms_ = server_.now_ms();
  if (state_ == State::websocket && waiting_.empty())
    take_websocket(octets);
  else if (state_ == State::websocket)
    waiting_.insert(waiting_.end(), octets.begin(), octets.end());
  else if (state_ == State::reading && waiting_.empty())
    take_http(octets);
  else if (state_ == State::reading || state_ == State::answering)
    waiting_.insert(waiting_.end(), octets.begin(), octets.end());
  if (state_ != State::websocket && waiting_.size() > requests_ahead_bytes) socket_.set_reading(false);
}

void Connection::on_read_end() {
  peer_ended_ = true;
  // A client may close its sending half and still wait for the answers it asked for.
  const bool owes_answers = state_ == State::answering || (state_ == State::reading && !socket_.empty());
  if (!owes_answers) close_now("the peer closed the connection");
}

void Connection::on_failed(int error) {
  const std::string problem = socket_.tls_problem();
  close_now(problem.empty() ? uv_strerror(error) : problem);
}

void Connection::on_not_tls() {
  refuse({400, "this port speaks TLS: use https:// or wss://"});
}

void Connection::take_http(ByteView bytes) {
  while (state_ == State::reading && !bytes.empty() && socket_.outstanding() <= answers_ahead_bytes) {
    if (parser_.idle()) state_since_ms_ = server_.now_ms();
    switch (parser_.feed(bytes)) {
      case HttpParser::Step::more: break;
      case HttpParser::Step::head:
        state_since_ms_ = server_.now_ms();
        if (parser_.head().expects_continue && bytes.empty()) {
          socket_.push_text("HTTP/1.1 100 Continue\r\n\r\n");
          server_.mark_dirty(this);
        }
        break;
      case HttpParser::Step::complete: on_request(); break;
      case HttpParser::Step::refused: refuse(parser_.refusal()); break;
    }
  }
  if (state_ == State::websocket)
    take_websocket(bytes);
  else if (state_ == State::reading || state_ == State::answering)
    waiting_.insert(waiting_.end(), bytes.begin(), bytes.end());
}

void Connection::on_request() {
  HttpHead& head = parser_.head();
  const auto path = std::string_view(head.target).substr(0, head.target.find('?'));
  if (path == ws_path) {
    if (asks_for_websocket(head)) return upgrade();
    return refuse({426, "this address speaks WebSocket with the subprotocol streamr.relay.v1"});
  }
  close_after_answer_ = !head.keep_alive;
  state_ = State::answering;
  if (asks_plainly(head) && core::may_share(head.target) && ask_table()) return;
  exchange_ = server_.next_http_id();
  server_.exchanges_[exchange_] = this;
  core::HttpRequest request;
  request.id = exchange_;
  request.method = head.method;
  request.target = head.target;
  request.headers = head.headers;
  request.body = parser_.take_body();
  request.peer_address = peer_address_;
  server_.handler_.on_http(request);
}

// True: an answer that others share was sent, or is waited for.
bool Connection::ask_table() {
  const HttpHead& head = parser_.head();
  const bool gzip = core::accepts_gzip(head.header("accept-encoding"));
  const HttpId next = server_.next_http_id();
  const auto asked = server_.answers_.ask(head.target, gzip, *this, seat_, next);
  if (asked.answer != nullptr) {
    server_.count_shared(asked.answer->status, !is_playlist(head.target), asked.answer->body_bytes, 1);
    send_prepared(*asked.answer);
    return true;
  }
  if (!asked.seated) return false;
  if (!asked.ask) return true;
  core::HttpRequest request;
  request.id = next;
  request.method = "GET";
  request.target = head.target;
  if (gzip) request.headers.emplace_back("accept-encoding", "gzip");
  request.peer_address = peer_address_;
  server_.handler_.on_http(request);
  return true;
}

void Connection::on_answer(const PreparedAnswer& answer) {
  if (state_ == State::answering) send_prepared(answer);
}

void Connection::send_prepared(const PreparedAnswer& answer) {
  socket_.push(answer.head);
  socket_.push(server_.answer_tail_of(parser_.head().http_1_1, !close_after_answer_));
  if (answer.has_body)
    for (const auto& piece : answer.body) socket_.push(piece);
  if (!is_playlist(parser_.head().target)) {
    // Who asks again at once takes octets as fast as they come, and so does who asks for many.
    const bool hurries = media_left_ms_ != 0 && server_.now_ms() - media_left_ms_ < hurry_ms;
    socket_.set_bulk(hurries || answer.body_bytes >= bulk_bytes);
    media_leaves_ = true;
  }
  server_.mark_dirty(this);
  answer_done();
}

void Connection::refuse(const HttpRefusal& refusal) {
  socket_.push_text(refusal_answer(refusal, parser_.head().method == "HEAD"));
  linger();
}

// ---- answers

void Connection::reply(core::HttpResponse response) {
  if (state_ != State::answering) return;
  const HttpHead& head = parser_.head();
  AnswerForm form;
  form.http_1_1 = head.http_1_1;
  form.has_body = status_has_body(response.status);
  bodiless_ = head.method == "HEAD" || !form.has_body;
  chunked_ = response.open && form.http_1_1;
  if (response.open && !form.http_1_1 && !bodiless_) close_after_answer_ = true;  // the end is where the bytes end
  form.keep_alive = !close_after_answer_;
  if (!response.open) {
    form.content_length = 0;
    for (const auto& piece : response.pieces) *form.content_length += piece.size();
  }
  socket_.push_text(answer_head(response.status, response.headers, form));
  server_.mark_dirty(this);
  if (response.open && bodiless_) {
    const HttpId id = exchange_;
    answer_done();
    server_.handler_.on_http_closed(id);  // no more pieces are wanted
  } else if (response.open) {
    pieces(response.pieces, false);
  } else {
    if (!bodiless_)
      for (auto& piece : response.pieces) socket_.push(std::move(piece));
    answer_done();
  }
}

void Connection::pieces(const std::vector<SharedBytes>& pieces, bool end) {
  if (state_ != State::answering) return;
  std::size_t bytes = 0;
  for (const auto& piece : pieces) bytes += piece.size();
  if (bytes != 0) {
    if (chunked_) {
      char size[20];
      std::snprintf(size, sizeof size, "%zx\r\n", bytes);
      socket_.push_text(size);
    }
    for (const auto& piece : pieces) socket_.push(piece);
    if (chunked_) socket_.push_text("\r\n");
  }
  if (end && chunked_) socket_.push_text("0\r\n\r\n");
  server_.mark_dirty(this);
  if (end) answer_done();
}

void Connection::answer_done() {
  if (exchange_ != 0) server_.exchanges_.erase(std::exchange(exchange_, 0));
  parser_.reset();
  state_ = State::reading;
  state_since_ms_ = server_.now_ms();
  answered_ = true;
  if (close_after_answer_) linger();
}

// ---- socket

void Connection::flush() {
  dirty_ = false;
  if (state_ == State::closed) return;
  if (pong_ && state_ == State::websocket && socket_.empty()) send_control(ws_pong, std::move(*std::exchange(pong_, nullptr)));
  if (state_ == State::closed) return;
  if (const int error = socket_.flush(); error != 0) return close_now(uv_strerror(error));
  if (state_ == State::websocket) server_.handler_.on_sent(link_, socket_.outstanding());
  if (state_ == State::reading && !waiting_.empty() && socket_.outstanding() <= answers_ahead_bytes) {
    const ByteVector waiting = std::exchange(waiting_, {});
    take_http(waiting);
    if (waiting_.size() <= requests_ahead_bytes && !peer_ended_) socket_.set_reading(true);
  }
  if (!socket_.empty()) return;
  if (std::exchange(media_leaves_, false)) media_left_ms_ = server_.now_ms();
  if (state_ == State::reading && peer_ended_ && waiting_.empty()) return close_now("the peer closed the connection");
  if (state_ == State::lingering && !shutdown_sent_) {
    shutdown_sent_ = true;
    state_since_ms_ = server_.now_ms();
    socket_.shut_down();
    if (peer_ended_) close_now("the peer closed the connection");
  }
}

// All is said: what was queued goes out, what still comes is read and discarded, so that no reset destroys the last
// words.
void Connection::linger() {
  if (state_ == State::closed || state_ == State::lingering) return;
  state_ = State::lingering;
  state_since_ms_ = server_.now_ms();
  waiting_ = {};
  if (!peer_ended_) socket_.set_reading(true);
  server_.mark_dirty(this);
}

void Connection::close_now(const std::string& why) {
  if (state_ == State::closed) return;
  const State before = std::exchange(state_, State::closed);
  if (counted_) server_.count_down(peer_address_, receiver_ ? Server::Kind::websocket : Server::Kind::http);
  socket_.close();
  end_link(why);
  if (before == State::answering) {
    const auto asked = exchange_ != 0 ? std::optional(exchange_) : server_.answers_.leave(*this, seat_);
    if (exchange_ != 0) server_.exchanges_.erase(exchange_);
    if (asked) server_.handler_.on_http_closed(*asked);
  }
  server_.forget(this);
}

// ---- clocks

void Connection::on_tick(std::uint64_t now_ms) {
  if (state_ == State::closed) return;
  const std::uint64_t outstanding = socket_.outstanding();
  if (outstanding == 0 || outstanding != last_outstanding_) last_progress_ms_ = now_ms;
  last_outstanding_ = outstanding;
  if (now_ms - last_progress_ms_ >= server_.options_.stuck_ms) return close_now("the peer takes nothing");
  if (state_ == State::reading) return tick_reading(now_ms);
  if (state_ == State::websocket) return tick_websocket(now_ms);
  if (state_ == State::lingering && shutdown_sent_ && now_ms - state_since_ms_ >= server_.options_.linger_ms)
    close_now("done");
}

void Connection::tick_reading(std::uint64_t now_ms) {
  const ServerOptions& options = server_.options_;
  const std::uint64_t waited = now_ms - state_since_ms_;
  if (parser_.in_body()) {
    if (waited >= options.body_within_ms) refuse({408, "the body did not come within 30 seconds"});
  } else if (!parser_.idle()) {
    if (waited >= options.header_within_ms) refuse({408, "the head of the request did not come within 10 seconds"});
  } else if (socket_.empty() && waiting_.empty() && waited >= (answered_ ? options.idle_ms : options.header_within_ms)) {
    close_now("idle");
  }
}

void Connection::tick_websocket(std::uint64_t now_ms) {
  const ServerOptions& options = server_.options_;
  if (now_ms - last_heard_ms_ >= options.silence_ms) return close_now("the peer was silent for 30 seconds");
  if (now_ms - last_ping_ms_ < options.ping_every_ms) return;
  last_ping_ms_ = now_ms;
  send_control(ws_ping, {});
  if (state_ == State::websocket) flush();
}

}  // namespace streamr::io
