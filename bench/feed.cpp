// Publishes a live stream of even parts into a relay and notes when each was pushed.
//
//   bench_feed --origin ws://HOST:PORT/relay --times FILE [--bytes N] [--part-ms N] [--parts N] [--seconds N] [--content cmaf|opaque]
//
// Prints one JSON line when the origin takes the stream, then publishes until the time is over or standard input ends.
// The octets are noise: no server may win by seeing zeros.
#include <poll.h>
#include <streamr/streamr.h>

#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>
#include <vector>

#include "load/arguments.hpp"
#include "load/part_times.hpp"

namespace {

using streamr::bench::Arguments;
using streamr::bench::now_ns;
using streamr::bench::PartTimes;

constexpr std::uint64_t ready_limit_ns = 15'000'000'000;
constexpr std::uint64_t first_segment = 1000;

void must(streamr_status_t status, const char* what, const char* more = "") {
  if (status != STREAMR_OK)
    throw std::runtime_error(std::string(what) + ": " + streamr_status_message(status) + " " + more);
}

std::uint64_t unix_us() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000u + static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

std::vector<std::uint8_t> noise(std::size_t bytes) {
  std::vector<std::uint8_t> out(bytes);
  std::uint64_t state = 0x9E3779B97F4A7C15;
  for (auto& octet : out) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    octet = static_cast<std::uint8_t>(state);
  }
  return out;
}

class Feed {
 public:
  explicit Feed(const Arguments& arguments);
  ~Feed() {
    streamr_publication_close(publication_);
    streamr_node_destroy(node_);
    streamr_key_destroy(session_);
    streamr_key_destroy(root_);
  }
  void run();

 private:
  void open(const std::string& origin);
  void wait_ready();
  void push(const std::vector<std::uint8_t>& bytes, std::uint16_t flags, std::uint64_t ordinal);
  bool wait_until(std::uint64_t when_ns);

  std::uint64_t interval_us_, parts_, seconds_, part_bytes_;
  std::uint8_t content_;
  std::uint64_t epoch_ = 0, begin_unix_us_ = 0;
  PartTimes* times_;
  streamr_key_t *root_ = nullptr, *session_ = nullptr;
  streamr_node_t* node_ = nullptr;
  streamr_publication_t* publication_ = nullptr;
  std::uint8_t id_[32];
};

Feed::Feed(const Arguments& arguments)
    : interval_us_(arguments.number("part-ms", 200) * 1000),
      parts_(arguments.number("parts", 20)),
      seconds_(arguments.number("seconds", 60)),
      part_bytes_(arguments.number("bytes", 200'000)),
      content_(arguments.text("content", "cmaf") == "cmaf" ? STREAMR_CONTENT_CMAF : STREAMR_CONTENT_OPAQUE),
      times_(streamr::bench::map_part_times(arguments.needed("times"), true)) {
  times_->first_segment = first_segment;
  times_->parts_per_segment = parts_;
  times_->part_bytes = part_bytes_;
  times_->interval_ns = interval_us_ * 1000;
  open(arguments.needed("origin"));
}

void Feed::open(const std::string& origin) {
  must(streamr_key_generate(&root_), "making a key");
  must(streamr_key_generate(&session_), "making a key");
  must(streamr_key_public(root_, id_), "reading a key");
  const std::uint64_t now_us = unix_us();
  const auto kbps = static_cast<std::uint32_t>(part_bytes_ * 8000 / interval_us_);
  streamr_certificate_t fields = STREAMR_CERTIFICATE_INIT;
  fields.epoch = epoch_ = (now_us / 1000) << 16;
  fields.not_before_s = now_us / 1'000'000 - 60;
  fields.not_after_s = now_us / 1'000'000 + 12 * 3600;
  fields.serial = now_us / 1'000'000;
  fields.max_kbps = kbps * 2;
  must(streamr_key_public(session_, fields.session_key), "reading a key");
  std::uint8_t certificate[STREAMR_CERTIFICATE_BYTES];
  must(streamr_certificate_issue(root_, &fields, certificate), "issuing the certificate");

  streamr_error_t error = STREAMR_ERROR_INIT;
  streamr_node_options_t options = STREAMR_NODE_OPTIONS_INIT;
  options.role = STREAMR_ROLE_PUBLISHER;
  must(streamr_node_create(&options, &node_, &error), "making the node", error.text);
  must(streamr_node_start(node_, &error), "starting the node", error.text);
  const streamr_track_t track = {0, STREAMR_TRACK_MUXED, content_, kbps};
  streamr_publication_options_t wanted = STREAMR_PUBLICATION_OPTIONS_INIT;
  wanted.tracks = &track;
  wanted.track_count = 1;
  wanted.session_key = session_;
  wanted.certificate = certificate;
  wanted.origin_url = origin.c_str();
  wanted.part_target_us = static_cast<std::uint32_t>(interval_us_);
  wanted.target_duration_s = static_cast<std::uint32_t>((parts_ * interval_us_ + 999'999) / 1'000'000);
  wanted.first_segment = first_segment;
  must(streamr_publication_open(node_, &wanted, &publication_, &error), "opening the publication", error.text);
}

void Feed::wait_ready() {
  streamr_event_t event{};
  event.struct_size = sizeof event;
  for (const std::uint64_t end = now_ns() + ready_limit_ns; now_ns() < end;) {
    if (streamr_node_poll(node_, &event, 100) != STREAMR_OK) continue;
    if (event.kind == STREAMR_EVENT_READY) return;
  }
  throw std::runtime_error("no origin took the stream within 15 s");
}

void Feed::push(const std::vector<std::uint8_t>& bytes, std::uint16_t flags, std::uint64_t ordinal) {
  streamr_part_t part = STREAMR_PART_INIT;
  part.flags = flags;
  part.bytes = bytes.data();
  part.len = bytes.size();
  part.media_time_us = ordinal * interval_us_;
  part.capture_time_us = begin_unix_us_ + ordinal * interval_us_;
  part.duration_us = (flags & STREAMR_CHUNK_INIT) != 0 ? 0 : static_cast<std::uint32_t>(interval_us_);
  must(streamr_publication_push(publication_, &part), "pushing a part");
}

// False: whoever started this has closed our standard input.
bool Feed::wait_until(std::uint64_t when_ns) {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  for (std::uint64_t now = now_ns(); now < when_ns; now = now_ns()) {
    const std::uint64_t left = when_ns - now;
    const timespec pause{static_cast<time_t>(left / 1'000'000'000), static_cast<long>(left % 1'000'000'000)};
    char octet;
    if (ppoll(&input, 1, &pause, nullptr) > 0 && read(STDIN_FILENO, &octet, 1) <= 0) return false;
  }
  return true;
}

void Feed::run() {
  wait_ready();
  std::string id;
  for (const auto octet : id_) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", octet);
    id += digits;
  }
  std::printf("{\"stream\": \"%s\", \"epoch\": \"%llu\"}\n", id.c_str(), static_cast<unsigned long long>(epoch_));
  std::fflush(stdout);
  begin_unix_us_ = unix_us();
  push(noise(800), STREAMR_CHUNK_INIT | STREAMR_CHUNK_INDEPENDENT, 0);
  const auto media = noise(part_bytes_);
  const std::uint64_t begin_ns = now_ns();
  const std::uint64_t total = seconds_ * 1'000'000 / interval_us_;
  streamr_event_t event{};
  event.struct_size = sizeof event;
  for (std::uint64_t ordinal = 0; ordinal < total && wait_until(begin_ns + ordinal * interval_us_ * 1000); ++ordinal) {
    std::uint16_t flags = ordinal % parts_ == 0 ? STREAMR_CHUNK_INDEPENDENT : 0;
    if (ordinal % parts_ == parts_ - 1) flags |= STREAMR_CHUNK_LAST_IN_SEGMENT;
    times_->pushed_ns[ordinal % streamr::bench::part_times_kept] = now_ns();
    push(media, flags, ordinal);
    times_->count = ordinal + 1;
    while (streamr_node_poll(node_, &event, 0) == STREAMR_OK) streamr_blob_release(event.blob);
  }
  streamr_node_stop(node_, 1000);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Feed feed{Arguments(argc, argv)};
    feed.run();
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "bench_feed: %s\n", failure.what());
    return 1;
  }
  return 0;
}
