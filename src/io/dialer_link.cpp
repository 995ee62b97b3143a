#include "io/dialer_link.hpp"

#include <utility>

namespace streamr::io {

void Dialer::Link::queue(SharedBytes octets) {
  if (open) return socket->push(std::move(octets));
  early_bytes += octets.size();
  early.push_back(std::move(octets));
}

void Dialer::Link::say_close(std::uint16_t code) {
  std::uint8_t octets[2];
  store_u16(octets, code);
  const SharedBytes payload = SharedBytes::copy(octets);
  queue(dialer.frame(ws_opcode::close, {&payload, 1}));
  dialer.mark_dirty(*this);
}

// All that waited is with the kernel: the peer is told that no more comes, and its own end is awaited, so that nothing
// it has not read yet is lost in a reset.
void Dialer::Link::say_end() {
  if (!std::exchange(end_said, true)) socket->shut_down();
}

void Dialer::Link::fail_over(std::string why) {
  problem = std::move(why);
  socket->close();
  failed_over = true;
  dialer.mark_dirty(*this);
}

void Dialer::Link::on_octets(ByteView octets) {
  heard = true;
  heard_ms = dialer.now_ms();
  if (closing) return;
  if (!open) {
    switch (handshake->feed(octets)) {
      case WsClientHandshake::Step::more: return;
      case WsClientHandshake::Step::refused: return dialer.end(id, std::string(handshake->problem()));
      case WsClientHandshake::Step::open: dialer.opened(*this); break;
    }
  }
  if (!ws_wanted() || receiver.feed(octets)) return;
  say_close(1002);
  socket->flush();
  dialer.end(id, receiver.problem());
}

void Dialer::Link::on_read_end() {
  if (closing) return dialer.end(id, "closed by this side");
  dialer.end(id, open ? "the relay closed the connection" : "the relay closed the connection before it answered");
}

void Dialer::Link::on_failed(int error) {
  std::string why = socket->tls_problem();
  if (why.empty()) why = uv_strerror(error);
  if (closing) return dialer.end(id, "closed by this side");
  if (open) return dialer.end(id, "the connection to the relay broke: " + why);
  if (!heard && next_address < addresses.size()) return fail_over(std::move(why));
  dialer.end(id, "the relay cannot be reached: " + why);
}

void Dialer::Link::on_drained() {
  if (open && !closing) dialer.handler_.on_sent(id, outstanding());
  if (closing && outstanding() == 0) say_end();
}

void Dialer::Link::on_ws_message(SharedBytes message) {
  dialer.handler_.on_message(id, message);
}

void Dialer::Link::on_ws_text() {
  dialer.handler_.on_text_message(id);
}

void Dialer::Link::on_ws_oversized() {
  dialer.handler_.on_oversized_message(id);
}

void Dialer::Link::on_ws_ping(ByteView payload) {
  const SharedBytes octets = SharedBytes::copy(payload);
  queue(dialer.frame(ws_opcode::pong, {&octets, 1}));
  if (outstanding() > dialer.options_.queue_bytes) return dialer.end(id, "the relay pings and does not read");
  dialer.mark_dirty(*this);
}

void Dialer::Link::on_ws_close(std::uint16_t code) {
  const bool sendable = code >= 1000 && code < 5000 && code != 1005 && code != 1006 && code != 1015;
  say_close(sendable ? code : std::uint16_t{1000});
  socket->flush();
  dialer.end(id, "the relay closed the WebSocket with code " + std::to_string(code));
}

}  // namespace streamr::io
