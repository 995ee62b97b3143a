#include "io/ws_receiver.hpp"

#include <algorithm>
#include <utility>

namespace streamr::io {
namespace {

// What a peer that announces a long message and sends none of it can make us hold.
constexpr std::size_t first_room_bytes = 16 * 1024 + 64;

}  // namespace

bool WsReceiver::breach(const char* what) {
  problem_ = what;
  return false;
}

bool WsReceiver::feed_some(ByteView& bytes, std::size_t frames) {
  while (*problem_ == '\0' && frames != 0 && sink_.ws_wanted()) {
    if (!in_frame_) {
      if (!take_header(bytes)) break;
      continue;
    }
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(frame_left_, bytes.size()));
    take(bytes.subspan(0, count));
    bytes = bytes.subspan(count);
    if (frame_left_ != 0 || !end_frame()) break;
    --frames;
  }
  return *problem_ == '\0';
}

// False where more octets are needed, or where the header is a breach.
bool WsReceiver::take_header(ByteView& bytes) {
  while (header_have_ < header_size()) {
    if (bytes.empty()) return false;
    header_[header_have_++] = bytes.front();
    bytes = bytes.subspan(1);
  }
  header_have_ = 0;
  return read_header() && begin_frame();
}

std::size_t WsReceiver::header_size() const {
  if (header_have_ < 2) return 2;
  const std::size_t length = header_[1] & 0x7F;
  return 2 + (length == 126 ? 2u : length == 127 ? 8u : 0u) + ((header_[1] & 0x80) != 0 ? 4u : 0u);
}

bool WsReceiver::read_header() {
  fin_ = (header_[0] & 0x80) != 0;
  opcode_ = header_[0] & 0x0F;
  if ((header_[0] & 0x70) != 0) return breach("a reserved bit is set and no extension was agreed on");
  const bool masked = (header_[1] & 0x80) != 0;
  if (masked != (from_ == WsReads::client))
    return breach(masked ? "a server never masks its frames, this one is masked"
                         : "a client masks its frames, this one is not masked");
  std::size_t at = 2;
  frame_left_ = header_[1] & 0x7F;
  if (frame_left_ == 126) {
    frame_left_ = load_u16(header_.data() + at);
    at += 2;
    if (frame_left_ < 126) return breach("a frame's length is not written in its shortest form");
  } else if (frame_left_ == 127) {
    frame_left_ = load_u64(header_.data() + at);
    at += 8;
    if (frame_left_ <= 0xFFFF) return breach("a frame's length is not written in its shortest form");
    if (frame_left_ > INT64_MAX) return breach("a frame's length has its first bit set");
  }
  if (masked) std::copy_n(header_.begin() + static_cast<std::ptrdiff_t>(at), mask_.size(), mask_.begin());
  return true;
}

bool WsReceiver::begin_frame() {
  in_frame_ = true;
  frame_place_ = 0;
  if (!in_control()) return begin_data();
  if (opcode_ > ws_opcode::pong) return breach("an unknown opcode");
  if (!fin_ || frame_left_ > 125) return breach("a control frame is at most 125 octets and never in fragments");
  control_have_ = 0;
  if (frame_left_ != 0 && !control_) control_ = std::make_unique<std::array<std::uint8_t, 125>>();
  return true;
}

bool WsReceiver::begin_data() {
  if (opcode_ > ws_opcode::binary) return breach("an unknown opcode");
  if (opcode_ == ws_opcode::continuation) {
    if (!in_message_) return breach("a continuation without a beginning");
  } else {
    if (in_message_) return breach("a new message before the one before it ended");
    in_message_ = true;
    discard_ = opcode_ == ws_opcode::text ? Discard::text : Discard::no;
    message_have_ = 0;
    if (discard_ == Discard::text) sink_.on_ws_text();
  }
  if (discard_ == Discard::no && frame_left_ > limits::message_bytes - message_have_) {
    discard_ = Discard::oversized;
    message_.reset();
    message_room_ = 0;
    sink_.on_ws_oversized();
  }
  return true;
}

void WsReceiver::take(ByteView octets) {
  std::uint8_t* to = nullptr;
  if (in_control()) {
    to = control_ ? control_->data() + control_have_ : nullptr;
    control_have_ = static_cast<std::uint8_t>(control_have_ + octets.size());
  } else if (discard_ == Discard::no && !octets.empty()) {
    make_room(octets.size());
    to = message_.get() + message_have_;
    message_have_ += static_cast<std::uint32_t>(octets.size());
  }
  if (to != nullptr && from_ == WsReads::client)
    ws_mask(to, octets, mask_, frame_place_);
  else if (to != nullptr)
    std::copy(octets.begin(), octets.end(), to);
  frame_place_ += octets.size();
  frame_left_ -= octets.size();
}

// Doubles towards what the message can still become, so that memory follows what came and not what was promised, and a
// message of many small fragments is not copied for each of them.
void WsReceiver::make_room(std::size_t octets) {
  const std::size_t needed = message_have_ + octets;
  if (needed <= message_room_) return;
  const auto most = fin_ ? static_cast<std::size_t>(message_have_ + frame_left_) : std::size_t{limits::message_bytes};
  const std::size_t room = std::min(most, std::max({needed, first_room_bytes, std::size_t{message_room_} * 2}));
  auto block = std::make_shared_for_overwrite<std::uint8_t[]>(room);
  std::copy_n(message_.get(), message_have_, block.get());
  message_ = std::move(block);
  message_room_ = static_cast<std::uint32_t>(room);
}

bool WsReceiver::end_frame() {
  in_frame_ = false;
  const ByteView control = control_ ? ByteView(control_->data(), control_have_) : ByteView();
  if (opcode_ == ws_opcode::ping) {
    sink_.on_ws_ping(control);
  } else if (opcode_ == ws_opcode::pong) {
    sink_.on_ws_pong();
  } else if (opcode_ == ws_opcode::close) {
    if (control_have_ == 1) return breach("a close frame has no reason or a code of two bytes");
    sink_.on_ws_close(control_have_ < 2 ? std::uint16_t{1005} : load_u16(control.data()));
  } else if (fin_) {
    in_message_ = false;
    message_room_ = 0;
    auto message = SharedBytes::hold(std::exchange(message_, nullptr), std::exchange(message_have_, 0));
    if (discard_ == Discard::no) sink_.on_ws_message(std::move(message));
    return true;
  }
  if (in_control()) control_.reset();
  return true;
}

}  // namespace streamr::io
