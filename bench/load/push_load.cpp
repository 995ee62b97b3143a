#include "load/push_load.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace streamr::bench {
namespace {

constexpr std::size_t buffer_bytes = 1 << 18;
constexpr std::uint64_t no_limit = std::uint64_t{1} << 62;
constexpr std::uint16_t own_sub = 1;

crypto::KeyPair key_of(std::uint32_t index) {
  std::array<std::uint8_t, 32> seed{};
  store_u32(seed.data(), index + 1);
  seed[31] = 0x5A;
  return crypto::KeyPair::from_seed(seed);
}

}  // namespace

PushLoad::PushLoad(LoadOptions options, const Arguments& arguments)
    : options_(std::move(options)),
      stream_(fixed_from_hex<StreamId>(arguments.needed("stream")).value()),
      stall_(arguments.text("plan") == "stall"),
      idle_(arguments.text("plan") == "idle"),
      buffer_(buffer_bytes) {
  for (std::uint32_t i = 0; i < options_.connections; ++i)
    clients_.push_back(std::make_unique<Client>(key_of(i + static_cast<std::uint32_t>(arguments.number("first-key", 0)))));
}

PushLoad::~PushLoad() {
  for (const auto& client : clients_)
    if (client->fd >= 0) close(client->fd);
}

// Masked with zeros, which is a mask like any other: what leaves is what stands here.
void PushLoad::send_message(const Client& client, const ByteVector& frame, std::uint8_t opcode) const {
  ByteVector out{static_cast<std::uint8_t>(0x80 | opcode)};
  if (frame.size() < 126) {
    out.push_back(static_cast<std::uint8_t>(0x80 | frame.size()));
  } else {
    out.push_back(0x80 | 126);
    out.push_back(static_cast<std::uint8_t>(frame.size() >> 8));
    out.push_back(static_cast<std::uint8_t>(frame.size()));
  }
  out.insert(out.end(), 4, 0);
  out.insert(out.end(), frame.begin(), frame.end());
  if (send(client.fd, out.data(), out.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(out.size()))
    throw std::runtime_error("a message could not be sent");
}

void PushLoad::open(Client& client, std::uint32_t index) {
  client.fd = open_socket(options_, index);
  const std::string upgrade =
      "GET /relay HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: streamr.relay.v1\r\n\r\n";
  if (send(client.fd, upgrade.data(), upgrade.size(), MSG_NOSIGNAL) < 0) throw std::runtime_error("the upgrade could not be sent");
  std::string answer;
  for (char octet; answer.find("\r\n\r\n") == std::string::npos; answer += octet)
    if (recv(client.fd, &octet, 1, 0) != 1) throw std::runtime_error("the server closed before the upgrade");
  if (answer.compare(9, 3, "101") != 0) throw std::runtime_error("the upgrade was answered " + answer.substr(0, answer.find('\r')));
  proto::Hello hello;
  hello.peer_key = client.key.public_key();
  store_u32(hello.nonce.data(), index);
  hello.recv_limit = no_limit;
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  hello.unix_us = static_cast<std::uint64_t>(now.tv_sec) * 1'000'000u;
  const ByteVector frame = proto::encode(hello);
  client.hello_hash = proto::payload_hash(frame);
  set_non_blocking(client.fd);
  send_message(client, frame);
  poller_.add(client.fd, &client, EPOLLIN);
}

// Neighbouring chunks have refs 16 apart, what goes out of turn has those between.
PushLoad::Open& PushLoad::slot(Client& client, std::uint32_t chunk_ref) {
  return client.open[(chunk_ref / 16 + chunk_ref) % client.open.size()];
}

void PushLoad::take_chunk(Client& client, const std::uint8_t* payload) {
  const std::uint8_t* header = payload + 8;
  Open& open = slot(client, load_u32(payload));
  open.chunk_ref = load_u32(payload);
  open.slices_left = load_u16(header + 86);
  const std::uint16_t part = load_u16(header + 50);
  open.ordinal = part == 0xFFFF || options_.times == nullptr ? ~std::uint64_t{0} : options_.times->ordinal_of(load_u64(header + 56), part);
}

void PushLoad::take_slice(Client& client, const std::uint8_t* payload, std::uint32_t length) {
  Open& open = slot(client, load_u32(payload));
  if (measuring_) tally_.bytes += length - 8;
  if (open.chunk_ref != load_u32(payload)) return;
  --open.slices_left;
  if (open.ordinal == ~std::uint64_t{0} || !measuring_) return;
  const std::uint64_t pushed = options_.times->pushed_ns[open.ordinal % part_times_kept];
  const auto late_us = static_cast<std::uint32_t>((now_ns() - std::min(pushed, now_ns())) / 1000);
  tally_.slice_us.push_back(late_us);
  if (open.slices_left != 0) return;
  tally_.part_us.push_back(late_us);
  ++tally_.answers;
  const std::uint64_t now = now_ns();
  if (client.part_ns != 0) tally_.longest_gap_us = std::max(tally_.longest_gap_us, (now - client.part_ns) / 1000);
  client.part_ns = now;
}

// One frame is here to its last octet; of its payload only the beginning is kept.
void PushLoad::take_frame(Client& client) {
  const auto type = static_cast<proto::FrameType>(client.frame[0]);
  const std::uint8_t* payload = client.start.data();
  switch (type) {
    case proto::FrameType::welcome: {
      const ByteView welcome(payload, client.frame_length);
      send_message(client, proto::encode(proto::Auth{proto::sign_auth(client.key, client.hello_hash, crypto::sha256(welcome))}));
      proto::Subscribe subscribe;
      subscribe.stream_id = stream_;
      subscribe.max_latency_ms = 60'000;
      return send_message(client, proto::encode(subscribe, own_sub));
    }
    case proto::FrameType::sub_ok:
      client.subscribed = true;
      return stall_ ? poller_.change(client.fd, &client, 0) : void();
    case proto::FrameType::chunk: return take_chunk(client, payload);
    case proto::FrameType::slice: return take_slice(client, payload, client.frame_length);
    case proto::FrameType::drop: tally_.skipped += measuring_ ? 1 : 0; return;
    case proto::FrameType::error:
    case proto::FrameType::goaway:
    case proto::FrameType::sub_end:
      return fail(client, "frame " + std::to_string(client.frame[0]) + " with code " + std::to_string(load_u16(payload)) + " came: " +
                              std::string(payload + 8, payload + client.start_held));
    default: return;
  }
}

void PushLoad::take_frames(Client& client, const std::uint8_t* data, std::size_t size) {
  while (size > 0 && client.fd >= 0) {
    std::size_t taken = 0;
    if (client.frame_held < client.frame.size()) {
      client.frame[client.frame_held++] = *data;
      taken = 1;
      client.frame_length = client.frame_left = client.frame_held == 8 ? load_u32(client.frame.data() + 4) : 1;
      client.start_held = 0;
    } else {
      taken = std::min<std::size_t>(size, client.frame_left);
      const std::size_t kept = std::min(taken, client.start.size() - client.start_held);
      std::memcpy(client.start.data() + client.start_held, data, kept);
      client.start_held = static_cast<std::uint16_t>(client.start_held + kept);
      client.frame_left -= static_cast<std::uint32_t>(taken);
    }
    data += taken;
    size -= taken;
    if (client.frame_held < client.frame.size() || client.frame_left > 0) continue;
    take_frame(client);
    client.frame_held = 0;
  }
}

// True when the head is whole.
bool PushLoad::take_message_head(Client& client, std::uint8_t octet) {
  client.head[client.head_held++] = octet;
  if (client.head_held < 2) return false;
  const std::uint8_t length = client.head[1] & 127;
  const std::uint8_t wanted = length == 126 ? 4 : length == 127 ? 10 : 2;
  if (client.head_held < wanted) return false;
  client.message_left = length;
  if (wanted == 4) client.message_left = load_u16(client.head.data() + 2);
  if (wanted == 10) client.message_left = load_u64(client.head.data() + 2);
  client.opcode = client.head[0] & 15;
  client.head_held = 0;
  return true;
}

void PushLoad::take(Client& client, const std::uint8_t* data, std::size_t size) {
  while (size > 0 && client.fd >= 0) {
    if (client.message_left == 0) {
      const bool whole = take_message_head(client, *data++);
      --size;
      if (whole && client.opcode == 8) return fail(client, "the server closed: " + std::string(data, data + std::min<std::uint64_t>(size, client.message_left)));
      if (whole && client.opcode == 9) send_message(client, {}, 10);
      continue;
    }
    const std::size_t taken = std::min<std::size_t>(size, client.message_left);
    if (client.opcode == 2 || client.opcode == 0) take_frames(client, data, taken);
    client.message_left -= taken;
    data += taken;
    size -= taken;
  }
}

bool PushLoad::readable(Client& client) {
  const ssize_t got = recv(client.fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  if (got <= 0) return got < 0 && errno == EAGAIN;
  take(client, buffer_.data(), static_cast<std::size_t>(got));
  return true;
}

void PushLoad::fail(Client& client, const std::string& why) {
  if (++tally_.errors <= 5) std::fprintf(stderr, "bench_load: %s\n", why.c_str());
  if (client.fd >= 0) close(client.fd);
  client.fd = -1;
}

void PushLoad::run() {
  std::uint32_t opened = 0;
  for (const auto& client : clients_) {
    open(*client, opened++);
    for (const epoll_event& event : poller_.wait(0))
      if (auto& other = *static_cast<Client*>(event.data.ptr); other.fd >= 0 && !readable(other)) fail(other, "the server closed");
  }
  Span span(options_);
  for (std::uint64_t now = now_ns(); span.running(now); now = now_ns()) {
    measuring_ = span.measuring();
    for (const epoll_event& event : poller_.wait(5'000'000))
      if (auto& client = *static_cast<Client*>(event.data.ptr); client.fd >= 0 && !readable(client)) fail(client, "the server closed");
  }
  const auto live = static_cast<std::uint32_t>(
      std::count_if(clients_.begin(), clients_.end(), [](const auto& client) { return client->fd >= 0 && client->subscribed; }));
  if (stall_ || idle_) return hold_until_input_ends(live);
  span.report(tally_, live);
}

}  // namespace streamr::bench
