// Decides whether a server's answer opens a WebSocket of this protocol (RFC 6455 §4.1), what the request says, and how
// a client's frames are written. Never keeps a socket, never buffers beyond its limit. Called by io/dialer and a
// fuzzer.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "io/address.hpp"
#include "io/ws_frame.hpp"

namespace streamr::io {

class WsClientHandshake {
 public:
  enum class Step : std::uint8_t {
    more,     // all octets were taken, the answer is not whole
    open,     // octets that follow were not taken: they are frames
    refused,  // problem() says why
  };
  static constexpr std::size_t answer_bytes = 8 * 1024;
  using Key = std::array<std::uint8_t, 16>;

  // `key` is random.
  explicit WsClientHandshake(const Key& key);

  std::string request(const WsUrl& url) const;
  // Takes octets from the front of `bytes`.
  Step feed(ByteView& bytes);
  const std::string& problem() const { return problem_; }

 private:
  Step judge();
  Step refuse(std::string why);

  std::string key_;  // in base64
  std::string head_;
  std::string problem_;
};

// One whole masked frame; the pieces are copied once, under the mask.
SharedBytes ws_client_frame(std::uint8_t first_octet, std::span<const SharedBytes> pieces, const WsMask& mask);

}  // namespace streamr::io
