#include "core/presence_batches.hpp"

#include <algorithm>

namespace streamr::core {

namespace {

constexpr std::uint64_t batch_every_us = 60'000'000;
constexpr std::uint64_t after_final_us = 20'000'000;      // the protocol allows 30 s
constexpr std::uint64_t kept_us = 7ull * 24 * 3600 * 1'000'000;
constexpr std::uint64_t ahead_minutes = 1;                // of the clock; the coordinator takes up to 2
constexpr std::uint64_t ahead_minutes_after_restart = 2;

std::optional<Hash> expected_prev(const Answer& answer) {
  const auto document = proto::parse_json(answer.text());
  if (!document) return std::nullopt;
  if (const auto hash = document->root().get_fixed<Hash>("expected_prev")) return *hash;
  const auto error = document->root().get_object("error");
  if (!error) return std::nullopt;
  const auto hash = error->get_fixed<Hash>("expected_prev");
  return hash ? std::optional<Hash>(*hash) : std::nullopt;
}

}  // namespace

void ReceiptBatches::report(const proto::Receipt& newest, bool final, Now now) {
  const auto known = fresh_.find(newest.session_id);
  if (known == fresh_.end() && fresh_.size() >= sessions_kept) return;
  if (known != fresh_.end() && known->second.seq >= newest.seq) return;
  Entry& entry = fresh_[newest.session_id];
  entry = {newest.raw, newest.seq, now.mono_us, final || entry.final};
  if (under_way_ || batch_) return;                       // planned when that batch is answered
  due_us_ = std::min(due_us_, now.mono_us + (entry.final ? after_final_us : batch_every_us));
}

void ReceiptBatches::flush(Now now) {
  flushing_ = true;
  if (!under_way_) due_us_ = batch_ || !fresh_.empty() ? now.mono_us : never_us;
}

std::optional<HttpCall> ReceiptBatches::poll(Now now) {
  if (under_way_ || now.mono_us < due_us_ || !context_.lease || context_.signed_under_way()) return std::nullopt;
  due_us_ = never_us;
  if (!batch_ && !make_batch(now)) return std::nullopt;
  under_way_ = true;
  HttpCall call = context_.signed_call(Route::batch, "POST", "/v1/receipts/batch", batch_->body, now);
  call.timeout_ms = 30'000;
  call.max_reply_bytes = 1024 * 1024;                     // names each refused session
  return call;
}

ReceiptBatches::Entries ReceiptBatches::take(Now now) {
  std::erase_if(fresh_, [&now](const auto& item) { return item.second.reported_us + kept_us < now.mono_us; });
  if (fresh_.size() <= batch_receipts_) return std::exchange(fresh_, {});
  Entries taken;
  while (taken.size() < batch_receipts_) taken.insert(fresh_.extract(fresh_.begin()));
  return taken;
}

bool ReceiptBatches::make_batch(Now now) {
  // One minute names one batch: two different ones of one interval would look like forgery. So a batch that a FINAL calls
  // early may run a little ahead of the clock, and where that is used up it waits.
  const std::uint64_t minute = now.unix_us / minute_us;
  const std::uint64_t ahead = after_restart_ || flushing_ ? ahead_minutes_after_restart : ahead_minutes;
  const std::uint64_t first = after_restart_ ? minute + ahead_minutes_after_restart : minute;
  const std::uint64_t interval = std::max(first, last_interval_ + 1);
  if (interval > minute + ahead) {
    due_us_ = flushing_ ? never_us : now.mono_us + ((interval - ahead) * minute_us - now.unix_us);
    return false;
  }
  Entries entries = take(now);
  if (entries.empty()) return false;
  last_interval_ = interval;
  after_restart_ = false;

  crypto::Hasher hasher;
  std::vector<Hash> leaves;
  leaves.reserve(entries.size());
  for (const auto& [session, entry] : entries) leaves.push_back(crypto::leaf_hash(hasher, entry.raw));
  proto::JsonWriter json;
  json.begin_object()
      .member("interval", interval)
      .member_hex("prev_batch_hash", chain_.view())
      .member_hex("root", crypto::merkle_root(hasher, leaves).view())
      .begin_array("receipts");
  for (const auto& [session, entry] : entries) json.element_hex(entry.raw);
  json.end_array().end_object();
  const SharedBytes body = SharedBytes::copy(view_of(json.text()));
  batch_ = Batch{body, crypto::sha256(body), std::move(entries)};
  return true;
}

bool ReceiptBatches::on_answer(const Answer& answer, Now now) {
  under_way_ = false;
  if (!batch_) return true;
  if (answer.passing()) {
    due_us_ = flushing_ ? never_us : context_.retry_at(answer, backoff_, now);   // the same body: it may have been accepted
    return true;
  }
  if (answer.good()) {
    std::uint64_t settled = batch_->entries.size(), refused = 0;
    if (const auto document = proto::parse_json(answer.text(), {.max_bytes = 1024 * 1024})) {
      if (const auto count = document->root().get_u64("settled")) settled = *count;
      if (const auto list = document->root().get_array("refused")) refused = list->size();
    }
    settle(settled, refused, now);
    return true;
  }
  if (answer.status == 401) {
    const bool replayed = read_error(answer).code == "counter_replayed" && ++replays_ < replays_before_registering;
    due_us_ = flushing_ ? never_us : context_.retry_at(answer, backoff_, now);
    if (!replayed) replays_ = 0;
    return replayed;
  }
  if (answer.status == 409) {
    rechain(answer, now);
    return true;
  }
  if (answer.status == 413 && batch_receipts_ > 1) {
    batch_receipts_ /= 2;
    give_back();
  }
  batch_.reset();                                         // a form that the coordinator will never take
  plan(now);
  return true;
}

void ReceiptBatches::settle(std::uint64_t settled, std::uint64_t refused, Now now) {
  chain_ = batch_->hash;
  batch_.reset();
  backoff_.reset();
  replays_ = 0;
  context_.emit(BatchSettled{chain_, settled, refused});
  plan(now);
}

void ReceiptBatches::rechain(const Answer& answer, Now now) {
  const auto expected = expected_prev(answer);
  if (expected && *expected == batch_->hash) return settle(batch_->entries.size(), 0, now);   // it had been accepted
  if (expected) chain_ = *expected;
  give_back();
  batch_.reset();
  after_restart_ = true;
  due_us_ = now.mono_us + backoff_.next_us(context_.prng);
}

void ReceiptBatches::give_back() {
  for (auto& [session, entry] : batch_->entries)
    fresh_.try_emplace(session, entry);                   // what came meanwhile is newer
}

void ReceiptBatches::plan(Now now) {
  due_us_ = never_us;
  for (const auto& [session, entry] : fresh_) {
    const std::uint64_t due_us = entry.reported_us + (entry.final ? after_final_us : batch_every_us);
    due_us_ = std::min(due_us_, flushing_ ? now.mono_us : std::max(now.mono_us, due_us));
  }
  if (fresh_.size() > batch_receipts_) due_us_ = now.mono_us;
}

}  // namespace streamr::core
