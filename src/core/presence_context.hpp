// Decides what the parts of presence share: route of each call, request signatures and leases, backoff, what is said about
// the coordinator, and the events that wait for the node.
// Never decides when something is asked: the parts do.
// Called by presence_register, presence_heartbeat, presence_streams, presence_sessions, presence_batches, presence_evidence.
#pragma once

#include <deque>
#include <string_view>
#include <unordered_map>

#include "base/prng.hpp"
#include "core/presence.hpp"
#include "proto/json.hpp"

namespace streamr::core {

constexpr std::uint64_t minute_us = 60'000'000;
constexpr std::uint32_t replays_before_registering = 3;   // lost replies in a row that say the lease is gone

enum class Route : std::uint8_t { well_known, challenge, registration, heartbeat, stream, session, batch, viewer_receipt, evidence };

using Lease = FixedBytes<16, struct LeaseTag>;

// What came back for a call. Status 0: nothing did, and `failure` says why.
struct Answer {
  int status = 0;
  std::optional<std::uint32_t> retry_after_s;
  ByteView body;
  std::string_view failure;

  bool good() const { return status >= 200 && status < 300; }
  // No answer, or one that says nothing about what was asked: the same request is worth another try.
  bool passing() const { return status == 0 || status == 408 || status == 425 || status == 429 || status >= 500; }
  std::string_view text() const { return {reinterpret_cast<const char*>(body.data()), body.size()}; }
};

// The body of a refusal: {"error": {"code", "message"}}; empty words where it is something else.
struct ApiError { std::string code, message; };
ApiError read_error(const Answer& answer);
std::string describe(const Answer& answer);   // one line for a person: status, code and message, or the failure

// 250 ms, twice as long each time, at most 10 s, ± 50 %.
class Backoff {
 public:
  std::uint64_t next_us(Prng& prng);
  void reset() { step_us_ = first_us; }

 private:
  static constexpr std::uint64_t first_us = 250'000;
  static constexpr std::uint64_t last_us = 10'000'000;
  std::uint64_t step_us_ = first_us;
};

// Relays as answers name them: {"url", "relay_key", "ticket"}; entries that cannot be read are left out.
std::vector<UpstreamOffer> read_offers(const proto::JsonView& list);

class PresenceContext {
 public:
  PresenceContext(PresenceConfig config, const crypto::KeyPair& identity);

  // ---- calls. `path` begins with a slash and is put behind the path of the coordinator's address.
  HttpCall call(Route route, std::string_view method, std::string_view path, SharedBytes body, std::string_view type);
  // A node's request: signed under the newest lease, with the next counter. Only one is under way at a time, so that the
  // coordinator sees the counters rise whatever way the requests take.
  HttpCall signed_call(Route route, std::string_view method, std::string_view path, SharedBytes body, Now now);
  std::optional<Route> finish(CallId call);                   // nothing: not ours, or answered before
  bool signed_under_way() const { return signed_under_way_ != 0; }
  // When to repeat after an answer that was `passing`: Retry-After where it came, else the backoff.
  std::uint64_t retry_at(const Answer& answer, Backoff& backoff, Now now);

  // ---- the coordinator
  // True: this is the key to trust (told as an event where new). A key that was pinned or learnt before gives way only to
  // the one it announced as next_key.
  bool accept_key(const Key& key);
  void reached();                                             // an answer came
  void lost(const Answer& answer);                            // none came, or one of a broken coordinator
  void refused(const std::string& code, const std::string& why);   // holds until registered() says otherwise
  void refusal_over() { refusal_.clear(); }
  std::uint32_t recoveries() const { return recoveries_; }    // how often it came back

  void emit(PresenceEvent event) { events.push_back(std::move(event)); }

  PresenceConfig config;
  crypto::KeyPair identity;
  Prng prng;
  std::deque<PresenceEvent> events;
  std::optional<Key> key;
  std::optional<Key> next_key;
  std::optional<std::string> addresses_told;                  // advertise_url as the coordinator knows it
  std::optional<Lease> lease;                                 // the newest one

 private:
  void say(bool reachable, std::string why);

  std::string target_prefix_;                                 // path of the coordinator's address, mostly empty
  std::unordered_map<CallId, Route> calls_;
  CallId next_call_ = 1;
  CallId signed_under_way_ = 0;
  std::uint64_t counter_ = 0;
  bool key_told_ = false;
  std::optional<bool> reachable_;
  std::string refusal_;
  std::uint32_t recoveries_ = 0;
};

}  // namespace streamr::core
