// Decides: how RTMP chunks become messages and messages become chunks, with a bound on everything a peer can announce.
// Never: answers, and never reserves memory for a length that has not arrived.
// Called by: session.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace streamr::publisher {

enum RtmpType : std::uint8_t {
  rtmp_set_chunk_size = 1,
  rtmp_abort = 2,
  rtmp_acknowledgement = 3,
  rtmp_user_control = 4,
  rtmp_window_size = 5,
  rtmp_peer_bandwidth = 6,
  rtmp_audio = 8,
  rtmp_video = 9,
  rtmp_data_amf3 = 15,
  rtmp_command_amf3 = 17,
  rtmp_data = 18,
  rtmp_command = 20,
  rtmp_aggregate = 22,
};

struct RtmpMessage {
  std::uint8_t type = 0;
  std::uint32_t timestamp_ms = 0;
  std::uint32_t stream = 0;
  std::vector<std::uint8_t> payload;
};

class ChunkReader {
 public:
  static constexpr std::size_t max_message_bytes = 8u << 20;   // a key frame of 4K video at a high rate
  static constexpr std::size_t max_pending_bytes = 16u << 20;  // unfinished messages of a connection together
  static constexpr std::size_t max_chunk_streams = 64;
  static constexpr std::size_t max_command_bytes = 64u << 10;

  // False once the bytes break a rule; failure() says which.
  bool feed(std::span<const std::uint8_t> bytes);
  std::optional<RtmpMessage> poll();
  const std::string& failure() const { return failure_; }
  // Before a publisher proved its key only small messages are taken.
  void limit_messages(std::size_t bytes) { message_limit_ = bytes; }

 private:
  struct Stream {
    bool any = false;
    bool extended = false;
    std::uint32_t field = 0;      // timestamp or delta as last sent
    std::uint32_t delta = 0;
    std::uint32_t timestamp = 0;
    std::uint32_t length = 0;
    std::uint8_t type = 0;
    std::uint32_t id = 0;
    std::vector<std::uint8_t> payload;
    bool open = false;
  };
  struct Header {
    std::uint32_t csid = 0;
    unsigned format = 0;
    std::size_t basic_bytes = 0;
  };
  bool fail(std::string reason);
  std::optional<Header> read_basic(std::span<const std::uint8_t> bytes) const;
  // Bytes used, 0 where more are needed or the rules are broken.
  std::size_t read_header(std::span<const std::uint8_t> bytes);
  bool begin_message(Stream& stream, const Header& header, bool had_fields);
  std::size_t read_body(std::span<const std::uint8_t> bytes);
  bool complete(Stream& stream);
  bool on_control(const RtmpMessage& message);

  std::vector<std::uint8_t> input_;
  std::map<std::uint32_t, Stream> streams_;
  Stream* body_ = nullptr;
  std::size_t body_left_ = 0;
  std::size_t chunk_size_ = 128;
  std::size_t message_limit_ = max_message_bytes;
  std::size_t pending_bytes_ = 0;
  std::deque<RtmpMessage> messages_;
  std::string failure_;
};

// Writes one message as chunks of `chunk_size`, with a full header first.
void write_rtmp_message(const RtmpMessage& message, std::uint32_t csid, std::size_t chunk_size,
                        std::vector<std::uint8_t>& out);

}  // namespace streamr::publisher
