#include <doctest/doctest.h>

#include <algorithm>

#include "publisher/media/boxes.hpp"
#include "publisher/rtmp/session.hpp"

using namespace streamr::publisher;

namespace {

constexpr std::uint64_t second = 1'000'000;
constexpr std::uint64_t start_us = 100 * second;
const char* const key = "correct horse";

// The other side of a connection: sends commands, reads answers.
class Peer {
 public:
  explicit Peer(KeyGate& gate) : session(gate, "10.0.0.9", start_us, 42) {}

  void shake() {
    Bytes hello(1537 + 1536, 7);
    hello[0] = 3;
    session.on_bytes(hello, now_us);
    REQUIRE(session.output().size() == 1 + 1536 + 1536);
    CHECK(session.output()[0] == 3);
    CHECK(Bytes(session.output().begin() + 1537, session.output().end()) == Bytes(1536, 7));
    session.output().clear();
  }
  void send(const std::vector<AmfValue>& values, std::uint32_t stream = 0) {
    RtmpMessage message{rtmp_command, 0, stream, {}};
    for (const AmfValue& value : values) write_amf0(value, message.payload);
    send(message);
  }
  void send(const RtmpMessage& message) {
    Bytes bytes;
    write_rtmp_message(message, 3, 128, bytes);
    session.on_bytes(bytes, now_us);
  }
  void connect(const char* app = "live") {
    send({AmfValue::text("connect"), AmfValue::number(1), AmfValue::object({{"app", AmfValue::text(app)}})});
  }
  void publish(const char* name) {
    send({AmfValue::text("publish"), AmfValue::number(5), AmfValue(), AmfValue::text(name), AmfValue::text("live")}, 1);
  }
  // Codes and names of all answers so far.
  std::vector<std::string> answers() {
    reader_.feed(session.output());
    session.output().clear();
    std::vector<std::string> found;
    while (const auto message = reader_.poll()) {
      if (message->type != rtmp_command) continue;
      const auto values = read_amf0(message->payload);
      REQUIRE(values);
      const AmfValue* code = values->back().find("code");
      found.push_back(code != nullptr ? code->as_text() : (*values)[0].as_text());
    }
    return found;
  }
  bool got(const char* code) {
    const auto all = answers();
    return std::find(all.begin(), all.end(), code) != all.end();
  }
  std::vector<RtmpEvent::Kind> events() {
    std::vector<RtmpEvent::Kind> kinds;
    while (const auto event = session.poll()) kinds.push_back(event->kind);
    return kinds;
  }

  RtmpSession session;
  std::uint64_t now_us = start_us;

 private:
  ChunkReader reader_;
};

using Kind = RtmpEvent::Kind;

}  // namespace

TEST_CASE("an encoder with the right key publishes, whatever it asks before") {
  KeyGate gate(key);
  Peer peer(gate);
  peer.shake();
  peer.connect();
  CHECK(peer.got("NetConnection.Connect.Success"));
  peer.send({AmfValue::text("releaseStream"), AmfValue::number(2), AmfValue(), AmfValue::text("x")});
  peer.send({AmfValue::text("FCPublish"), AmfValue::number(3), AmfValue(), AmfValue::text("x")});
  peer.send({AmfValue::text("createStream"), AmfValue::number(4), AmfValue()});
  peer.send({AmfValue::text("_checkbw"), AmfValue::number(5), AmfValue()});
  CHECK(peer.answers().size() == 5);
  peer.publish(key);
  CHECK(peer.got("NetStream.Publish.Start"));
  CHECK(peer.session.publishing());
  peer.send(RtmpMessage{rtmp_video, 10, 1, {0x17, 1, 2}});
  CHECK(peer.events() == std::vector<Kind>{Kind::publish, Kind::media});
}

TEST_CASE("a wrong key is refused with BadName and the connection closes") {
  for (const char* wrong : {"", "x", "correct horsf", "correct horse "}) {
    KeyGate gate(key);
    Peer peer(gate);
    peer.shake();
    peer.connect();
    peer.publish(wrong);
    CHECK(peer.got("NetStream.Publish.BadName"));
    CHECK(peer.session.closing());
    CHECK(peer.events() == std::vector<Kind>{Kind::refused_key});
    CHECK(peer.session.reason().find("correct") == std::string::npos);
    peer.send(RtmpMessage{rtmp_video, 10, 1, {0x17, 1, 2}});
    CHECK(peer.events().empty());
  }
}

TEST_CASE("the sixth wrong key in a row waits for its answer, and so does a right one after it") {
  KeyGate gate(key);
  for (int i = 0; i < 5; ++i) {
    Peer peer(gate);
    peer.shake();
    peer.connect();
    peer.publish("guess");
    CHECK(peer.got("NetStream.Publish.BadName"));
  }
  Peer peer(gate);
  peer.shake();
  peer.connect();
  peer.publish(key);
  CHECK_FALSE(peer.got("NetStream.Publish.Start"));
  peer.session.on_time(start_us + second / 2);
  CHECK_FALSE(peer.session.publishing());
  peer.session.on_time(start_us + second);
  CHECK(peer.session.publishing());
}

TEST_CASE("media before the key was right goes nowhere") {
  KeyGate gate(key);
  Peer peer(gate);
  peer.shake();
  peer.connect();
  peer.send(RtmpMessage{rtmp_video, 10, 1, {0x17, 1, 2}});
  CHECK(peer.events().empty());
}

TEST_CASE("another application than live is rejected") {
  KeyGate gate(key);
  Peer peer(gate);
  peer.shake();
  peer.connect("vod");
  CHECK(peer.got("NetConnection.Connect.Rejected"));
  CHECK(peer.session.closing());
}

TEST_CASE("live with a slash at its end is live") {
  KeyGate gate(key);
  Peer peer(gate);
  peer.shake();
  peer.connect("live/");
  CHECK(peer.got("NetConnection.Connect.Success"));
}

TEST_CASE("a player is told that nothing is played here") {
  KeyGate gate(key);
  Peer peer(gate);
  peer.shake();
  peer.connect();
  peer.send({AmfValue::text("play"), AmfValue::number(0), AmfValue(), AmfValue::text(key)}, 1);
  CHECK(peer.got("NetStream.Play.Failed"));
  CHECK(peer.session.closing());
}

TEST_CASE("publish before connect, a second connect and a second publish end the connection") {
  KeyGate gate(key);
  Peer early(gate), twice(gate), again(gate);
  early.shake();
  early.publish(key);
  CHECK(early.session.closing());
  twice.shake();
  twice.connect();
  twice.connect();
  CHECK(twice.session.closing());
  again.shake();
  again.connect();
  again.publish(key);
  again.publish(key);
  CHECK(again.session.closing());
  CHECK(again.events() == std::vector<Kind>{Kind::publish, Kind::unpublish});
}

TEST_CASE("a connection that is no RTMP ends at its first byte") {
  KeyGate gate(key);
  RtmpSession session(gate, "10.0.0.9", start_us, 1);
  const std::string text = "GET / HTTP/1.1\r\n\r\n";
  session.on_bytes({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, start_us);
  CHECK(session.closing());
  CHECK(session.output().empty());
}

TEST_CASE("a handshake that takes over five seconds is given up, one octet at a time or none") {
  KeyGate gate(key);
  RtmpSession silent(gate, "10.0.0.9", start_us, 1), slow(gate, "10.0.0.9", start_us, 1);
  const Bytes one = {3};
  for (std::uint64_t i = 0; i < 4; ++i) slow.on_bytes(one, start_us + i * second);
  for (RtmpSession* session : {&silent, &slow}) {
    session->on_time(start_us + 5 * second - 1);
    CHECK_FALSE(session->closing());
    session->on_time(start_us + 5 * second);
    CHECK(session->closing());
  }
}

TEST_CASE("who connects but does not publish for fifteen seconds is given up") {
  KeyGate gate(key);
  Peer peer(gate);
  peer.shake();
  peer.connect();
  peer.session.on_time(start_us + 15 * second);
  CHECK(peer.session.closing());
}

TEST_CASE("a source that falls silent for thirty seconds is given up") {
  KeyGate gate(key);
  Peer peer(gate);
  peer.shake();
  peer.connect();
  peer.publish(key);
  peer.now_us = start_us + 20 * second;
  peer.send(RtmpMessage{rtmp_audio, 10, 1, {0xAF, 1, 2}});
  peer.session.on_time(start_us + 49 * second);
  CHECK(peer.session.publishing());
  peer.session.on_time(start_us + 50 * second);
  CHECK(peer.session.closing());
  CHECK(peer.events().back() == Kind::unpublish);
}

TEST_CASE("a flood of commands before publish ends the connection") {
  KeyGate gate(key);
  Peer peer(gate);
  peer.shake();
  peer.connect();
  for (int i = 0; i < 40; ++i) peer.send({AmfValue::text("createStream"), AmfValue::number(4), AmfValue()});
  CHECK(peer.session.closing());
}

TEST_CASE("commands that are no AMF0 end the connection") {
  KeyGate gate(key);
  Peer peer(gate);
  peer.shake();
  peer.send(RtmpMessage{rtmp_command, 0, 0, {0xFF, 1, 2}});
  CHECK(peer.session.closing());
}

TEST_CASE("an aggregate message is taken apart, its times counted from the message") {
  KeyGate gate(key);
  Peer peer(gate);
  peer.shake();
  peer.connect();
  peer.publish(key);
  peer.events();
  RtmpMessage aggregate{rtmp_aggregate, 1000, 1, {}};
  BoxWriter out(aggregate.payload);
  for (const std::uint32_t ms : {500u, 523u}) {
    out.u8(rtmp_audio);
    out.u24(3);
    out.u24(ms);
    out.u8(0);
    out.u24(0);
    out.bytes(Bytes{0xAF, 1, 9});
    out.u32(14);
  }
  peer.send(aggregate);
  std::vector<std::uint32_t> times;
  while (const auto event = peer.session.poll()) times.push_back(event->message.timestamp_ms);
  CHECK(times == std::vector<std::uint32_t>{1000, 1023});
}

TEST_CASE("what arrives is acknowledged when the encoder asked for that") {
  KeyGate gate(key);
  Peer peer(gate);
  peer.shake();
  peer.connect();
  RtmpMessage window{rtmp_window_size, 0, 0, {}};
  BoxWriter(window.payload).u32(65'536);
  peer.send(window);
  peer.publish(key);
  peer.answers();
  RtmpMessage media{rtmp_video, 0, 1, Bytes(60'000, 1)};
  peer.send(media);
  ChunkReader reader;
  reader.feed(peer.session.output());
  bool acknowledged = false;
  while (const auto message = reader.poll()) acknowledged |= message->type == rtmp_acknowledgement;
  CHECK(acknowledged);
}

TEST_CASE("an encoder that says goodbye ends at once") {
  KeyGate gate(key);
  Peer peer(gate);
  peer.shake();
  peer.connect();
  peer.publish(key);
  peer.send({AmfValue::text("FCUnpublish"), AmfValue::number(6), AmfValue(), AmfValue::text("x")});
  CHECK(peer.session.publishing());
  peer.send({AmfValue::text("deleteStream"), AmfValue::number(7), AmfValue(), AmfValue::number(1)});
  CHECK(peer.session.closing());
  CHECK(peer.got("NetStream.Unpublish.Success"));
}
