#include <algorithm>
#include <iterator>

#include "core/delivery.hpp"

namespace streamr::core {

namespace {

constexpr std::uint64_t least_latency_us = 2'000'000;
constexpr std::uint64_t chunks_behind = 2;  // "more than one chunk behind"

}  // namespace

// ---- what is too late

std::uint64_t Delivery::latency_us() const {
  if (config_.max_latency_ms != 0) return ms_to_us(config_.max_latency_ms);
  return std::max<std::uint64_t>(3ull * config_.part_target_us, least_latency_us);
}

bool Delivery::in_newest_segment(const Item& item) const {
  return item.chunk->header().epoch == epoch_ && item.chunk->header().segment >= newest_.segment;
}

// Past its deadline before its first slice went out.
bool Delivery::late(const Item& item, Now now) const {
  if (item.kind != Kind::live || item.sent_slices != 0 || item.first == item.last || is_bare(item) ||
      in_newest_segment(item))
    return false;
  return now.unix_us > item.chunk->header().capture_time_us + latency_us();
}

// Its slices do not come to us any more, or it was asked for and is not here.
bool Delivery::stuck(const Item& item, Now now) const {
  if (item.kind == Kind::init || item.first == item.last || item.cursor < item.chunk->arrivals().size()) return false;
  if (item.kind != Kind::fetch && (!item.announced || number_ < item.number + chunks_behind)) return false;
  return now.mono_us >= item.progress_mono_us + patience_us(item);
}

// Who fetches has others to ask, whatever latency the subscription allows.
std::uint64_t Delivery::patience_us(const Item& item) const {
  return item.kind == Kind::fetch ? std::min(latency_us(), least_latency_us) : latency_us();
}

// ---- what the queue cap gives up

bool Delivery::over_cap(std::uint64_t transport_bytes, Now now) const {
  std::uint64_t bytes = transport_bytes;
  for (const Item& item : items_)
    if (item.kind == Kind::live && !is_bare(item)) bytes += unsent_bytes(item);
  return bytes > limits::queue_bytes || oldest_queued_age_us(now) >= limits::queue_us;
}

// From a chunk that is more than one chunk behind to the next one that a decoder can begin with.
std::optional<Delivery::Skip> Delivery::skip_ahead() const {
  const auto counts = [&](const Item& item) {
    return item.kind == Kind::live && !is_bare(item) && !in_newest_segment(item);
  };
  for (std::size_t from = 0; from < items_.size(); ++from) {
    const Item& head = items_[from];
    if (!counts(head) || number_ < head.number + chunks_behind) continue;
    if (head.cursor >= head.chunk->arrivals().size()) continue;  // the subscriber waits for us, not we for it
    for (std::size_t to = from + 1; to < items_.size(); ++to) {
      const Item& next = items_[to];
      if (next.kind != Kind::live) continue;
      if (next.chunk->header().has(proto::independent) || in_newest_segment(next)) return Skip{from, to};
    }
    return std::nullopt;
  }
  return std::nullopt;
}

void Delivery::apply_drop_rule(std::uint64_t transport_bytes, Now now) {
  for (auto at = items_.begin(); at != items_.end();) {
    if (late(*at, now)) {
      at = drop(at, proto::DropReason::late);
    } else if (stuck(*at, now)) {
      at = drop(at, at->kind == Kind::fetch ? proto::DropReason::not_held : proto::DropReason::late);
    } else {
      ++at;
    }
  }
  while (over_cap(transport_bytes, now)) {
    const auto skip = skip_ahead();
    if (!skip) return;
    auto at = items_.begin() + static_cast<std::ptrdiff_t>(skip->from);
    for (std::size_t left = skip->to - skip->from; left != 0; --left) {
      const bool given_up = at->kind == Kind::live && !is_bare(*at);
      at = given_up ? drop(at, proto::DropReason::queue) : std::next(at);
    }
  }
}

Delivery::Items::iterator Delivery::drop(Items::iterator at, proto::DropReason reason) {
  drops_.push_back({at->announced ? at->ref : 0, reason, at->chunk->header().pos()});
  if (reason == proto::DropReason::late) ++counters_.dropped_late;
  if (reason == proto::DropReason::queue) ++counters_.dropped_queue;
  return erase(at);
}

// ---- when to look again

std::uint64_t Delivery::oldest_queued_age_us(Now now) const {
  for (const Item& item : items_) {
    if (item.kind != Kind::live || is_bare(item) || item.cursor >= item.chunk->arrivals().size()) continue;
    const std::uint64_t since = std::max(item.queued_mono_us, item.chunk->arrivals()[item.cursor].mono_us);
    return now.mono_us > since ? now.mono_us - since : 0;
  }
  return 0;
}

std::uint64_t Delivery::deadline_us(Now now) const {
  std::uint64_t deadline = never_us;
  if (pace_blocked_ && pace_bps_ != 0) {
    const std::uint64_t owed = static_cast<std::uint64_t>(1 - std::min<std::int64_t>(pace_balance_, 0));
    deadline = pace_mono_us_ + (owed * 1'000'000 + pace_bps_ - 1) / pace_bps_;
  }
  bool first_live = true;
  for (const Item& item : items_) {
    const bool exhausted = item.cursor >= item.chunk->arrivals().size();
    if (item.kind != Kind::init && exhausted && item.first != item.last &&
        (item.kind == Kind::fetch || (item.announced && number_ >= item.number + chunks_behind)))
      deadline = std::min(deadline, item.progress_mono_us + patience_us(item));
    if (item.kind != Kind::live || is_bare(item) || item.sent_slices != 0 || in_newest_segment(item) || !first_live)
      continue;
    first_live = false;  // capture times rise, so the first one is the next to be late
    const std::uint64_t late_unix_us = item.chunk->header().capture_time_us + latency_us() + 1;
    deadline =
        std::min(deadline, late_unix_us > now.unix_us ? now.mono_us + (late_unix_us - now.unix_us) : now.mono_us);
  }
  if (skip_ahead()) {
    const std::uint64_t age = oldest_queued_age_us(now);
    deadline = std::min(deadline, age >= limits::queue_us ? now.mono_us : now.mono_us + limits::queue_us - age);
  }
  return deadline;
}

}  // namespace streamr::core
