// Decides what octets from a WebSocket peer mean: messages, pings, close, or a breach of RFC 6455.
// Never sends, never buffers a message beyond limits::message_bytes, never looks inside a message. A message is copied
// once, out of the octets that were read, and an idle receiver holds no memory besides itself.
// Called by io/connection, io/dialer and the HTTP fuzzer.
#pragma once

#include <memory>

#include "base/bytes.hpp"
#include "base/types.hpp"
#include "io/ws_frame.hpp"

namespace streamr::io {

// Which side reads: a client's frames come masked, a server's never do.
enum class WsReads : std::uint8_t { client, server };

class WsReceiver {
 public:
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void on_ws_message(SharedBytes message) = 0;
    virtual void on_ws_text() = 0;       // told when it begins; its octets are discarded
    virtual void on_ws_oversized() = 0;  // likewise
    virtual void on_ws_ping(ByteView payload) = 0;
    virtual void on_ws_pong() = 0;
    virtual void on_ws_close(std::uint16_t code) = 0;  // 1005 where the peer named none
    virtual bool ws_wanted() const = 0;                // false stops the walk through what was read
  };

  explicit WsReceiver(Sink& sink, WsReads from = WsReads::client) : sink_(sink), from_(from) {}
  WsReceiver(const WsReceiver&) = delete;
  WsReceiver& operator=(const WsReceiver&) = delete;

  // False: the peer broke the framing; `problem` says how, and nothing more is read.
  bool feed(ByteView bytes) { return feed_some(bytes, SIZE_MAX); }
  // Takes at most `frames` frames from the front of `bytes`.
  bool feed_some(ByteView& bytes, std::size_t frames);
  const char* problem() const { return problem_; }

 private:
  enum class Discard : std::uint8_t { no, text, oversized };

  bool take_header(ByteView& bytes);
  std::size_t header_size() const;
  bool read_header();
  bool begin_frame();
  bool begin_data();
  void take(ByteView octets);
  void make_room(std::size_t octets);
  bool end_frame();
  bool breach(const char* what);
  bool in_control() const { return opcode_ >= ws_opcode::close; }

  Sink& sink_;
  const char* problem_ = "";
  WsReads from_;
  // the frame that is coming in
  bool in_frame_ = false;
  bool fin_ = false;
  std::uint8_t opcode_ = 0;
  std::uint8_t header_have_ = 0;
  std::uint8_t control_have_ = 0;
  std::array<std::uint8_t, 14> header_{};
  WsMask mask_{};
  std::uint64_t frame_place_ = 0;  // octets of the payload that came
  std::uint64_t frame_left_ = 0;
  std::unique_ptr<std::array<std::uint8_t, 125>> control_;
  // the message that is coming in
  bool in_message_ = false;
  Discard discard_ = Discard::no;
  std::shared_ptr<std::uint8_t[]> message_;
  std::uint32_t message_room_ = 0;
  std::uint32_t message_have_ = 0;
};

}  // namespace streamr::io
