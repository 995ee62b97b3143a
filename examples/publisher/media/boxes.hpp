// Decides: how ISO base media boxes are walked and written; every length is checked against what is there.
// Never: knows what a box means.
// Called by: init_section, fragment, part_writer.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace streamr::publisher {

using Bytes = std::vector<std::uint8_t>;
using ByteSpan = std::span<const std::uint8_t>;

constexpr std::uint32_t fourcc(const char (&name)[5]) {
  return static_cast<std::uint32_t>(static_cast<unsigned char>(name[0])) << 24 |
         static_cast<std::uint32_t>(static_cast<unsigned char>(name[1])) << 16 |
         static_cast<std::uint32_t>(static_cast<unsigned char>(name[2])) << 8 |
         static_cast<std::uint32_t>(static_cast<unsigned char>(name[3]));
}
std::string fourcc_text(std::uint32_t type);

// Reads big-endian integers; after the first read past the end everything reads as 0 and ok() is false.
class FieldReader {
 public:
  explicit FieldReader(ByteSpan bytes) : rest_(bytes) {}
  std::uint8_t u8() { return static_cast<std::uint8_t>(take(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(take(2)); }
  std::uint32_t u24() { return static_cast<std::uint32_t>(take(3)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(take(4)); }
  std::uint64_t u64() { return take(8); }
  void skip(std::size_t count);
  bool ok() const { return ok_; }
  std::size_t left() const { return rest_.size(); }
  ByteSpan rest() const { return rest_; }

 private:
  std::uint64_t take(std::size_t count);
  ByteSpan rest_;
  bool ok_ = true;
};

struct Box {
  std::uint32_t type = 0;
  ByteSpan payload;          // after the box header
  std::size_t header_bytes = 8;
};

// What the first octets of a box say: its type, the bytes of its header and of the whole.
struct BoxHead {
  std::uint32_t type = 0;
  std::size_t header_bytes = 8;
  std::uint64_t total_bytes = 0;
};
enum class HeadState { whole, needs_more, malformed };
HeadState read_box_head(ByteSpan bytes, BoxHead& head);

// Walks the boxes that lie one after the other in `bytes`; ends early with ok() false where a length does not fit.
class BoxWalker {
 public:
  explicit BoxWalker(ByteSpan bytes) : rest_(bytes) {}
  std::optional<Box> next();
  bool ok() const { return ok_; }

 private:
  ByteSpan rest_;
  bool ok_ = true;
};

// The first box of that type inside `bytes`.
std::optional<Box> find_box(ByteSpan bytes, std::uint32_t type);

// Appends boxes; begin() and end() must pair, the length is filled in by end().
class BoxWriter {
 public:
  explicit BoxWriter(Bytes& out) : out_(out) {}
  std::size_t begin(std::uint32_t type);
  std::size_t begin_full(std::uint32_t type, std::uint8_t version, std::uint32_t flags);
  void end(std::size_t mark);
  void u8(std::uint8_t value) { put(value, 1); }
  void u16(std::uint16_t value) { put(value, 2); }
  void u24(std::uint32_t value) { put(value, 3); }
  void u32(std::uint32_t value) { put(value, 4); }
  void u64(std::uint64_t value) { put(value, 8); }
  void bytes(ByteSpan data) { out_.insert(out_.end(), data.begin(), data.end()); }
  std::size_t size() const { return out_.size(); }
  void patch_u32(std::size_t at, std::uint32_t value);

 private:
  void put(std::uint64_t value, int count);
  Bytes& out_;
};

}  // namespace streamr::publisher
