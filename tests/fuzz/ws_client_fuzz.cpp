// Whatever a server says to a node that dialled it: the answer to the handshake, then frames. What is read must not
// depend on how the octets were cut on their way. The first octet chooses the reader, the second how the rest is cut.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "io/ws_client.hpp"
#include "io/ws_receiver.hpp"

namespace {

using namespace streamr;
using namespace streamr::io;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

struct Told : WsReceiver::Sink {
  std::string text;
  void on_ws_message(SharedBytes message) override {
    require(message.size() <= limits::message_bytes, "a message above its limit was let through");
    text += "message " + std::string(message.view().begin(), message.view().end()) + "\n";
  }
  void on_ws_text() override { text += "text\n"; }
  void on_ws_oversized() override { text += "oversized\n"; }
  void on_ws_ping(ByteView payload) override {
    require(payload.size() <= 125, "a ping above its limit was let through");
    text += "ping " + std::string(payload.begin(), payload.end()) + "\n";
  }
  void on_ws_pong() override { text += "pong\n"; }
  void on_ws_close(std::uint16_t code) override { text += "close " + std::to_string(code) + "\n"; }
  bool ws_wanted() const override { return true; }
};

std::string read(ByteView bytes, std::size_t cut, bool open) {
  // The key of RFC 6455 §1.3, whose answer the corpus knows.
  WsClientHandshake::Key key{};
  const std::string sample = "the sample nonce";
  std::copy(sample.begin(), sample.end(), key.begin());
  WsClientHandshake handshake(key);
  Told told;
  WsReceiver receiver(told, WsReads::server);
  while (!bytes.empty()) {
    ByteView piece = bytes.subspan(0, cut == 0 ? bytes.size() : std::min(cut, bytes.size()));
    bytes = bytes.subspan(piece.size());
    if (!open) {
      const auto step = handshake.feed(piece);
      if (step == WsClientHandshake::Step::refused) {
        require(!handshake.problem().empty(), "a refusal without a reason");
        return handshake.problem();
      }
      open = step == WsClientHandshake::Step::open;
      require(open || piece.empty(), "octets were left though more was asked for");
    }
    if (open && !receiver.feed(piece)) return told.text + receiver.problem();
  }
  return told.text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const ByteView rest(data + 2, size - 2);
  const bool open = (data[0] & 1) != 0;
  require(read(rest, 0, open) == read(rest, 1 + data[1] % 97, open), "octets are read differently when cut differently");
  return 0;
}
