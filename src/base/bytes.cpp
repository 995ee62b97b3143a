#include "base/bytes.hpp"

#include <algorithm>

namespace streamr {

namespace {

constexpr char digits[] = "0123456789abcdef";

// 16 for anything that is no lower-case hex digit, so that one comparison of the joined nibbles refuses it.
unsigned nibble(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
  return 16;
}

}  // namespace

std::string to_hex(ByteView bytes) {
  std::string text(bytes.size() * 2, '\0');
  char* to = text.data();
  for (std::uint8_t octet : bytes) {
    *to++ = digits[octet >> 4];
    *to++ = digits[octet & 15];
  }
  return text;
}

bool from_hex(std::string_view text, std::span<std::uint8_t> out) {
  if (text.size() % 2 != 0 || text.size() / 2 != out.size()) return false;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const unsigned high = nibble(text[2 * i]);
    const unsigned low = nibble(text[2 * i + 1]);
    if (high > 15 || low > 15) return false;
    out[i] = static_cast<std::uint8_t>((high << 4) | low);
  }
  return true;
}

SharedBytes SharedBytes::copy(ByteView bytes) {
  SharedBytes out;
  if (bytes.empty()) return out;
  // One block for counter and octets: a copy is made once per slice on the way in.
  auto block = std::make_shared_for_overwrite<std::uint8_t[]>(bytes.size());
  std::memcpy(block.get(), bytes.data(), bytes.size());
  out.data_ = block.get();
  out.size_ = bytes.size();
  out.owner_ = std::move(block);
  return out;
}

SharedBytes SharedBytes::take(ByteVector&& bytes) {
  SharedBytes out;
  if (bytes.empty()) return out;
  auto owner = std::make_shared<const ByteVector>(std::move(bytes));
  out.data_ = owner->data();
  out.size_ = owner->size();
  out.owner_ = std::move(owner);
  return out;
}

SharedBytes SharedBytes::hold(std::shared_ptr<const std::uint8_t[]> block, std::size_t size) {
  SharedBytes out;
  if (size == 0) return out;
  out.data_ = block.get();
  out.size_ = size;
  out.owner_ = std::move(block);
  return out;
}

SharedBytes SharedBytes::hold(std::shared_ptr<const void> owner, const std::uint8_t* data, std::size_t size,
                              const FileSpan* file) {
  SharedBytes out;
  out.owner_ = std::move(owner);
  out.data_ = data;
  out.size_ = size;
  out.file_ = file;
  return out;
}

SharedBytes SharedBytes::slice(std::size_t offset, std::size_t length) const {
  SharedBytes out;
  if (offset >= size_) return out;
  out.size_ = std::min(length, size_ - offset);
  if (out.size_ == 0) return out;
  out.data_ = data_ + offset;
  out.owner_ = owner_;
  out.file_ = file_;
  return out;
}

}  // namespace streamr
