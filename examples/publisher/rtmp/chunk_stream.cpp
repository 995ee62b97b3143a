#include "publisher/rtmp/chunk_stream.hpp"

#include <algorithm>

#include "publisher/media/boxes.hpp"

namespace streamr::publisher {
namespace {

constexpr std::uint32_t extended_mark = 0xFFFFFF;
constexpr std::size_t field_bytes[] = {11, 7, 3, 0};

std::uint32_t big_endian(std::span<const std::uint8_t> bytes, std::size_t count) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value = value << 8 | bytes[i];
  return value;
}

std::uint32_t little_endian_u32(std::span<const std::uint8_t> bytes) {
  return static_cast<std::uint32_t>(bytes[0]) | static_cast<std::uint32_t>(bytes[1]) << 8 |
         static_cast<std::uint32_t>(bytes[2]) << 16 | static_cast<std::uint32_t>(bytes[3]) << 24;
}

}  // namespace

bool ChunkReader::fail(std::string reason) {
  if (failure_.empty()) failure_ = std::move(reason);
  input_.clear();
  streams_.clear();
  body_ = nullptr;
  return false;
}

bool ChunkReader::feed(std::span<const std::uint8_t> bytes) {
  if (!failure_.empty()) return false;
  input_.insert(input_.end(), bytes.begin(), bytes.end());
  std::size_t at = 0;
  while (failure_.empty()) {
    const auto rest = std::span<const std::uint8_t>(input_).subspan(at);
    const std::size_t used = body_ != nullptr ? read_body(rest) : read_header(rest);
    if (used == 0) break;
    at += used;
  }
  if (!failure_.empty()) return false;
  input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(at));
  return true;
}

std::optional<ChunkReader::Header> ChunkReader::read_basic(std::span<const std::uint8_t> bytes) const {
  if (bytes.empty()) return std::nullopt;
  Header header{bytes[0] & 0x3Fu, static_cast<unsigned>(bytes[0]) >> 6, 1};
  if (header.csid == 0) {
    if (bytes.size() < 2) return std::nullopt;
    header.csid = 64u + bytes[1];
    header.basic_bytes = 2;
  } else if (header.csid == 1) {
    if (bytes.size() < 3) return std::nullopt;
    header.csid = 64u + bytes[1] + 256u * bytes[2];
    header.basic_bytes = 3;
  }
  return header;
}

std::size_t ChunkReader::read_header(std::span<const std::uint8_t> bytes) {
  const auto header = read_basic(bytes);
  if (!header) return 0;
  const std::size_t fields = field_bytes[header->format];
  if (bytes.size() < header->basic_bytes + fields) return 0;
  const auto known = streams_.find(header->csid);
  if (known == streams_.end() && header->format != 0) {
    fail("a chunk stream begins without a full header");
    return 0;
  }
  if (known == streams_.end() && streams_.size() == max_chunk_streams) {
    fail("more than 64 chunk streams");
    return 0;
  }
  const auto at = bytes.subspan(header->basic_bytes);
  const bool extended = fields > 0 ? big_endian(at, 3) == extended_mark : known->second.extended;
  std::size_t used = header->basic_bytes + fields;
  if (extended && bytes.size() < used + 4) return 0;

  Stream& stream = streams_[header->csid];
  if (stream.open && header->format != 3) {
    fail("a message begins before the one on its chunk stream is whole");
    return 0;
  }
  if (fields > 0) stream.field = big_endian(at, 3);
  if (fields >= 7) {
    stream.length = big_endian(at.subspan(3), 3);
    stream.type = at[6];
  }
  if (fields == 11) stream.id = little_endian_u32(at.subspan(7));
  if (extended) {
    const std::uint32_t value = big_endian(bytes.subspan(used), 4);
    // Some encoders leave the field out of continuing chunks; then these four octets are media.
    if (fields > 0 || value == stream.field) used += 4;
    if (fields > 0) stream.field = value;
  }
  stream.extended = extended;
  if (!stream.open && !begin_message(stream, *header, fields > 0)) return 0;
  body_ = &stream;
  body_left_ = std::min<std::size_t>(chunk_size_, stream.length - stream.payload.size());
  if (stream.length == 0 && !complete(stream)) return 0;
  return used;
}

bool ChunkReader::begin_message(Stream& stream, const Header& header, bool had_fields) {
  if (had_fields) stream.delta = stream.field;
  stream.timestamp = header.format == 0 ? stream.field : stream.timestamp + stream.delta;
  stream.any = true;
  const bool command = stream.type != rtmp_audio && stream.type != rtmp_video && stream.type != rtmp_aggregate;
  const std::size_t limit = command ? std::min(message_limit_, max_command_bytes) : message_limit_;
  if (stream.length > limit) {
    return fail("a message of " + std::to_string(stream.length) + " bytes is over the limit of " +
                std::to_string(limit));
  }
  stream.open = true;
  stream.payload.clear();
  return true;
}

std::size_t ChunkReader::read_body(std::span<const std::uint8_t> bytes) {
  const std::size_t count = std::min(bytes.size(), body_left_);
  if (count == 0) return 0;
  pending_bytes_ += count;
  if (pending_bytes_ > max_pending_bytes) {
    fail("more than 16 MiB of unfinished messages");
    return 0;
  }
  body_->payload.insert(body_->payload.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
  body_left_ -= count;
  if (body_left_ > 0) return count;
  if (body_->payload.size() < body_->length) {
    body_ = nullptr;  // the next chunk may belong to another stream
    return count;
  }
  return complete(*body_) ? count : 0;
}

bool ChunkReader::complete(Stream& stream) {
  body_ = nullptr;
  stream.open = false;
  pending_bytes_ -= stream.payload.size();
  RtmpMessage message{stream.type, stream.timestamp, stream.id, std::move(stream.payload)};
  stream.payload.clear();
  if (message.type == rtmp_set_chunk_size || message.type == rtmp_abort) return on_control(message);
  messages_.push_back(std::move(message));
  return true;
}

bool ChunkReader::on_control(const RtmpMessage& message) {
  if (message.payload.size() < 4) return fail("a protocol control message is shorter than its field");
  const std::uint32_t value = big_endian(message.payload, 4);
  if (message.type == rtmp_set_chunk_size) {
    if (value == 0 || value > 0xFFFFFF) return fail("a chunk size outside 1 to 16777215");
    chunk_size_ = value;
    return true;
  }
  const auto aborted = streams_.find(value);
  if (aborted != streams_.end() && aborted->second.open) {
    pending_bytes_ -= aborted->second.payload.size();
    aborted->second.payload.clear();
    aborted->second.open = false;
  }
  return true;
}

std::optional<RtmpMessage> ChunkReader::poll() {
  if (messages_.empty()) return std::nullopt;
  RtmpMessage message = std::move(messages_.front());
  messages_.pop_front();
  return message;
}

void write_rtmp_message(const RtmpMessage& message, std::uint32_t csid, std::size_t chunk_size,
                        std::vector<std::uint8_t>& out) {
  BoxWriter writer(out);
  writer.u8(static_cast<std::uint8_t>(csid & 0x3F));
  const bool extended = message.timestamp_ms >= extended_mark;
  writer.u24(extended ? extended_mark : message.timestamp_ms);
  writer.u24(static_cast<std::uint32_t>(message.payload.size()));
  writer.u8(message.type);
  for (int shift = 0; shift < 32; shift += 8) writer.u8(static_cast<std::uint8_t>(message.stream >> shift));
  if (extended) writer.u32(message.timestamp_ms);
  std::size_t at = 0;
  while (at < message.payload.size()) {
    if (at > 0) {
      writer.u8(static_cast<std::uint8_t>(0xC0 | (csid & 0x3F)));
      if (extended) writer.u32(message.timestamp_ms);
    }
    const std::size_t count = std::min(chunk_size, message.payload.size() - at);
    writer.bytes(std::span<const std::uint8_t>(message.payload).subspan(at, count));
    at += count;
  }
}

}  // namespace streamr::publisher
