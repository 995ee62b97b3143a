// Decides: how SRW/1 viewers take a pushed stream: handshake, one subscription, every slice timed on arrival.
// Never: verifies; a viewer's work is not what is measured, and its core is not the server's.
// Called by: bench/load/main.
#pragma once

#include <array>
#include <memory>

#include "crypto/crypto.hpp"
#include "load/load.hpp"
#include "proto/frames.hpp"

namespace streamr::bench {

class PushLoad {
 public:
  PushLoad(LoadOptions options, const Arguments& arguments);
  ~PushLoad();
  void run();

 private:
  struct Open {
    std::uint32_t chunk_ref = 0, slices_left = 0;
    std::uint64_t ordinal = 0;
  };
  struct Client {
    int fd = -1;
    crypto::KeyPair key;
    Hash hello_hash;
    bool subscribed = false;
    std::uint64_t message_left = 0;      // octets of the WebSocket message under way
    std::uint8_t opcode = 2;
    std::uint8_t head_held = 0;          // octets in `head`
    std::array<std::uint8_t, 10> head;
    std::uint32_t frame_left = 0;        // octets of the frame's payload still to come
    std::uint32_t frame_length = 0;
    std::uint8_t frame_held = 0;         // octets in `frame`
    std::array<std::uint8_t, 8> frame;
    std::uint16_t start_held = 0;        // octets in `start`
    std::array<std::uint8_t, 264> start; // how a payload, or a control message, begins
    std::array<Open, 16> open;
    std::uint64_t part_ns = 0;           // when the last part became whole

    explicit Client(const crypto::KeyPair& own) : key(own) {}
  };

  void open(Client& client, std::uint32_t index);
  void send_message(const Client& client, const ByteVector& frame, std::uint8_t opcode = 2) const;
  bool readable(Client& client);
  void take(Client& client, const std::uint8_t* data, std::size_t size);
  bool take_message_head(Client& client, std::uint8_t octet);
  void take_frames(Client& client, const std::uint8_t* data, std::size_t size);
  void take_frame(Client& client);
  static Open& slot(Client& client, std::uint32_t chunk_ref);
  void take_chunk(Client& client, const std::uint8_t* payload);
  void take_slice(Client& client, const std::uint8_t* payload, std::uint32_t length);
  void fail(Client& client, const std::string& why);

  LoadOptions options_;
  StreamId stream_;
  bool stall_, idle_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::uint8_t> buffer_;
  Poller poller_;
  Tally tally_;
  bool measuring_ = false;
};

}  // namespace streamr::bench
