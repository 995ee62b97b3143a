// Decides: one RTMP connection from handshake to media: what is answered, when it publishes, why it ends.
// Never: touches a socket or a clock, starts ffmpeg, or lets a byte of media through before the key was right.
// Called by: rtmp server.
#pragma once

#include "publisher/rtmp/amf0.hpp"
#include "publisher/rtmp/chunk_stream.hpp"
#include "publisher/rtmp/key_gate.hpp"

namespace streamr::publisher {

namespace rtmp_limits {
inline constexpr std::uint64_t handshake_us = 5'000'000;
inline constexpr std::uint64_t until_publish_us = 15'000'000;
inline constexpr std::uint64_t silence_us = 30'000'000;
inline constexpr std::uint64_t linger_us = 500'000;  // for the last answer to be read
inline constexpr std::size_t commands_before_publish = 32;
inline constexpr std::size_t message_before_publish = 16u << 10;
inline constexpr std::size_t unread_answers = 64u << 10;
}  // namespace rtmp_limits

struct RtmpEvent {
  enum class Kind : std::uint8_t { publish, media, unpublish, refused_key };
  Kind kind = Kind::media;
  RtmpMessage message;  // media: audio, video or data
};

class RtmpSession {
 public:
  // `random` fills the server's part of the handshake.
  RtmpSession(KeyGate& gate, std::string address, std::uint64_t now_us, std::uint64_t random);

  void on_bytes(std::span<const std::uint8_t> bytes, std::uint64_t now_us);
  void on_time(std::uint64_t now_us);
  // Another connection took the place, or the source is refused: says why and closes.
  void end(std::string_view code, std::string_view sentence, std::uint64_t now_us);
  std::optional<RtmpEvent> poll();

  std::vector<std::uint8_t>& output() { return output_; }
  bool publishing() const { return state_ == State::publishing; }
  // Nothing more is read; the connection goes when output is sent or close_at_us has come.
  bool closing() const { return state_ == State::closing; }
  std::uint64_t deadline_us() const { return deadline_us_; }
  // Why it closes, for the log; never holds what the peer sent.
  const std::string& reason() const { return reason_; }

 private:
  enum class State : std::uint8_t { hello, proof, commands, checking, publishing, closing };

  void close(std::string reason, std::uint64_t now_us);
  void on_handshake(std::uint64_t now_us);
  void on_message(RtmpMessage message, std::uint64_t now_us);
  void on_aggregate(const RtmpMessage& message, std::uint64_t now_us);
  void on_command(const RtmpMessage& message, std::uint64_t now_us);
  void on_connect(double transaction, const AmfValue& command, std::uint64_t now_us);
  void on_publish(const std::vector<AmfValue>& values, std::uint32_t stream, std::uint64_t now_us);
  void check_key(std::uint64_t now_us);
  void stop_publishing(std::string reason, std::uint64_t now_us);
  void acknowledge(std::size_t bytes);
  void send(const RtmpMessage& message, std::uint32_t csid);
  void send_u32(std::uint8_t type, std::uint32_t value);
  void send_command(std::uint32_t stream, const std::vector<AmfValue>& values);
  void send_status(std::string_view level, std::string_view code, std::string_view sentence);

  KeyGate& gate_;
  std::string address_;
  State state_ = State::hello;
  std::uint64_t deadline_us_;
  std::uint64_t random_;
  std::vector<std::uint8_t> handshake_;
  ChunkReader reader_;
  std::size_t chunk_size_ = 128;
  std::vector<std::uint8_t> output_;
  std::deque<RtmpEvent> events_;
  std::size_t commands_ = 0;
  bool connected_ = false;
  std::string offered_key_;
  std::uint32_t publish_stream_ = 1;
  std::uint32_t window_bytes_ = 2'500'000;
  std::uint32_t received_bytes_ = 0;
  std::uint32_t acknowledged_bytes_ = 0;
  std::string reason_;
};

}  // namespace streamr::publisher
