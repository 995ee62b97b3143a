#include "publisher/rtmp/session.hpp"

#include "publisher/media/boxes.hpp"

namespace streamr::publisher {
namespace {

constexpr std::size_t hello_bytes = 1 + 1536;
constexpr std::size_t proof_bytes = 1536;
constexpr std::uint8_t rtmp_version = 3;
constexpr std::size_t answer_chunk_size = 4096;
constexpr std::uint32_t control_csid = 2, command_csid = 3;
constexpr std::size_t max_app_bytes = 64;

// Same numbers for the same seed; a handshake proves nothing, it only must not be all zeros.
std::uint64_t next_random(std::uint64_t& state) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

std::string_view without_slash(std::string_view app) {
  while (!app.empty() && app.back() == '/') app.remove_suffix(1);
  return app;
}

}  // namespace

RtmpSession::RtmpSession(KeyGate& gate, std::string address, std::uint64_t now_us, std::uint64_t random)
    : gate_(gate),
      address_(std::move(address)),
      deadline_us_(now_us + rtmp_limits::handshake_us),
      random_(random | 1) {
  reader_.limit_messages(rtmp_limits::message_before_publish);
}

void RtmpSession::close(std::string reason, std::uint64_t now_us) {
  if (state_ == State::closing) return;
  if (state_ == State::publishing) events_.push_back({RtmpEvent::Kind::unpublish, {}});
  state_ = State::closing;
  reason_ = std::move(reason);
  deadline_us_ = now_us + rtmp_limits::linger_us;
}

void RtmpSession::end(std::string_view code, std::string_view sentence, std::uint64_t now_us) {
  if (state_ == State::closing) return;
  if (connected_) send_status("error", code, sentence);
  close(std::string(sentence), now_us);
}

void RtmpSession::on_bytes(std::span<const std::uint8_t> bytes, std::uint64_t now_us) {
  if (state_ == State::closing) return;
  if (state_ == State::hello || state_ == State::proof) {
    const std::size_t room = hello_bytes + proof_bytes - handshake_.size();
    const std::size_t count = std::min(bytes.size(), room);
    handshake_.insert(handshake_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
    bytes = bytes.subspan(count);
    on_handshake(now_us);
    if (bytes.empty() || state_ == State::closing) return;
  }
  acknowledge(bytes.size());
  if (state_ == State::publishing) deadline_us_ = now_us + rtmp_limits::silence_us;
  const bool whole = reader_.feed(bytes);
  while (auto message = reader_.poll()) {
    if (state_ == State::closing) return;
    on_message(std::move(*message), now_us);
  }
  if (!whole) close(reader_.failure(), now_us);
  if (output_.size() > rtmp_limits::unread_answers) close("the peer does not read its answers", now_us);
}

void RtmpSession::on_time(std::uint64_t now_us) {
  if (state_ == State::checking && now_us >= deadline_us_) return check_key(now_us);
  if (state_ == State::closing || now_us < deadline_us_) return;
  close(state_ == State::publishing ? "nothing came for 30 s"
        : state_ == State::commands ? "no publish command came within 15 s"
                                    : "the handshake was not done within 5 s",
        now_us);
}

void RtmpSession::on_handshake(std::uint64_t now_us) {
  if (state_ == State::hello) {
    if (!handshake_.empty() && handshake_[0] != rtmp_version) return close("the first byte is not RTMP version 3", now_us);
    if (handshake_.size() < hello_bytes) return;
    BoxWriter out(output_);
    out.u8(rtmp_version);
    out.u64(0);
    for (std::size_t i = 8; i < proof_bytes; i += 8) out.u64(next_random(random_));
    output_.insert(output_.end(), handshake_.begin() + 1, handshake_.begin() + hello_bytes);
    state_ = State::proof;
  }
  if (handshake_.size() < hello_bytes + proof_bytes) return;
  handshake_.clear();
  handshake_.shrink_to_fit();
  state_ = State::commands;
  deadline_us_ = now_us + rtmp_limits::until_publish_us;
}

void RtmpSession::acknowledge(std::size_t bytes) {
  received_bytes_ += static_cast<std::uint32_t>(bytes);
  if (!connected_ || received_bytes_ - acknowledged_bytes_ < window_bytes_ / 2) return;
  acknowledged_bytes_ = received_bytes_;
  send_u32(rtmp_acknowledgement, received_bytes_);
}

void RtmpSession::on_message(RtmpMessage message, std::uint64_t now_us) {
  switch (message.type) {
    case rtmp_window_size:
      if (message.payload.size() >= 4) {
        const std::uint32_t window = FieldReader(message.payload).u32();
        window_bytes_ = std::max<std::uint32_t>(window, 64u << 10);
      }
      return;
    case rtmp_command_amf3:
      if (message.payload.empty()) return;
      message.payload.erase(message.payload.begin());
      [[fallthrough]];
    case rtmp_command: return on_command(message, now_us);
    case rtmp_audio:
    case rtmp_video:
    case rtmp_data:
      if (state_ == State::publishing) events_.push_back({RtmpEvent::Kind::media, std::move(message)});
      return;
    case rtmp_aggregate: return on_aggregate(message, now_us);
    default: return;
  }
}

// An aggregate is a run of FLV tags whose times are relative to the first one.
void RtmpSession::on_aggregate(const RtmpMessage& message, std::uint64_t now_us) {
  FieldReader tags(message.payload);
  std::optional<std::uint32_t> first_ms;
  while (tags.left() >= 11) {
    RtmpMessage inner;
    inner.type = tags.u8();
    const std::uint32_t length = tags.u24();
    const std::uint32_t low = tags.u24();
    const std::uint32_t tag_ms = low | static_cast<std::uint32_t>(tags.u8()) << 24;
    tags.skip(3);
    if (length > tags.left()) return close("an aggregate message is cut short", now_us);
    if (!first_ms) first_ms = tag_ms;
    inner.timestamp_ms = message.timestamp_ms + (tag_ms - *first_ms);
    inner.payload.assign(tags.rest().begin(), tags.rest().begin() + length);
    tags.skip(length);
    if (tags.left() >= 4) tags.skip(4);
    if (inner.type == rtmp_audio || inner.type == rtmp_video) on_message(std::move(inner), now_us);
  }
}

void RtmpSession::on_command(const RtmpMessage& message, std::uint64_t now_us) {
  if (state_ != State::publishing && ++commands_ > rtmp_limits::commands_before_publish) {
    return close("too many commands before publish", now_us);
  }
  const auto values = read_amf0(message.payload);
  if (!values || values->size() < 2 || (*values)[0].kind() != AmfValue::Kind::text) {
    return close("a command is not AMF0", now_us);
  }
  const std::string& name = (*values)[0].as_text();
  const double transaction = (*values)[1].as_number();
  const AmfValue result = AmfValue::text("_result"), number = AmfValue::number(transaction);
  if (name == "connect") return on_connect(transaction, values->size() > 2 ? (*values)[2] : AmfValue(), now_us);
  if (!connected_) return close("a command came before connect", now_us);
  if (name == "publish") return on_publish(*values, message.stream, now_us);
  if (name == "createStream") return send_command(0, {result, number, AmfValue(), AmfValue::number(1)});
  if (name == "releaseStream" || name == "_checkbw") return send_command(0, {result, number, AmfValue(), AmfValue()});
  if (name == "FCPublish") {
    send_command(0, {result, number, AmfValue(), AmfValue()});
    return send_command(0, {AmfValue::text("onFCPublish"), AmfValue::number(0), AmfValue(),
                            AmfValue::object({{"level", AmfValue::text("status")},
                                              {"code", AmfValue::text("NetStream.Publish.Start")}})});
  }
  if (name == "FCUnpublish") {
    if (transaction != 0) send_command(0, {result, number, AmfValue(), AmfValue()});
    return;
  }
  if (name == "deleteStream" || name == "closeStream") {
    return stop_publishing("the source said that it ends", now_us);
  }
  if (name == "play" || name == "play2") {
    return end("NetStream.Play.Failed", "this address only takes a stream, it does not play one", now_us);
  }
}

void RtmpSession::on_connect(double transaction, const AmfValue& command, std::uint64_t now_us) {
  if (connected_) return close("connect came twice", now_us);
  connected_ = true;
  const AmfValue* app = command.find("app");
  const bool live = app != nullptr && app->as_text().size() <= max_app_bytes && without_slash(app->as_text()) == "live";
  if (!live) {
    send_command(0, {AmfValue::text("_error"), AmfValue::number(transaction), AmfValue(),
                     AmfValue::object({{"level", AmfValue::text("error")},
                                       {"code", AmfValue::text("NetConnection.Connect.Rejected")},
                                       {"description", AmfValue::text("the application is called \"live\": use "
                                                                      "rtmp://host:port/live")}})});
    return close("the application asked for is not \"live\"", now_us);
  }
  send_u32(rtmp_window_size, window_bytes_);
  RtmpMessage bandwidth{rtmp_peer_bandwidth, 0, 0, {}};
  BoxWriter(bandwidth.payload).u32(window_bytes_);
  BoxWriter(bandwidth.payload).u8(2);
  send(bandwidth, control_csid);
  send_u32(rtmp_set_chunk_size, answer_chunk_size);
  chunk_size_ = answer_chunk_size;
  send_command(0, {AmfValue::text("_result"), AmfValue::number(transaction),
                   AmfValue::object({{"fmsVer", AmfValue::text("FMS/3,0,1,123")}, {"capabilities", AmfValue::number(31)}}),
                   AmfValue::object({{"level", AmfValue::text("status")},
                                     {"code", AmfValue::text("NetConnection.Connect.Success")},
                                     {"description", AmfValue::text("connected")},
                                     {"objectEncoding", AmfValue::number(0)}})});
}

void RtmpSession::on_publish(const std::vector<AmfValue>& values, std::uint32_t stream, std::uint64_t now_us) {
  if (state_ != State::commands) return close("publish came twice", now_us);
  publish_stream_ = stream == 0 ? 1 : stream;
  offered_key_ = values.size() > 3 ? values[3].as_text() : std::string();
  const KeyGate::Try attempt = gate_.begin(address_, now_us);
  if (attempt.too_many) {
    offered_key_.clear();
    return end("NetStream.Publish.BadName", "too many wrong stream keys came from this address; wait a few seconds", now_us);
  }
  state_ = State::checking;
  deadline_us_ = attempt.answer_us;
  if (now_us >= deadline_us_) check_key(now_us);
}

void RtmpSession::check_key(std::uint64_t now_us) {
  const bool right = gate_.check(address_, offered_key_);
  offered_key_.assign(offered_key_.size(), '\0');
  offered_key_.clear();
  if (!right) {
    events_.push_back({RtmpEvent::Kind::refused_key, {}});
    return end("NetStream.Publish.BadName", "the stream key is not the right one; compare it with the one given to streamr-publish",
               now_us);
  }
  RtmpMessage begin{rtmp_user_control, 0, 0, {}};
  BoxWriter(begin.payload).u16(0);
  BoxWriter(begin.payload).u32(publish_stream_);
  send(begin, control_csid);
  send_status("status", "NetStream.Publish.Start", "the stream is taken");
  reader_.limit_messages(ChunkReader::max_message_bytes);
  state_ = State::publishing;
  deadline_us_ = now_us + rtmp_limits::silence_us;
  events_.push_back({RtmpEvent::Kind::publish, {}});
}

void RtmpSession::stop_publishing(std::string reason, std::uint64_t now_us) {
  if (state_ == State::publishing) send_status("status", "NetStream.Unpublish.Success", "the stream ended");
  close(std::move(reason), now_us);
}

void RtmpSession::send(const RtmpMessage& message, std::uint32_t csid) {
  write_rtmp_message(message, csid, chunk_size_, output_);
}

void RtmpSession::send_u32(std::uint8_t type, std::uint32_t value) {
  RtmpMessage message{type, 0, 0, {}};
  BoxWriter(message.payload).u32(value);
  send(message, control_csid);
}

void RtmpSession::send_command(std::uint32_t stream, const std::vector<AmfValue>& values) {
  RtmpMessage message{rtmp_command, 0, stream, {}};
  for (const AmfValue& value : values) write_amf0(value, message.payload);
  send(message, command_csid);
}

void RtmpSession::send_status(std::string_view level, std::string_view code, std::string_view sentence) {
  send_command(publish_stream_, {AmfValue::text("onStatus"), AmfValue::number(0), AmfValue(),
                                 AmfValue::object({{"level", AmfValue::text(level)},
                                                   {"code", AmfValue::text(code)},
                                                   {"description", AmfValue::text(sentence)}})});
}

std::optional<RtmpEvent> RtmpSession::poll() {
  if (events_.empty()) return std::nullopt;
  RtmpEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

}  // namespace streamr::publisher
