// Whatever a client says on the relay's port: HTTP requests through the adapter, or WebSocket frames after a handshake.
// What comes out must keep every limit, and must not depend on how the octets were cut on their way.
// The first octet chooses the reader, the second how the rest is cut.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "io/http_parser.hpp"
#include "io/ws_handshake.hpp"
#include "io/ws_receiver.hpp"

namespace {

using namespace streamr;
using namespace streamr::io;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

// Hands on `bytes` in pieces of `cut` octets (0: all at once) until `take` is satisfied.
template <class Take>
void in_pieces(ByteView bytes, std::size_t cut, Take take) {
  while (!bytes.empty()) {
    const std::size_t size = cut == 0 ? bytes.size() : std::min(cut, bytes.size());
    if (!take(bytes.subspan(0, size))) return;
    bytes = bytes.subspan(size);
  }
}

void check_head(const HttpHead& head) {
  require(head.target.size() <= http_limits::target_bytes, "a target above its limit was let through");
  require(head.headers.size() <= http_limits::fields, "more fields than allowed were let through");
  std::size_t bytes = 0, lengths = 0;
  for (const auto& [name, value] : head.headers) {
    bytes += name.size() + value.size();
    lengths += name == "content-length" || name == "transfer-encoding";
    require(!name.empty() && name.find_first_of(" \t:\r\n") == std::string::npos, "a header name that is no token");
    require(value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos,
            "a header value that splits an answer");
  }
  require(bytes <= http_limits::header_bytes, "a head above its limit was let through");
  require(lengths <= 1, "two lengths of one body were let through");
  if (asks_for_websocket(head)) (void)websocket_refusal(head);
}

std::string read_http(ByteView bytes, std::size_t cut) {
  HttpParser parser;
  std::string told;
  in_pieces(bytes, cut, [&](ByteView piece) {
    while (!piece.empty()) {
      switch (parser.feed(piece)) {
        case HttpParser::Step::more: require(piece.empty(), "octets were left though more was asked for"); break;
        case HttpParser::Step::head: check_head(parser.head()); break;
        case HttpParser::Step::complete: {
          check_head(parser.head());
          const auto body = parser.take_body();
          require(body.size() <= http_limits::body_bytes, "a body above its limit was let through");
          told += parser.head().method + " " + parser.head().target + " " + std::to_string(body.size()) + "\n";
          parser.reset();
          break;
        }
        case HttpParser::Step::refused:
          require(parser.refusal().status >= 400 && parser.refusal().status <= 505, "a refusal without a status");
          told += std::to_string(parser.refusal().status) + "\n";
          return false;
      }
    }
    return true;
  });
  return told;
}

struct Told : WsReceiver::Sink {
  std::string text;
  void on_ws_message(SharedBytes message) override {
    require(message.size() <= limits::message_bytes, "a message above its limit was let through");
    text += "message " + std::to_string(message.size()) + "\n";
  }
  void on_ws_text() override { text += "text\n"; }
  void on_ws_oversized() override { text += "oversized\n"; }
  void on_ws_ping(ByteView payload) override {
    require(payload.size() <= 125, "a ping above its limit was let through");
    text += "ping\n";
  }
  void on_ws_pong() override { text += "pong\n"; }
  void on_ws_close(std::uint16_t code) override { text += "close " + std::to_string(code) + "\n"; }
  bool ws_wanted() const override { return true; }
};

std::string read_frames(ByteView bytes, std::size_t cut) {
  Told told;
  WsReceiver receiver(told);
  in_pieces(bytes, cut, [&](ByteView piece) { return receiver.feed(piece); });
  return told.text + receiver.problem();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const ByteView rest(data + 2, size - 2);
  const std::size_t cut = 1 + data[1] % 97;
  if (data[0] & 1)
    require(read_frames(rest, 0) == read_frames(rest, cut), "frames are read differently when cut differently");
  else
    require(read_http(rest, 0) == read_http(rest, cut), "requests are read differently when cut differently");
  return 0;
}
