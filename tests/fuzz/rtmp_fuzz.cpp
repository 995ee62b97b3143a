// Plays an arbitrary encoder: bytes into a session, its media into the feed that writes FLV.
#include <algorithm>

#include "publisher/rtmp/media_feed.hpp"
#include "publisher/rtmp/session.hpp"

using namespace streamr::publisher;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  KeyGate gate("key");
  RtmpSession session(gate, "192.0.2.1", 1'000'000, 7);
  MediaFeed feed;
  // The handshake is 3073 octets without meaning; the corpus leaves them out.
  std::vector<std::uint8_t> hello(3073, 0);
  hello[0] = 3;
  session.on_bytes(hello, 1'000'000);
  std::uint64_t now_us = 1'000'000;
  while (size > 0) {
    const std::size_t count = std::min<std::size_t>(size, 700);
    session.on_bytes({data, count}, now_us);
    data += count;
    size -= count;
    now_us += 40'000;
    while (auto event = session.poll()) {
      if (event->kind == RtmpEvent::Kind::media) feed.on_message(std::move(event->message), now_us);
    }
    feed.on_time(now_us);
    feed.take_bytes();
    feed.take_restart();
    session.output().clear();
  }
  session.on_time(now_us + 60'000'000);
  if (!session.closing()) __builtin_trap();
  return 0;
}
