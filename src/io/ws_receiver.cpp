#include "io/ws_receiver.hpp"

#include <wslay/wslay.h>

#include <algorithm>
#include <new>

namespace streamr::io {

WsReceiver::WsReceiver(Sink& sink) : sink_(sink) {
  wslay_frame_callbacks callbacks{};
  callbacks.recv_callback = [](std::uint8_t* out, std::size_t size, int, void* user) -> ssize_t {
    ByteView& input = static_cast<WsReceiver*>(user)->input_;
    const std::size_t count = std::min(size, input.size());
    if (count == 0) return -1;  // wslay: wants more than there is
    std::copy_n(input.data(), count, out);
    input = input.subspan(count);
    return static_cast<ssize_t>(count);
  };
  if (wslay_frame_context_init(&context_, &callbacks, this) != 0) throw std::bad_alloc();
}

WsReceiver::~WsReceiver() {
  wslay_frame_context_free(context_);
}

bool WsReceiver::breach(std::string what) {
  problem_ = std::move(what);
  return false;
}

bool WsReceiver::feed(ByteView bytes) {
  input_ = bytes;
  while (problem_.empty() && sink_.ws_wanted()) {
    wslay_frame_iocb frame{};
    const ssize_t got = wslay_frame_recv(context_, &frame);
    if (got == WSLAY_ERR_WANT_READ) break;
    if (got < 0) return breach("a WebSocket frame header is malformed");
    if (!in_frame_ && !begin_frame(frame.opcode, frame.fin, frame.rsv, frame.mask, frame.payload_length)) return false;
    if (!take({frame.data, frame.data_length})) return false;
  }
  return problem_.empty();
}

bool WsReceiver::begin_frame(std::uint8_t opcode, bool fin, std::uint8_t rsv, bool masked, std::uint64_t length) {
  if (rsv != 0) return breach("a reserved bit is set and no extension was agreed on");
  if (!masked) return breach("a client masks its frames, this one is not masked");
  in_frame_ = true;
  fin_ = fin;
  opcode_ = opcode;
  frame_left_ = length;
  if (wslay_is_ctrl_frame(opcode)) {
    if (opcode != WSLAY_CONNECTION_CLOSE && opcode != WSLAY_PING && opcode != WSLAY_PONG)
      return breach("an unknown opcode");
    control_.clear();
    return true;
  }
  if (opcode == WSLAY_CONTINUATION_FRAME) {
    if (!in_message_) return breach("a continuation without a beginning");
  } else if (opcode == WSLAY_TEXT_FRAME || opcode == WSLAY_BINARY_FRAME) {
    if (in_message_) return breach("a new message before the one before it ended");
    in_message_ = true;
    discard_ = opcode == WSLAY_TEXT_FRAME ? Discard::text : Discard::no;
    message_.clear();
    if (discard_ == Discard::text) sink_.on_ws_text();
  } else {
    return breach("an unknown opcode");
  }
  if (discard_ == Discard::no && length > limits::message_bytes - message_.size()) {
    discard_ = Discard::oversized;
    ByteVector().swap(message_);
    sink_.on_ws_oversized();
  } else if (discard_ == Discard::no) {
    message_.reserve(message_.size() + static_cast<std::size_t>(length));
  }
  return true;
}

bool WsReceiver::take(ByteView octets) {
  frame_left_ -= std::min<std::uint64_t>(frame_left_, octets.size());
  if (wslay_is_ctrl_frame(opcode_))
    control_.insert(control_.end(), octets.begin(), octets.end());
  else if (discard_ == Discard::no)
    message_.insert(message_.end(), octets.begin(), octets.end());
  return frame_left_ == 0 ? end_frame() : true;
}

bool WsReceiver::end_frame() {
  in_frame_ = false;
  if (opcode_ == WSLAY_PING) {
    sink_.on_ws_ping(control_);
  } else if (opcode_ == WSLAY_PONG) {
    sink_.on_ws_pong();
  } else if (opcode_ == WSLAY_CONNECTION_CLOSE) {
    if (control_.size() == 1) return breach("a close frame has no reason or a code of two bytes");
    sink_.on_ws_close(control_.size() < 2 ? 1005 : load_u16(control_.data()));
  } else if (fin_) {
    in_message_ = false;
    if (discard_ == Discard::no) sink_.on_ws_message(SharedBytes::take(std::move(message_)));
    message_ = {};
  }
  return true;
}

}  // namespace streamr::io
