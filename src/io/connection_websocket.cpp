// The WebSocket half of a connection: what its peer may do in a turn, messages both ways, pings and the end.
#include "io/connection.hpp"
#include "io/server.hpp"
#include "io/ws_handshake.hpp"

namespace streamr::io {
namespace {

constexpr std::size_t frames_a_turn = 64;
constexpr std::size_t pieces_waiting = 4096;  // far more than 512 KiB of slices are

}  // namespace

void Connection::upgrade() {
  if (const auto refusal = websocket_refusal(parser_.head())) return refuse(*refusal);
  if (!server_.count_up(peer_address_, Server::Kind::websocket))
    return refuse({503, "too many WebSocket connections from this address"});
  server_.count_down(peer_address_, Server::Kind::http);
  socket_.push_text(websocket_answer(parser_.head()));
  parser_.reset();
  receiver_ = std::make_unique<WsReceiver>(static_cast<WsReceiver::Sink&>(*this));
  state_ = State::websocket;
  last_ping_ms_ = last_heard_ms_ = server_.now_ms();
  link_ = server_.handler_.on_accepted(peer_address_);
  server_.links_[link_] = this;
  server_.mark_dirty(this);
}

// What one peer may do to the others in a turn of the loop is bounded; the rest of what it said waits here.
void Connection::take_websocket(ByteView bytes) {
  if (!receiver_->feed_some(bytes, frames_a_turn)) {
    send_control(ws_close, {0x03, 0xEA});  // 1002, protocol error
    end_link(receiver_->problem());
    return linger();
  }
  if (state_ != State::websocket || (bytes.empty() && !held_)) return;
  waiting_.assign(bytes.begin(), bytes.end());
  socket_.set_reading(false);
  if (!held_) socket_.call_again();
}

void Connection::on_again() {
  if (state_ != State::websocket || held_) return;
  const ByteVector waiting = std::exchange(waiting_, {});
  take_websocket(waiting);
  if (waiting_.empty() && ws_wanted() && !peer_ended_) socket_.set_reading(true);
}

void Connection::hold(bool wanted) {
  if (std::exchange(held_, wanted) && !wanted) socket_.call_again();
}

void Connection::send(const std::vector<SharedBytes>& pieces) {
  if (state_ != State::websocket) return;
  std::uint64_t bytes = 0;
  for (const auto& piece : pieces) bytes += piece.size();
  socket_.push(ws_frame_header(ws_binary, bytes));
  for (const auto& piece : pieces) socket_.push(piece);
  queued();
}

void Connection::send_control(std::uint8_t first_octet, ByteVector payload) {
  socket_.push(ws_frame_header(first_octet, payload.size()));
  socket_.push(SharedBytes::take(std::move(payload)));
  queued();
}

void Connection::queued() {
  server_.mark_dirty(this);
  if (socket_.outstanding() > server_.options_.websocket_queue_bytes || socket_.pieces() > pieces_waiting)
    close_now("the peer reads too slowly");
}

void Connection::on_ws_message(SharedBytes message) {
  server_.handler_.on_message(link_, message);
}
void Connection::on_ws_text() {
  server_.handler_.on_text_message(link_);
}
void Connection::on_ws_oversized() {
  server_.handler_.on_oversized_message(link_);
}
// Only the newest ping is answered where several came before an answer could leave (RFC 6455 §5.5.3).
void Connection::on_ws_ping(ByteView payload) {
  if (!pong_) pong_ = std::make_unique<ByteVector>();
  pong_->assign(payload.begin(), payload.end());
  server_.mark_dirty(this);
}

void Connection::on_ws_close(std::uint16_t code) {
  const bool sendable = code >= 1000 && code < 5000 && code != 1005 && code != 1006 && code != 1015;
  ByteVector echo(2);
  store_u16(echo.data(), sendable ? code : std::uint16_t{1000});
  send_control(ws_close, std::move(echo));
  if (state_ != State::websocket) return;
  end_link("the peer closed the WebSocket with code " + std::to_string(code));
  linger();
}

void Connection::close_politely() {
  if (state_ != State::websocket) return;
  send_control(ws_close, {0x03, 0xE8});  // 1000, normal
  if (state_ != State::websocket) return;
  end_link("closed by this side");
  linger();
}

void Connection::end_link(const std::string& why) {
  if (link_ == 0) return;
  const LinkId link = std::exchange(link_, 0);
  server_.links_.erase(link);
  server_.handler_.on_closed(link, why);
}

}  // namespace streamr::io
