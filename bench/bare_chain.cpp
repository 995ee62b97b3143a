#include "bare_chain.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <optional>
#include <thread>

namespace streamr::bench {
namespace {

constexpr std::size_t slice_bytes = 16 * 1024;
using Slice = std::array<std::uint8_t, slice_bytes>;

struct Pair {
  int writer = -1;
  int reader = -1;
};

void no_delay(int socket) {
  const int on = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

// A connected pair over loopback TCP, as two programs would have it.
std::optional<Pair> connect_pair() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  Pair pair;
  if (bind(listener, generic, length) == 0 && listen(listener, 1) == 0 && getsockname(listener, generic, &length) == 0) {
    pair.writer = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(pair.writer, generic, length) == 0) pair.reader = accept(listener, nullptr, nullptr);
  }
  close(listener);
  if (pair.reader < 0) return std::nullopt;
  no_delay(pair.writer);
  no_delay(pair.reader);
  return pair;
}

bool read_slice(int from, Slice& slice) {
  std::size_t have = 0;
  while (have < slice.size()) {
    const ssize_t got = recv(from, slice.data() + have, slice.size() - have, 0);
    if (got <= 0) return false;
    have += static_cast<std::size_t>(got);
  }
  return true;
}

bool write_slice(int to, const Slice& slice) {
  std::size_t sent = 0;
  while (sent < slice.size()) {
    const ssize_t put = send(to, slice.data() + sent, slice.size() - sent, MSG_NOSIGNAL);
    if (put <= 0) return false;
    sent += static_cast<std::size_t>(put);
  }
  return true;
}

// Reads slices, notes how old their time stamp is, and passes them on where there is a next one.
void forward(int from, int to, std::vector<std::uint64_t>& ages_us) {
  Slice slice;
  while (read_slice(from, slice)) {
    std::uint64_t sent_us = 0;
    std::memcpy(&sent_us, slice.data(), sizeof sent_us);
    const std::uint64_t now_us = unix_us();
    ages_us.push_back(now_us > sent_us ? now_us - sent_us : 0);
    if (to >= 0 && !write_slice(to, slice)) break;
  }
  if (to >= 0) shutdown(to, SHUT_WR);
}

void send_parts(int to, const Pace& pace) {
  Slice slice{};
  const std::uint64_t begin_us = unix_us();
  const std::uint64_t parts = std::uint64_t{pace.seconds} * 1'000'000 / pace.part_us;
  for (std::uint64_t part = 0; part < parts; ++part) {
    wait_until_us(begin_us + part * pace.part_us);
    const std::uint64_t stamp_us = unix_us();
    std::memcpy(slice.data(), &stamp_us, sizeof stamp_us);
    for (std::size_t sent = 0; sent < pace.part_bytes; sent += slice_bytes)
      if (!write_slice(to, slice)) return;
  }
  shutdown(to, SHUT_WR);
}

}  // namespace

std::uint64_t unix_us() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

void wait_until_us(std::uint64_t when_us) {
  const std::uint64_t now_us = unix_us();
  if (when_us > now_us) std::this_thread::sleep_for(std::chrono::microseconds(when_us - now_us));
}

std::vector<Percentiles> run_bare_chain(const Pace& pace, std::uint32_t receivers) {
  std::vector<Pair> pairs;
  for (std::uint32_t i = 0; i < receivers; ++i) {
    const auto pair = connect_pair();
    if (!pair) return {};
    pairs.push_back(*pair);
  }
  std::vector<std::vector<std::uint64_t>> ages_us(receivers);
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < receivers; ++i)
    threads.emplace_back([&, i] { forward(pairs[i].reader, i + 1 < receivers ? pairs[i + 1].writer : -1, ages_us[i]); });
  send_parts(pairs[0].writer, pace);
  for (auto& thread : threads) thread.join();
  for (const auto& pair : pairs) {
    close(pair.writer);
    close(pair.reader);
  }
  std::vector<Percentiles> found;
  for (auto& list : ages_us) found.push_back(percentiles(std::move(list)));
  return found;
}

}  // namespace streamr::bench
