// Decides what octets from a WebSocket peer mean: messages, pings, close, or a breach of RFC 6455 (framing by wslay).
// Never sends, never buffers a message beyond limits::message_bytes, never looks inside a message.
// Called by io/connection and the HTTP fuzzer.
#pragma once

#include <memory>
#include <string>

#include "base/bytes.hpp"
#include "base/types.hpp"

struct wslay_frame_context;

namespace streamr::io {

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

  explicit WsReceiver(Sink& sink);
  ~WsReceiver();
  WsReceiver(const WsReceiver&) = delete;
  WsReceiver& operator=(const WsReceiver&) = delete;

  // False: the peer broke the framing; `problem` says how, and nothing more is read.
  bool feed(ByteView bytes);
  const std::string& problem() const { return problem_; }

 private:
  enum class Discard : std::uint8_t { no, text, oversized };

  bool begin_frame(std::uint8_t opcode, bool fin, std::uint8_t rsv, bool masked, std::uint64_t length);
  bool take(ByteView octets);
  bool end_frame();
  bool breach(std::string what);

  Sink& sink_;
  wslay_frame_context* context_ = nullptr;
  ByteView input_;
  std::string problem_;
  // the frame that is coming in
  bool in_frame_ = false;
  bool fin_ = false;
  std::uint8_t opcode_ = 0;
  std::uint64_t frame_left_ = 0;
  ByteVector control_;
  // the message that is coming in
  bool in_message_ = false;
  Discard discard_ = Discard::no;
  ByteVector message_;
};

}  // namespace streamr::io
