#include "core/presence_evidence.hpp"

#include <algorithm>

namespace streamr::core {

namespace {

constexpr std::uint64_t first_receipt_us = 5'000'000;      // lets the figures of a new session mean something
constexpr std::size_t sessions_kept = 64;
constexpr std::uint64_t hour_us = 3'600'000'000;
constexpr std::size_t evidence_an_hour = 60;
constexpr std::size_t evidence_kept = 64;
constexpr std::size_t evidence_bytes = 256 * 1024;

}  // namespace

void ViewerReceipts::post(const proto::Receipt& receipt, Now now) {
  const bool final = (receipt.flags & 1) != 0;
  const Place place{receipt.session_id, receipt.relay_key};
  auto found = sessions_.find(place);
  if (found == sessions_.end()) {
    if (sessions_.size() >= sessions_kept) return;
    const std::uint64_t wait_us = first_receipt_us + context_.prng.below(first_receipt_us);
    found = sessions_.emplace(place, Entry{}).first;
    found->second.earliest_us = now.mono_us + wait_us;
  } else if (found->second.seq >= receipt.seq) {
    return;
  }
  Entry& entry = found->second;
  if (final && !entry.posted) entry.earliest_us = now.mono_us;
  entry.raw = receipt.raw;
  entry.seq = receipt.seq;
  entry.fresh = true;
  entry.final = entry.final || final;
}

void ViewerReceipts::flush(Now now) {
  flushing_ = true;
  for (auto& [session, entry] : sessions_) {
    if (entry.fresh && !entry.posted) entry.earliest_us = now.mono_us;
    entry.fresh = entry.fresh && entry.earliest_us <= now.mono_us;
  }
}

bool ViewerReceipts::flushed() const { return !under_way_ && (!flushing_ || deadline_us() == never_us); }

std::uint64_t ViewerReceipts::deadline_us() const {
  if (under_way_) return never_us;
  std::uint64_t earliest_us = never_us;
  for (const auto& [session, entry] : sessions_)
    if (entry.fresh) earliest_us = std::min(earliest_us, entry.earliest_us);
  return earliest_us;
}

std::optional<HttpCall> ViewerReceipts::poll(Now now) {
  if (now.mono_us < deadline_us()) return std::nullopt;
  for (auto& [place, entry] : sessions_) {
    if (!entry.fresh || now.mono_us < entry.earliest_us) continue;
    entry.fresh = false;
    entry.posted = true;
    entry.earliest_us = now.mono_us + minute_us;
    under_way_ = place;
    under_way_seq_ = entry.seq;
    return context_.call(Route::viewer_receipt, "POST", "/v1/receipts", SharedBytes::copy(entry.raw), "application/octet-stream");
  }
  return std::nullopt;
}

void ViewerReceipts::on_answer(const Answer& answer, Now now) {
  if (!under_way_) return;
  const auto found = sessions_.find(*under_way_);
  under_way_.reset();
  if (found == sessions_.end()) return;
  Entry& entry = found->second;
  if (answer.passing()) {
    entry.fresh = !flushing_;
    // Whether it came through is not known where no answer came: a minute is the safe distance.
    if (answer.status != 0) entry.earliest_us = std::max(entry.earliest_us, context_.retry_at(answer, entry.backoff, now));
    return;
  }
  entry.backoff.reset();
  const bool last = entry.final && entry.seq == under_way_seq_;
  if (last || !answer.good()) sessions_.erase(found);
}

void EvidenceQueue::report(Evidence evidence, Now) {
  if (context_.config.role == "viewer" || bodies_.size() >= evidence_kept) return;
  proto::JsonWriter json;
  json.begin_object().member("kind", evidence.kind).member_hex("relay_key", evidence.relay_key.view()).begin_array("objects");
  for (const ByteVector& object : evidence.objects) json.element_hex(object);
  json.end_array().end_object();
  if (json.text().size() > evidence_bytes) return;
  SharedBytes body = SharedBytes::copy(view_of(json.text()));
  const auto same = [&body](const SharedBytes& other) { return std::ranges::equal(body.view(), other.view()); };
  if (std::ranges::none_of(bodies_, same)) bodies_.push_back(std::move(body));
}

std::optional<HttpCall> EvidenceQueue::poll(Now now) {
  if (under_way_ || bodies_.empty() || now.mono_us < due_us_ || !context_.lease || context_.signed_under_way())
    return std::nullopt;
  while (!sent_us_.empty() && sent_us_.front() + hour_us <= now.mono_us) sent_us_.pop_front();
  if (sent_us_.size() >= evidence_an_hour) {
    due_us_ = sent_us_.front() + hour_us;
    return std::nullopt;
  }
  sent_us_.push_back(now.mono_us);
  under_way_ = true;
  return context_.signed_call(Route::evidence, "POST", "/v1/evidence", bodies_.front(), now);
}

bool EvidenceQueue::on_answer(const Answer& answer, Now now) {
  under_way_ = false;
  if (answer.passing()) {
    due_us_ = context_.retry_at(answer, backoff_, now);
    return true;
  }
  if (answer.status == 401) {
    const bool replayed = read_error(answer).code == "counter_replayed" && ++replays_ < replays_before_registering;
    due_us_ = context_.retry_at(answer, backoff_, now);
    if (!replayed) replays_ = 0;
    return replayed;
  }
  backoff_.reset();
  replays_ = 0;
  if (!bodies_.empty()) bodies_.pop_front();
  return true;
}

}  // namespace streamr::core
