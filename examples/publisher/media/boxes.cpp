#include "publisher/media/boxes.hpp"

namespace streamr::publisher {

std::string fourcc_text(std::uint32_t type) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) {
    const char c = static_cast<char>(type >> shift & 0xFF);
    text += c >= 0x20 && c < 0x7F ? c : '?';
  }
  return text;
}

std::uint64_t FieldReader::take(std::size_t count) {
  if (!ok_ || rest_.size() < count) {
    ok_ = false;
    rest_ = {};
    return 0;
  }
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value = value << 8 | rest_[i];
  rest_ = rest_.subspan(count);
  return value;
}

void FieldReader::skip(std::size_t count) {
  if (!ok_ || rest_.size() < count) {
    ok_ = false;
    rest_ = {};
    return;
  }
  rest_ = rest_.subspan(count);
}

HeadState read_box_head(ByteSpan bytes, BoxHead& head) {
  if (bytes.size() < 8) return HeadState::needs_more;
  FieldReader reader(bytes);
  head.total_bytes = reader.u32();
  head.type = reader.u32();
  head.header_bytes = 8;
  if (head.total_bytes == 1) {
    if (bytes.size() < 16) return HeadState::needs_more;
    head.total_bytes = reader.u64();
    head.header_bytes = 16;
  }
  // 0 means "to the end of the file", which a live stream does not have.
  return head.total_bytes < head.header_bytes ? HeadState::malformed : HeadState::whole;
}

std::optional<Box> BoxWalker::next() {
  if (!ok_ || rest_.empty()) return std::nullopt;
  BoxHead head;
  if (read_box_head(rest_, head) != HeadState::whole || head.total_bytes > rest_.size()) {
    ok_ = false;
    return std::nullopt;
  }
  const auto total = static_cast<std::size_t>(head.total_bytes);
  Box box{head.type, rest_.subspan(head.header_bytes, total - head.header_bytes), head.header_bytes};
  rest_ = rest_.subspan(total);
  return box;
}

std::optional<Box> find_box(ByteSpan bytes, std::uint32_t type) {
  BoxWalker walker(bytes);
  while (auto box = walker.next()) {
    if (box->type == type) return box;
  }
  return std::nullopt;
}

void BoxWriter::put(std::uint64_t value, int count) {
  for (int shift = 8 * (count - 1); shift >= 0; shift -= 8) out_.push_back(static_cast<std::uint8_t>(value >> shift));
}

std::size_t BoxWriter::begin(std::uint32_t type) {
  const std::size_t mark = out_.size();
  u32(0);
  u32(type);
  return mark;
}

std::size_t BoxWriter::begin_full(std::uint32_t type, std::uint8_t version, std::uint32_t flags) {
  const std::size_t mark = begin(type);
  u8(version);
  u24(flags);
  return mark;
}

void BoxWriter::end(std::size_t mark) { patch_u32(mark, static_cast<std::uint32_t>(out_.size() - mark)); }

void BoxWriter::patch_u32(std::size_t at, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) out_[at + i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
}

}  // namespace streamr::publisher
