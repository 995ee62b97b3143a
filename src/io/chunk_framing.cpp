#include "io/chunk_framing.hpp"

#include <algorithm>

namespace streamr::io {
namespace {

constexpr std::uint8_t digits_max = 8;  // far above any body that is accepted

int hex_value(std::uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_text(std::uint8_t c) {
  return c == '\t' || (c >= 0x20 && c != 0x7F);
}

}  // namespace

bool ChunkFraming::take(ByteView bytes) {
  while (!bytes.empty() && at_ != At::done) {
    if (at_ == At::data) {
      const std::uint64_t skipped = std::min<std::uint64_t>(left_, bytes.size());
      left_ -= skipped;
      bytes = bytes.subspan(static_cast<std::size_t>(skipped));
      if (left_ == 0) at_ = At::data_cr;
      continue;
    }
    if (!step(bytes.front())) return false;
    bytes = bytes.subspan(1);
  }
  return true;
}

bool ChunkFraming::step_size(std::uint8_t octet) {
  if (const int value = hex_value(octet); value >= 0) {
    left_ = left_ * 16 + static_cast<unsigned>(value);
    return ++digits_ <= digits_max;
  }
  if (digits_ == 0) return false;
  if (octet == '\r') return go(At::size_lf);
  return octet == ';' && go(At::extension);
}

bool ChunkFraming::step(std::uint8_t octet) {
  switch (at_) {
    case At::size: return step_size(octet);
    case At::extension: return octet == '\r' ? go(At::size_lf) : is_text(octet);
    case At::size_lf: digits_ = 0; return octet == '\n' && go(left_ == 0 ? At::trailer_start : At::data);
    case At::data_cr: return octet == '\r' && go(At::data_lf);
    case At::data_lf: return octet == '\n' && go(At::size);
    case At::trailer_start: return octet == '\r' ? go(At::last_lf) : is_text(octet) && go(At::trailer);
    case At::trailer: return octet == '\r' ? go(At::trailer_lf) : is_text(octet);
    case At::trailer_lf: return octet == '\n' && go(At::trailer_start);
    case At::last_lf: return octet == '\n' && go(At::done);
    case At::data:
    case At::done: break;
  }
  return false;
}

}  // namespace streamr::io
