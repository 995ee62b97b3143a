// Decides everything a node does: composes links, streams, upstreams, deliveries, presence and HLS into one state
// machine. Never opens a socket, reads a clock or draws randomness: inputs are on_x(…, now), outputs are drained by
// poll(). Called by io (real sockets) and tests/sim (virtual ones). Drive rule: on_x → poll() until empty → sleep until
// deadline_us().
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/admission.hpp"
#include "core/http.hpp"
#include "core/metrics.hpp"
#include "core/presence.hpp"
#include "core/publication.hpp"
#include "core/store.hpp"

namespace streamr::core {

struct NodeConfig {
  std::uint32_t role = STREAMR_ROLE_VIEWER;  // STREAMR_ROLE_*
  std::uint32_t flags = 0;                   // STREAMR_NODE_*
  std::string coordinator_url;               // empty: none
  std::string advertise_url;                 // may come later by set_listening
  std::string name, software;
  std::uint32_t capacity_kbps = 100'000;
  std::uint64_t memory_bytes = 256ull << 20;
  std::uint64_t upload_kbps = 0, max_viewers = 0;  // 0: none; these and memory_bytes may change by set_limits
  bool serves_http = true;                         // keep HLS playlists of every stream
  BufferSource* buffers = nullptr;                 // room for payloads; null: the heap
  std::optional<Key> coordinator_key;
  std::uint64_t seed = 0;  // io draws it; the simulator chooses it
  std::array<std::uint8_t, 16> boot_id{};
  std::vector<std::pair<std::string, std::string>> state;  // durable facts of the run before (see SaveState)
};

// ---- outputs
struct DialLink {
  LinkId link;
  std::string url;
};  // ws(s)://host:port/relay; answer on_dialed or on_closed
struct SendMessage {
  LinkId link;
  std::vector<SharedBytes> pieces;
};  // one binary WebSocket message
struct CloseLink {
  LinkId link;
};  // after what was sent; read and discard ≤ 1 s
struct ReplyHttp {
  HttpId id;
  HttpResponse response;
};
struct HttpPieces {
  HttpId id;
  std::vector<SharedBytes> pieces;
  bool end;
};
struct SaveState {
  std::string name;
  std::string value;
};  // keep durably, give back in NodeConfig::state
struct LogLine {
  int level;
  std::string event;
  std::string text;
};  // level 0 debug, 1 info, 2 warning, 3 error

using PublicationId = std::uint64_t;
using WatchId = std::uint64_t;
struct NodeEvent {
  std::uint32_t kind = STREAMR_EVENT_NONE;
  std::int64_t value = 0;
  std::uint64_t time_us = 0;
  std::uint64_t latency_us = 0;
  WatchId watch = 0;
  PublicationId publication = 0;
  ChunkPtr chunk;  // whole
  StreamId stream;
  std::string text;
  std::uint64_t bytes = 0, duration_us = 0;  // PEER
  std::uint32_t role = 0;                    // PEER
};
using Action =
    std::variant<DialLink, SendMessage, CloseLink, HttpCall, ReplyHttp, HttpPieces, SaveState, LogLine, NodeEvent>;

struct PublishOptions {
  proto::Certificate certificate;
  crypto::KeyPair session;
  std::vector<proto::TrackInfo> tracks;
  std::string alias, title, pool, origin_url, bearer;
  std::uint32_t part_target_us = 500'000;
  std::uint8_t target_duration_s = 2;
  std::uint64_t first_segment = 0;
};
struct WatchOptions {
  std::string stream;     // hex or alias
  std::string relay_url;  // empty: ask the coordinator
  std::optional<Key> relay_key;
  std::optional<proto::Ticket> ticket;
  std::uint32_t track_mask = 0;
  proto::Start start = proto::Start::edge;
  ChunkPos from;
  std::uint32_t max_latency_ms = 0;
};

class Node {
 public:
  Node(NodeConfig config, const crypto::KeyPair& identity);
  ~Node();

  const Key& public_key() const;
  void start(Now now);
  // GOAWAY; who is served has `drain_us` to go elsewhere with what was queued; then FINAL receipts, CloseLink for each.
  void stop(Now now, std::uint64_t drain_us = 0);
  bool stopped() const;  // nothing left to say
  void set_listening(const std::string& advertise_url);

  // peer connections
  LinkId on_accepted(const std::string& peer_address, Now now);  // a WebSocket opened on /relay
  void on_dialed(LinkId link, Now now);
  void on_message(LinkId link, const SharedBytes& message, Now now);  // one binary message
  void on_text_message(LinkId link, Now now);                         // refused [2]
  void on_oversized_message(LinkId link, Now now);                    // refused [4]
  void on_closed(LinkId link, const std::string& why, Now now);
  void on_sent(LinkId link, std::uint64_t outstanding_bytes, Now now);  // bytes that wait in io and kernel
  // HTTP server
  void on_http(const HttpRequest& request, Now now);  // answered by ReplyHttp, now or later
  void on_http_closed(HttpId id, Now now);
  void on_http_served(const HttpServed& since_last, Now now);
  // Share of one core that the busiest loop uses, in thousandths; told every second or so.
  void on_load(std::uint32_t cpu_permille, Now now);
  // coordinator
  void on_http_answer(CallId call, int status, std::optional<std::uint32_t> retry_after_s, ByteView body,
                      const std::string& failure, Now now);
  void on_time(Now now);

  std::optional<Action> poll(Now now);
  std::uint64_t deadline_us() const;  // mono_us

  // commands
  Status carry(const StreamId& stream, const std::string& upstream_url, std::optional<proto::Ticket> ticket, Now now);
  Status drop(const StreamId& stream, Now now);
  Result<PublicationId> publish(PublishOptions options, Now now);
  Status push(PublicationId publication, const PublicationPart& part, Now now);
  Status end(PublicationId publication, Now now);
  void close_publication(PublicationId publication, Now now);
  Result<WatchId> watch(WatchOptions options, Now now);
  void unwatch(WatchId watch, Now now);
  Status stalled(WatchId watch, std::uint32_t stall_ms);
  // Chunks taken by the host; while more than the event queue holds wait, CREDIT is withheld.
  void set_event_backpressure(bool full);
  // Takes hold at once, whoever is connected; memory_bytes 0 leaves that limit as it is. INVALID: a limit too small to
  // serve one stream.
  Status set_limits(const NodeLimits& limits, Now now);
  NodeLimits limits() const;
  std::string stats_json(Now now) const;
  void set_server_stats(ServerStats stats);  // what the sockets count, for /metrics and /stats.json

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace streamr::core
