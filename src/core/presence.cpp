#include "core/presence.hpp"

#include <algorithm>

#include "core/presence_batches.hpp"
#include "core/presence_evidence.hpp"
#include "core/presence_heartbeat.hpp"
#include "core/presence_register.hpp"
#include "core/presence_sessions.hpp"
#include "core/presence_streams.hpp"

namespace streamr::core {

struct Presence::State {
  State(PresenceConfig config, const crypto::KeyPair& identity) : context(std::move(config), identity) {}

  void lease_lost(Now now) {
    registration.lose_lease(now);
    heartbeat.pause();
  }
  // A coordinator that was away may have begun anew without our streams.
  void after_answer(Now now) {
    if (context.recoveries() == recoveries_seen) return;
    recoveries_seen = context.recoveries();
    streams.announce_again(now);
  }

  PresenceContext context;
  Registration registration{context};
  Heartbeat heartbeat{context};
  StreamAnnouncer streams{context};
  Sessions sessions{context};
  ReceiptBatches batches{context};
  ViewerReceipts viewer_receipts{context};
  EvidenceQueue evidence{context};
  std::uint32_t recoveries_seen = 0;
};

Presence::Presence(PresenceConfig config, const crypto::KeyPair& identity)
    : state_(std::make_unique<State>(std::move(config), identity)) {}
Presence::~Presence() = default;
Presence::Presence(Presence&&) noexcept = default;

void Presence::start(Now now) {
  if (state_->context.key) state_->context.accept_key(*state_->context.key);
  state_->heartbeat.start(now);
  state_->registration.start(now);
}

// Everything that time brings shows in poll_call; nothing changes by itself.
void Presence::on_time(Now) {}

void Presence::on_answer(CallId call, int status, std::optional<std::uint32_t> retry_after_s, ByteView body,
                         const std::string& failure, Now now) {
  const auto route = state_->context.finish(call);
  if (!route) return;
  State& state = *state_;
  const Answer answer{status, retry_after_s, body, failure};
  bool lease_known = true;
  switch (*route) {
    case Route::well_known: state.registration.on_key(answer, now); break;
    case Route::challenge: state.registration.on_challenge(answer, now); break;
    case Route::registration:
      if (const auto heartbeat_ms = state.registration.on_registered(answer, now)) state.heartbeat.begin(*heartbeat_ms, now);
      break;
    case Route::heartbeat: lease_known = state.heartbeat.on_answer(answer, now); break;
    case Route::stream: state.streams.on_answer(answer, now); break;
    case Route::session: state.sessions.on_answer(answer, now); break;
    case Route::batch: lease_known = state.batches.on_answer(answer, now); break;
    case Route::viewer_receipt: state.viewer_receipts.on_answer(answer, now); break;
    case Route::evidence: lease_known = state.evidence.on_answer(answer, now); break;
  }
  if (!lease_known) state.lease_lost(now);
  state.after_answer(now);
}

std::optional<HttpCall> Presence::poll_call(Now now, const NodeReport& report) {
  State& state = *state_;
  if (auto call = state.registration.poll(now)) return call;
  if (auto call = state.heartbeat.poll(now, report)) return call;
  if (auto call = state.sessions.poll(now)) return call;
  if (auto call = state.streams.poll(now)) return call;
  if (auto call = state.batches.poll(now)) return call;
  if (auto call = state.evidence.poll(now)) return call;
  return state.viewer_receipts.poll(now);
}

bool Presence::heartbeat_due(Now now) const { return state_->heartbeat.due(now); }

std::optional<PresenceEvent> Presence::poll_event() {
  auto& events = state_->context.events;
  if (events.empty()) return std::nullopt;
  PresenceEvent event = std::move(events.front());
  events.pop_front();
  return event;
}

std::uint64_t Presence::deadline_us() const {
  const State& state = *state_;
  std::uint64_t earliest_us = std::min({state.registration.deadline_us(), state.sessions.deadline_us(),
                                        state.streams.deadline_us(), state.viewer_receipts.deadline_us()});
  if (state.context.lease && !state.context.signed_under_way())
    earliest_us = std::min({earliest_us, state.heartbeat.deadline_us(), state.batches.deadline_us(), state.evidence.deadline_us()});
  return earliest_us;
}

void Presence::announce(const StreamAnnouncement& announcement, Now now) { state_->streams.announce(announcement, now); }
void Presence::request_session(const SessionRequest& request, Now now) { state_->sessions.request(request, now); }
void Presence::cancel_session(std::uint64_t request) { state_->sessions.cancel(request); }
void Presence::report_receipt(const proto::Receipt& newest, bool final, Now now) { state_->batches.report(newest, final, now); }
void Presence::post_viewer_receipt(const proto::Receipt& receipt, Now now) { state_->viewer_receipts.post(receipt, now); }
void Presence::report_evidence(Evidence evidence, Now now) { state_->evidence.report(std::move(evidence), now); }
void Presence::heartbeat_soon(Now now) { state_->heartbeat.soon(now); }

void Presence::flush(Now now) {
  state_->batches.flush(now);
  state_->viewer_receipts.flush(now);
}

bool Presence::flushed() const {
  return (!state_->context.lease || state_->batches.flushed()) && state_->viewer_receipts.flushed();
}

void Presence::set_addresses(const std::string& advertise_url) {
  state_->context.config.advertise_url = advertise_url;      // the next registration or heartbeat tells it
}

const std::optional<Key>& Presence::coordinator_key() const { return state_->context.key; }
bool Presence::registered() const { return state_->registration.registered(); }

}  // namespace streamr::core
