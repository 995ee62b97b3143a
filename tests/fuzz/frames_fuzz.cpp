// Any octets as one message: the reader ends, no decoder reads outside, and what was read is written again alike.
#include <cstdlib>

#include "proto/frames.hpp"

using namespace streamr;
using namespace streamr::proto;

namespace {

void require(bool held) {
  if (!held) std::abort();
}

struct Encode {
  std::uint16_t sub;
  ByteVector operator()(const Ignored&) const { return {}; }
  ByteVector operator()(const Welcome&) const { return {}; }  // needs the relay's key
  ByteVector operator()(const Subscribe& body) const { return encode(body, sub); }
  ByteVector operator()(const SubOk& body) const { return encode(body, sub); }
  ByteVector operator()(const SubEnd& body) const { return encode(body, sub); }
  ByteVector operator()(const Chunk& body) const { return encode(body, sub); }
  ByteVector operator()(const Slice& body) const { return encode(body, sub); }
  ByteVector operator()(const Drop& body) const { return encode(body, sub); }
  ByteVector operator()(const Fetch& body) const { return encode(body, sub); }
  template <class Body>
  ByteVector operator()(const Body& body) const {
    return encode(body);
  }
};

// Reserved octets, TLVs and unknown flags do not come back; the canonical frame must then stand still.
void check_frame(const Frame& frame) {
  const ByteVector canonical = std::visit(Encode{frame.header.sub}, frame.body);
  if (canonical.empty()) return;
  require(canonical.size() <= frame.payload.size() + frame_header_bytes);
  FrameReader reader(canonical);
  const auto raw = reader.next();
  require(raw.ok() && raw->has_value());
  const auto again = decode_frame(**raw);
  require(again.ok());
  require(again->body.index() == frame.body.index());
  require(std::visit(Encode{frame.header.sub}, again->body) == canonical);
  if (const auto* chunk = std::get_if<Chunk>(&frame.body)) require(chunk->leaves.size() == chunk->header.slice_count);
}

void check_error(const Error& error) {
  require(error.wire == Wire::malformed || error.wire == Wire::unknown_critical || error.wire == Wire::limit);
  require(!error.text.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView message(data, size);
  FrameReader reader(message);
  std::size_t walked = 0;
  for (;;) {
    const auto raw = reader.next();
    if (!raw) {
      check_error(raw.error());
      const auto after = reader.next();
      require(after.ok() && !after->has_value());
      return 0;
    }
    if (!raw->has_value()) break;
    walked += frame_header_bytes + (*raw)->payload.size();
    const auto frame = decode_frame(**raw);
    if (frame)
      check_frame(*frame);
    else
      check_error(frame.error());
  }
  require(walked == size);
  return 0;
}
