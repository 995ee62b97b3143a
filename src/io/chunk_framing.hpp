// Decides whether the octets around a chunked body are exactly RFC 9112 §7.1: hex size, perhaps an extension, CR LF at
// every place and nowhere else. The kept parser forgives some of it where a distribution built it without its strict
// mode. Never keeps or copies a body. Called by http_parser.
#pragma once

#include <cstdint>

#include "base/bytes.hpp"

namespace streamr::io {

class ChunkFraming {
 public:
  // Walks to the end of the body or of `bytes`; false: the framing is broken.
  bool take(ByteView bytes);

 private:
  enum class At : std::uint8_t {
    size,
    extension,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailer_start,
    trailer,
    trailer_lf,
    last_lf,
    done,
  };
  bool step(std::uint8_t octet);
  bool step_size(std::uint8_t octet);
  bool go(At next) {
    at_ = next;
    return true;
  }

  At at_ = At::size;
  std::uint64_t left_ = 0;  // of the size while it is read, of the data then
  std::uint8_t digits_ = 0;
};

}  // namespace streamr::io
