// Decides what a node says to its coordinator and when: key, challenge, register, signed heartbeats with leases, stream
// announcements, viewer sessions, receipt batches, evidence (protocol §6, client side).
// Never opens sockets: it gives HttpCalls and takes their answers. Never blocks the media path.
// Called by core/node.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/types.hpp"
#include "crypto/crypto.hpp"
#include "proto/objects.hpp"

namespace streamr::core {

struct HttpCall {
  CallId call = 0;
  std::string method;
  std::string url;                                           // absolute
  std::vector<std::pair<std::string, std::string>> headers;
  SharedBytes body;
  std::uint32_t timeout_ms = 10'000;
  std::uint32_t max_reply_bytes = 64 * 1024;
};

struct PresenceConfig {
  std::string coordinator_url;                               // http(s)://host:port, no slash at the end
  std::string role;                                          // "relay", "origin", "publisher", "viewer" (a viewer never registers)
  std::string name;
  std::string software;
  std::string advertise_url;                                 // empty: no address is registered
  std::uint32_t capacity_kbps = 0;
  std::array<std::uint8_t, 16> boot_id{};                    // random, from io
  std::uint64_t seed = 0;                                    // jitter
  std::optional<Key> coordinator_key;                        // pinned; else the first one learnt
  Hash batch_chain;                                          // H of the last batch body, remembered by io's state
};

// What the heartbeat tells; the node fills it when asked.
struct StreamReport { StreamId stream; std::uint64_t epoch = 0; Hash head; std::uint64_t newest = 0; std::uint64_t lag_ms = 0; std::uint32_t viewers = 0; };
struct NodeReport {
  std::vector<StreamReport> streams;
  std::uint32_t free_kbps = 0;
  std::uint32_t load_pct = 0;
  std::vector<std::pair<std::string, std::uint64_t>> counters;
};

struct UpstreamOffer { std::string url; Key relay_key; std::optional<proto::Ticket> ticket; };
struct Assignment { StreamId stream; std::string alias; std::vector<UpstreamOffer> upstreams; };   // none: you are the origin

struct Registered { std::string node_id; };
struct Reachable { bool reachable; std::string why; };
struct CoordinatorKey { Key key; };
struct Assignments { std::vector<Assignment> assignments; };
struct Revocations { std::vector<proto::Revocation> revocations; };
struct StreamAnnounced { StreamId stream; std::vector<UpstreamOffer> origins; };            // empty list: ask again is under way
struct StreamRefused { StreamId stream; int status; std::string code; std::string message; };
struct SessionGranted { std::uint64_t request; SessionId session; StreamId stream; std::vector<UpstreamOffer> relays; std::string steering_url; std::string origin_url; };
struct SessionRefused { std::uint64_t request; int status; std::string code; std::string message; std::uint32_t retry_after_s; };
struct BatchSettled { Hash batch_hash; std::uint64_t settled; std::uint64_t refused; };     // io's state keeps batch_hash
using PresenceEvent = std::variant<Registered, Reachable, CoordinatorKey, Assignments, Revocations, StreamAnnounced,
                                   StreamRefused, SessionGranted, SessionRefused, BatchSettled>;

struct StreamAnnouncement {
  proto::Certificate certificate;
  crypto::KeyPair session;
  std::string alias, title, pool, bearer;                    // empty: left out
};
struct SessionRequest {
  std::uint64_t request = 0;                                 // the caller's number
  std::string stream;                                        // 64 hex digits or an alias
  Key viewer_key;
  std::uint32_t max_kbps = 0;
};
struct Evidence { std::string kind; Key relay_key; std::vector<ByteVector> objects; };

class Presence {
 public:
  Presence(PresenceConfig config, const crypto::KeyPair& identity);
  ~Presence();
  Presence(Presence&&) noexcept;

  void start(Now now);
  void on_time(Now now);
  void on_answer(CallId call, int status, std::optional<std::uint32_t> retry_after_s, ByteView body, const std::string& failure, Now now);  // status 0: `failure` says why
  std::optional<HttpCall> poll_call(Now now, const NodeReport& report);   // `report` is used where the call is a heartbeat
  bool heartbeat_due(Now now) const;
  std::optional<PresenceEvent> poll_event();
  std::uint64_t deadline_us() const;                         // mono_us; UINT64_MAX = none

  void announce(const StreamAnnouncement& announcement, Now now);         // repeats until origins are told
  void request_session(const SessionRequest& request, Now now);           // one answer each
  void cancel_session(std::uint64_t request);                // its answer is not wanted any more
  void report_receipt(const proto::Receipt& newest, bool final, Now now); // relay side: joins the next batch (60 s, 30 s after FINAL)
  void post_viewer_receipt(const proto::Receipt& receipt, Now now);       // at most once a minute a session
  void report_evidence(Evidence evidence, Now now);
  void heartbeat_soon(Now now);                              // at most once a second
  // The node ends: what is owed to the coordinator goes out now, once; flushed() when it is answered or cannot go.
  void flush(Now now);
  bool flushed() const;
  void set_addresses(const std::string& advertise_url);      // when the port is known
  const std::optional<Key>& coordinator_key() const;
  bool registered() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace streamr::core
