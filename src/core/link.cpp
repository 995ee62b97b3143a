#include "core/link.hpp"

#include <algorithm>
#include <limits>

namespace streamr::core {

namespace {

// What we accept ahead: a few seconds of the largest usual rendition, so that a loss-free path never waits for CREDIT.
constexpr std::uint64_t receive_window_bytes = 8ull << 20;

constexpr std::uint64_t probe_answer_us = 1'000'000;

std::string frame_name(std::uint8_t type) {
  return "frame type " + std::to_string(type);
}

bool is_credited(std::uint8_t type) {
  return type == static_cast<std::uint8_t>(proto::FrameType::chunk) ||
         type == static_cast<std::uint8_t>(proto::FrameType::slice);
}

}  // namespace

Link::Link(LinkConfig config, const crypto::KeyPair& identity, LinkHost& host, Now now)
    : config_(std::move(config)),
      identity_(identity),
      host_(host),
      state_(config_.client ? State::dialing : State::await_hello),
      own_limit_(receive_window_bytes),
      began_mono_us_(now.mono_us),
      heard_mono_us_(now.mono_us) {}

void Link::send(ByteVector frame) {
  bytes_out_ += frame.size();
  outstanding_ += frame.size();
  host_.send_message(id(), {SharedBytes::take(std::move(frame))});
}

void Link::send_pieces(std::vector<SharedBytes> pieces, std::uint64_t credited_bytes) {
  std::uint64_t total = 0;
  for (const auto& piece : pieces) total += piece.size();
  sent_ += credited_bytes;
  bytes_out_ += total;
  outstanding_ += total;
  host_.send_message(id(), std::move(pieces));
}

void Link::close() {
  if (state_ == State::closing) return;
  state_ = State::closing;
  host_.close_link(id());
}

void Link::fail(const Error& error, std::uint32_t chunk_ref) {
  if (state_ == State::closing) return;
  proto::ErrorFrame frame;
  frame.code = error.wire == Wire::none ? Wire::malformed : error.wire;
  frame.chunk_ref = chunk_ref;
  frame.text = error.text.substr(0, limits::text_bytes);
  close_reason_ = "refused: " + error.text;
  close_code_ = frame.code;
  if (state_ != State::dialing) send(proto::encode(frame));
  close();
}

bool Link::refuse_slice(std::uint32_t chunk_ref, const std::string& why) {
  if (state_ != State::open) return false;
  if (++bad_slices_ >= limits::bad_slices) {
    fail(refuse(Wire::bad_slice, "nine bad slices on one connection; the last: " + why), chunk_ref);
    return false;
  }
  proto::ErrorFrame frame;
  frame.code = Wire::bad_slice;
  frame.chunk_ref = chunk_ref;
  frame.text = why.substr(0, limits::text_bytes);
  send(proto::encode(frame));
  return true;
}

void Link::set_hold_credit(bool hold) {
  hold_credit_ = hold;
  grant_credit();
}

// Grants in halves of the window: few CREDIT frames, never a pause on a path shorter than the other half.
void Link::grant_credit() {
  if (state_ != State::open || hold_credit_) return;
  if (own_limit_ - std::min(own_limit_, received_) > receive_window_bytes / 2) return;
  own_limit_ = received_ + receive_window_bytes;
  send(proto::encode(proto::Credit{own_limit_}));
}

void Link::on_dialed(Now now) {
  if (state_ != State::dialing) return;
  proto::Hello hello;
  hello.role = config_.role;
  hello.peer_key = identity_.public_key();
  hello.nonce = config_.nonce;
  hello.recv_limit = own_limit_;
  hello.unix_us = now.unix_us;
  hello.ticket = config_.ticket;
  auto frame = proto::encode(hello);
  hello_hash_ = proto::payload_hash(frame);
  state_ = State::await_welcome;
  began_mono_us_ = heard_mono_us_ = now.mono_us;
  send(std::move(frame));
}

void Link::on_message(const SharedBytes& message, Now now) {
  if (state_ == State::closing || state_ == State::dialing) return;
  bytes_in_ += message.size();
  heard_mono_us_ = now.mono_us;
  if (state_ != State::open) {
    before_auth_bytes_ += message.size();
    // The answer to HELLO and AUTH may share a message with what follows it; only an unproven dialler is held to 4 KiB.
    if (!config_.client && before_auth_bytes_ > limits::before_auth_bytes)
      return fail(refuse(Wire::limit, "more than 4096 octets before AUTH"));
  }
  if (message.size() > limits::message_bytes) return fail(refuse(Wire::limit, "a message over 128 KiB"));
  proto::FrameReader reader(message.view());
  while (state_ != State::closing) {
    auto raw = reader.next();
    if (!raw) return fail(raw.error());
    if (!raw->has_value()) break;
    if (auto done = on_raw(**raw, now); !done) return fail(done.error());
  }
  grant_credit();
}

Status Link::on_raw(const proto::RawFrame& raw, Now now) {
  switch (state_) {
    case State::await_hello: return on_hello(raw, now);
    case State::await_welcome: return on_welcome(raw, now);
    case State::await_auth: return on_auth(raw, now);
    case State::open: return on_open_frame(raw, now);
    case State::dialing:
    case State::closing: break;
  }
  return {};
}

Status Link::on_hello(const proto::RawFrame& raw, Now now) {
  if (raw.header.type != static_cast<std::uint8_t>(proto::FrameType::hello))
    return refuse(Wire::authentication, "expected HELLO first, got " + frame_name(raw.header.type));
  auto frame = proto::decode_frame(raw);
  if (!frame) return frame.error();
  const auto& hello = std::get<proto::Hello>(frame->body);
  if (hello.version_min > 1 || hello.version_max < 1)
    return refuse(Wire::version, "this relay speaks version 1, the peer offers " + std::to_string(hello.version_min) +
                                     " to " + std::to_string(hello.version_max));
  peer_key_ = hello.peer_key;
  peer_role_ = hello.role;
  auto window = host_.on_hello(*this, hello, now);
  if (!window) return window.error();
  config_.ticket = hello.ticket;
  hello_hash_ = crypto::sha256(raw.payload);
  peer_limit_ = hello.recv_limit;
  proto::Welcome welcome;
  welcome.load_pct = host_.load_pct();
  welcome.nonce = config_.nonce;
  welcome.unix_us = now.unix_us;
  welcome.recv_limit = own_limit_;
  welcome.window = window_ = *window;
  auto answer = proto::encode(welcome, hello_hash_, identity_);
  welcome_hash_ = proto::payload_hash(answer);
  state_ = State::await_auth;
  began_mono_us_ = now.mono_us;
  send(std::move(answer));
  return {};
}

Status Link::on_welcome(const proto::RawFrame& raw, Now now) {
  if (raw.header.type == static_cast<std::uint8_t>(proto::FrameType::error)) return on_open_frame(raw, now);
  if (raw.header.type != static_cast<std::uint8_t>(proto::FrameType::welcome))
    return refuse(Wire::authentication, "expected WELCOME, got " + frame_name(raw.header.type));
  auto frame = proto::decode_frame(raw);
  if (!frame) return frame.error();
  const auto& welcome = std::get<proto::Welcome>(frame->body);
  if (welcome.version != 1)
    return refuse(Wire::version, "expected version 1, the relay picked " + std::to_string(welcome.version));
  if (config_.expected_key && *config_.expected_key != welcome.relay_key)
    return refuse(Wire::authentication, "another relay answers at this address: expected key " +
                                            to_hex(config_.expected_key->view()) + ", came " +
                                            to_hex(welcome.relay_key.view()));
  if (!proto::verify_welcome(welcome, raw.payload, hello_hash_))
    return refuse(Wire::authentication, "the signature of WELCOME does not hold");
  welcome_hash_ = crypto::sha256(raw.payload);
  peer_key_ = welcome.relay_key;
  peer_limit_ = welcome.recv_limit;
  window_ = welcome.window;
  state_ = State::open;
  opened_mono_us_ = now.mono_us;
  send(proto::encode(proto::Auth{proto::sign_auth(identity_, hello_hash_, welcome_hash_)}));
  host_.on_open(*this, now);
  return {};
}

Status Link::on_auth(const proto::RawFrame& raw, Now now) {
  if (raw.header.type != static_cast<std::uint8_t>(proto::FrameType::auth))
    return refuse(Wire::authentication, "expected AUTH, got " + frame_name(raw.header.type));
  auto frame = proto::decode_frame(raw);
  if (!frame) return frame.error();
  if (!proto::verify_auth(std::get<proto::Auth>(frame->body), peer_key_, hello_hash_, welcome_hash_))
    return refuse(Wire::authentication, "the signature of AUTH does not hold for peer_key");
  state_ = State::open;
  opened_mono_us_ = now.mono_us;
  host_.on_open(*this, now);
  return {};
}

Status Link::on_open_frame(const proto::RawFrame& raw, Now now) {
  auto frame = proto::decode_frame(raw);
  if (!frame) return frame.error();
  if (is_credited(raw.header.type)) {
    received_ += raw.header.length;
    if (received_ > own_limit_) return refuse(Wire::limit, "more octets than CREDIT allows");
  }
  if (std::get_if<proto::Ignored>(&frame->body)) return {};
  if (std::get_if<proto::Hello>(&frame->body) || std::get_if<proto::Welcome>(&frame->body) ||
      std::get_if<proto::Auth>(&frame->body))
    return refuse(Wire::malformed, "a handshake frame after the handshake");
  if (const auto* credit = std::get_if<proto::Credit>(&frame->body)) {
    peer_limit_ = std::max(peer_limit_, credit->limit);
  } else if (const auto* ping = std::get_if<proto::Ping>(&frame->body)) {
    send(proto::encode(proto::Pong{ping->opaque, now.unix_us}));
    return {};
  } else if (const auto* error = std::get_if<proto::ErrorFrame>(&frame->body);
             error && error->code != Wire::bad_slice) {
    close_reason_ = "the peer refused: " + std::to_string(static_cast<int>(error->code)) + " " + error->text;
    close();
    return {};
  }
  return host_.on_frame(*this, *frame, now);
}

void Link::probe(std::uint64_t silent_us, Now now) {
  if (state_ != State::open || now.mono_us < std::max(heard_mono_us_, probed_mono_us_) + silent_us) return;
  if (probed_mono_us_ > heard_mono_us_) return;  // asked already
  probed_mono_us_ = now.mono_us;
  send(proto::encode(proto::Ping{now.mono_us, now.unix_us}));
}

void Link::on_time(Now now) {
  if (state_ == State::closing) return;
  if (state_ != State::open) {
    if (state_ != State::dialing && now.mono_us >= began_mono_us_ + limits::hello_within_us)
      fail(refuse(Wire::limit, "the handshake took more than 5 s"));
    return;
  }
  const auto silent_us = now.mono_us - std::min(now.mono_us, heard_mono_us_);
  if (probed_mono_us_ > heard_mono_us_ && now.mono_us >= probed_mono_us_ + probe_answer_us) {
    close_reason_ = "the peer brings nothing and does not answer a PING";
    close();
  } else if (silent_us >= limits::silence_us) {
    close_reason_ = "the peer was silent for 30 s";
    close();
  } else if (silent_us >= limits::ping_every_us && now.mono_us >= pinged_mono_us_ + limits::ping_every_us) {
    pinged_mono_us_ = now.mono_us;
    send(proto::encode(proto::Ping{now.mono_us, now.unix_us}));
  }
}

std::uint64_t Link::deadline_us() const {
  switch (state_) {
    case State::dialing:
    case State::closing: return std::numeric_limits<std::uint64_t>::max();
    case State::open:
      return std::min({heard_mono_us_ + limits::silence_us,
                       std::max(heard_mono_us_, pinged_mono_us_) + limits::ping_every_us,
                       probed_mono_us_ > heard_mono_us_ ? probed_mono_us_ + probe_answer_us : UINT64_MAX});
    default: return began_mono_us_ + limits::hello_within_us;
  }
}

}  // namespace streamr::core
