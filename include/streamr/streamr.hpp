/*
 * streamr.hpp: streamr.h for C++17 and later. Header only; owns what C makes by hand.
 *
 *  - Each noun is a movable class that gives its handle back when it goes: Key, Node, Publication, Subscription, Blob.
 *  - A call that fails throws streamr::Failure, which holds the status and one line of text. What is no failure but an
 *    answer (nothing there yet, a queue is full) is returned: poll gives std::nullopt, push gives false.
 *  - Threads, units, limits and lifetimes are those of streamr.h; `c()` gives the C handle for everything else.
 *
 *     streamr::NodeOptions options;
 *     options.coordinator_url = "http://127.0.0.1:7000";
 *     streamr::Node node(options);
 *     node.start();
 *     streamr::WatchOptions wanted;
 *     wanted.stream = "my-stream";
 *     auto watching = node.watch(wanted);
 *     while (auto event = node.poll(std::chrono::seconds(5)))
 *       if (event->kind() == STREAMR_EVENT_CHUNK) write(event->blob());
 */
#ifndef STREAMR_STREAMR_HPP
#define STREAMR_STREAMR_HPP

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "streamr/streamr.h"

namespace streamr {

/** Why a call failed: the status of streamr.h and one line for a person. */
class Failure : public std::exception {
 public:
  Failure(streamr_status_t status, std::string text) : status_(status), text_(std::move(text)) {}
  streamr_status_t status() const noexcept { return status_; }
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  streamr_status_t status_;
  std::string text_;
};

/** Throws where `status` is a failure; the text is the error record's, else the status's own sentence. */
inline void check(streamr_status_t status, const streamr_error_t* error = nullptr) {
  if (status == STREAMR_OK) return;
  const bool told = error && error->text[0] != '\0';
  throw Failure(
      status, std::string(streamr_status_name(status)) + ": " + (told ? error->text : streamr_status_message(status)));
}

using KeyBytes = std::array<std::uint8_t, STREAMR_KEY_BYTES>;
using SignatureBytes = std::array<std::uint8_t, STREAMR_SIGNATURE_BYTES>;
using CertificateBytes = std::array<std::uint8_t, STREAMR_CERTIFICATE_BYTES>;
using TicketBytes = std::array<std::uint8_t, STREAMR_TICKET_BYTES>;

namespace detail {
template <auto Destroy>
struct Deleter {
  template <class T>
  void operator()(T* handle) const noexcept {
    Destroy(handle);
  }
};
inline const char* text_or_null(const std::string& text) {
  return text.empty() ? nullptr : text.c_str();
}
}  // namespace detail

/** An Ed25519 key pair. */
class Key {
 public:
  static Key generate() {
    streamr_key_t* made = nullptr;
    check(streamr_key_generate(&made));
    return Key(made);
  }
  static Key from_seed(const std::array<std::uint8_t, 32>& seed) {
    streamr_key_t* made = nullptr;
    check(streamr_key_from_seed(seed.data(), seed.size(), &made));
    return Key(made);
  }
  static Key load(const std::string& path) {
    streamr_key_t* made = nullptr;
    streamr_error_t error = STREAMR_ERROR_INIT;
    check(streamr_key_load(path.c_str(), &made, &error), &error);
    return Key(made);
  }
  void save(const std::string& path) const {
    streamr_error_t error = STREAMR_ERROR_INIT;
    check(streamr_key_save(c(), path.c_str(), &error), &error);
  }
  KeyBytes public_key() const {
    KeyBytes out{};
    check(streamr_key_public(c(), out.data()));
    return out;
  }
  SignatureBytes sign(const char* prefix, const std::uint8_t* bytes, std::size_t len) const {
    SignatureBytes out{};
    check(streamr_key_sign(c(), prefix, bytes, len, out.data()));
    return out;
  }
  /** Certificate for a session key, signed by this root key. */
  CertificateBytes issue(const streamr_certificate_t& fields) const {
    CertificateBytes out{};
    check(streamr_certificate_issue(c(), &fields, out.data()));
    return out;
  }
  /** Ticket, signed by this coordinator key. */
  TicketBytes issue(const streamr_ticket_t& fields) const {
    TicketBytes out{};
    check(streamr_ticket_issue(c(), &fields, out.data()));
    return out;
  }
  streamr_key_t* c() const noexcept { return handle_.get(); }

 private:
  explicit Key(streamr_key_t* handle) : handle_(handle) {}
  std::unique_ptr<streamr_key_t, detail::Deleter<streamr_key_destroy>> handle_;
};

/** Payload of a verified chunk; copies share it, and it outlives the node. */
class Blob {
 public:
  Blob() = default;
  /** Takes over one ownership of `blob`. */
  explicit Blob(streamr_blob_t* blob) : blob_(blob) {}
  Blob(const Blob& other) : blob_(other.blob_) { streamr_blob_retain(blob_); }
  Blob(Blob&& other) noexcept : blob_(std::exchange(other.blob_, nullptr)) {}
  Blob& operator=(Blob other) noexcept {
    std::swap(blob_, other.blob_);
    return *this;
  }
  ~Blob() { streamr_blob_release(blob_); }

  const std::uint8_t* data() const noexcept { return blob_ ? streamr_blob_data(blob_) : nullptr; }
  std::size_t size() const noexcept { return blob_ ? streamr_blob_size(blob_) : 0; }
  bool empty() const noexcept { return size() == 0; }
  const std::uint8_t* begin() const noexcept { return data(); }
  const std::uint8_t* end() const noexcept { return data() + size(); }

 private:
  streamr_blob_t* blob_ = nullptr;
};

/** One event; see STREAMR_EVENT_* for what each kind fills. */
class Event {
 public:
  explicit Event(const streamr_event_t& from) : event_(from), blob_(from.blob) {}
  std::uint32_t kind() const noexcept { return event_.kind; }
  std::int64_t value() const noexcept { return event_.value; }
  std::string_view text() const noexcept { return event_.text; }
  const streamr_chunk_header_t& header() const noexcept { return event_.header; }
  const Blob& blob() const noexcept { return blob_; }
  bool has_flag(std::uint32_t chunk_flag) const noexcept { return (event_.header.flags & chunk_flag) != 0; }
  std::chrono::microseconds latency() const noexcept { return std::chrono::microseconds(event_.latency_us); }
  const streamr_event_t& c() const noexcept { return event_; }

 private:
  streamr_event_t event_;
  Blob blob_;
};

/** One part to publish; `bytes` is read before push returns. */
struct Part {
  std::uint16_t track = 0;
  std::uint16_t flags = 0;
  const std::uint8_t* bytes = nullptr;
  std::size_t len = 0;
  std::chrono::microseconds media_time{0};
  std::chrono::microseconds capture_time{0};
  std::chrono::microseconds duration{0};
};

/** A stream that a node is the source of. */
class Publication {
 public:
  explicit Publication(streamr_publication_t* handle) : handle_(handle) {}
  /** False: the queue is full, STREAMR_EVENT_WRITABLE follows. */
  bool push(const Part& part) {
    streamr_part_t in = STREAMR_PART_INIT;
    in.track = part.track;
    in.flags = part.flags;
    in.bytes = part.bytes;
    in.len = part.len;
    in.media_time_us = static_cast<std::uint64_t>(part.media_time.count());
    in.capture_time_us = static_cast<std::uint64_t>(part.capture_time.count());
    in.duration_us = static_cast<std::uint32_t>(part.duration.count());
    const auto status = streamr_publication_push(c(), &in);
    if (status == STREAMR_E_AGAIN) return false;
    check(status);
    return true;
  }
  void end() { check(streamr_publication_end(c())); }
  streamr_publication_t* c() const noexcept { return handle_.get(); }

 private:
  std::unique_ptr<streamr_publication_t, detail::Deleter<streamr_publication_close>> handle_;
};

/** A stream that a node watches. */
class Subscription {
 public:
  explicit Subscription(streamr_subscription_t* handle) : handle_(handle) {}
  void stalled(std::chrono::milliseconds for_so_long) {
    check(streamr_subscription_stalled(c(), static_cast<std::uint32_t>(for_so_long.count())));
  }
  streamr_subscription_t* c() const noexcept { return handle_.get(); }

 private:
  std::unique_ptr<streamr_subscription_t, detail::Deleter<streamr_subscription_close>> handle_;
};

/** Options of a node; an empty text or a zero is the default of streamr_node_options_t. */
struct NodeOptions {
  std::uint32_t role = STREAMR_ROLE_VIEWER;
  const Key* identity = nullptr;
  std::string coordinator_url, listen, advertise_url, state_dir, name, software;
  std::optional<KeyBytes> coordinator_key;
  std::uint32_t capacity_kbps = 0, memory_kib = 0, event_queue = 0, flags = 0;
  std::uint32_t http_per_address = 0, websockets_per_address = 0;
  std::uint32_t loops = 0, max_connections = 0;
  std::string tls_certificate_file, tls_key_file, tls_authorities_file;
  std::uint32_t upload_kbps = 0, max_viewers = 0;
};

struct PublicationOptions {
  std::vector<streamr_track_t> tracks;
  const Key* session_key = nullptr;
  CertificateBytes certificate{};
  std::string alias, title, pool, origin_url, bearer;
  std::uint32_t part_target_us = 0, target_duration_s = 0;
  std::uint64_t first_segment = 0;
};

struct WatchOptions {
  std::string stream, relay_url;
  std::uint32_t start = STREAMR_START_EDGE;
  std::optional<KeyBytes> relay_key;
  std::optional<TicketBytes> ticket;
  std::uint32_t track_mask = 0, max_latency_ms = 0;
  std::uint64_t from_segment = 0;
  std::uint32_t from_part = 0;
};

/** One peer in the network. Publications and subscriptions should go before it. */
class Node {
 public:
  explicit Node(const NodeOptions& options) {
    streamr_node_options_t in = STREAMR_NODE_OPTIONS_INIT;
    in.role = options.role;
    in.identity = options.identity ? options.identity->c() : nullptr;
    in.coordinator_url = detail::text_or_null(options.coordinator_url);
    in.listen = detail::text_or_null(options.listen);
    in.advertise_url = detail::text_or_null(options.advertise_url);
    in.state_dir = detail::text_or_null(options.state_dir);
    in.name = detail::text_or_null(options.name);
    in.software = detail::text_or_null(options.software);
    in.coordinator_key = options.coordinator_key ? options.coordinator_key->data() : nullptr;
    in.capacity_kbps = options.capacity_kbps;
    in.memory_bytes_kib = options.memory_kib;
    in.event_queue = options.event_queue;
    in.flags = options.flags;
    in.http_per_address = options.http_per_address;
    in.websockets_per_address = options.websockets_per_address;
    in.loops = options.loops;
    in.max_connections = options.max_connections;
    in.tls_certificate_file = detail::text_or_null(options.tls_certificate_file);
    in.tls_key_file = detail::text_or_null(options.tls_key_file);
    in.tls_authorities_file = detail::text_or_null(options.tls_authorities_file);
    in.upload_kbps = options.upload_kbps;
    in.max_viewers = options.max_viewers;
    streamr_node_t* made = nullptr;
    streamr_error_t error = STREAMR_ERROR_INIT;
    check(streamr_node_create(&in, &made, &error), &error);
    handle_.reset(made);
  }

  void start() {
    streamr_error_t error = STREAMR_ERROR_INIT;
    check(streamr_node_start(c(), &error), &error);
  }
  /** False: the deadline passed and what was open is closed by force. */
  bool stop(std::chrono::milliseconds deadline) {
    const auto status = streamr_node_stop(c(), static_cast<std::uint32_t>(deadline.count()));
    if (status == STREAMR_E_TIMEOUT) return false;
    check(status);
    return true;
  }
  std::string listening() const {
    std::array<char, 300> out{};
    check(streamr_node_listening(c(), out.data(), out.size()));
    return out.data();
  }
  KeyBytes public_key() const {
    KeyBytes out{};
    check(streamr_node_public(c(), out.data()));
    return out;
  }
  /** The limits that hold now: change what should differ and hand it to set_limits. */
  streamr_limits_t limits() const {
    streamr_limits_t out = STREAMR_LIMITS_INIT;
    check(streamr_node_limits(c(), &out));
    return out;
  }
  /** All of them at once; throws E_INVALID where one is out of range, and then nothing changed. */
  void set_limits(const streamr_limits_t& limits) {
    streamr_error_t error = STREAMR_ERROR_INIT;
    check(streamr_node_set_limits(c(), &limits, &error), &error);
  }
  /** Reads certificate and key again; throws where they do not fit, and then the old ones stay in use. */
  void reload_tls() {
    streamr_error_t error = STREAMR_ERROR_INIT;
    check(streamr_node_reload_tls(c(), &error), &error);
  }
  /** The figures as JSON. They may grow between two calls, so asking is repeated until they fit. */
  std::string stats() const {
    std::string out(4096, '\0');
    for (;;) {
      std::size_t needed = 0;
      const auto status = streamr_node_stats(c(), out.data(), out.size(), &needed);
      if (status != STREAMR_E_LIMIT) check(status);
      if (status == STREAMR_OK) return out.substr(0, needed - 1);
      out.resize(needed + 1024);
    }
  }
  /** std::nullopt: nothing came in time. Throws E_STATE once the node stopped and every event was taken. */
  std::optional<Event> poll(std::chrono::milliseconds timeout) {
    streamr_event_t event{};
    event.struct_size = sizeof event;
    const auto status = streamr_node_poll(c(), &event, static_cast<std::uint32_t>(timeout.count()));
    if (status == STREAMR_E_AGAIN) return std::nullopt;
    check(status);
    return Event(event);
  }

  Publication publish(const PublicationOptions& options) {
    streamr_publication_options_t in = STREAMR_PUBLICATION_OPTIONS_INIT;
    in.track_count = static_cast<std::uint32_t>(options.tracks.size());
    in.tracks = options.tracks.data();
    in.session_key = options.session_key ? options.session_key->c() : nullptr;
    in.certificate = options.certificate.data();
    in.alias = detail::text_or_null(options.alias);
    in.title = detail::text_or_null(options.title);
    in.pool = detail::text_or_null(options.pool);
    in.origin_url = detail::text_or_null(options.origin_url);
    in.bearer = detail::text_or_null(options.bearer);
    in.part_target_us = options.part_target_us;
    in.target_duration_s = options.target_duration_s;
    in.first_segment = options.first_segment;
    streamr_publication_t* made = nullptr;
    streamr_error_t error = STREAMR_ERROR_INIT;
    check(streamr_publication_open(c(), &in, &made, &error), &error);
    return Publication(made);
  }

  Subscription watch(const WatchOptions& options) {
    streamr_subscription_options_t in = STREAMR_SUBSCRIPTION_OPTIONS_INIT;
    in.start = options.start;
    in.stream = detail::text_or_null(options.stream);
    in.relay_url = detail::text_or_null(options.relay_url);
    in.relay_key = options.relay_key ? options.relay_key->data() : nullptr;
    in.ticket = options.ticket ? options.ticket->data() : nullptr;
    in.track_mask = options.track_mask;
    in.max_latency_ms = options.max_latency_ms;
    in.from_segment = options.from_segment;
    in.from_part = options.from_part;
    streamr_subscription_t* made = nullptr;
    streamr_error_t error = STREAMR_ERROR_INIT;
    check(streamr_subscription_open(c(), &in, &made, &error), &error);
    return Subscription(made);
  }

  /** Carries a stream; an empty url makes this relay its origin. */
  void carry(const KeyBytes& stream_id, const std::string& upstream_url = {}, const TicketBytes* ticket = nullptr) {
    check(streamr_relay_carry(c(), stream_id.data(), detail::text_or_null(upstream_url),
                              ticket ? ticket->data() : nullptr, ticket ? ticket->size() : 0));
  }
  void drop(const KeyBytes& stream_id) { check(streamr_relay_drop(c(), stream_id.data())); }

  int fd() const noexcept { return streamr_node_fd(c()); }
  int timeout_ms() const noexcept { return streamr_node_timeout_ms(c()); }
  void run() { check(streamr_node_run(c())); }
  streamr_node_t* c() const noexcept { return handle_.get(); }

 private:
  std::unique_ptr<streamr_node_t, detail::Deleter<streamr_node_destroy>> handle_;
};

}  // namespace streamr

#endif
