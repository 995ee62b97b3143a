#include "core/delivery.hpp"

#include <algorithm>

namespace streamr::core {

namespace {

constexpr std::uint64_t chunk_fixed_bytes = 232;  // of a CHUNK payload, before its leaves
constexpr std::uint64_t slice_fixed_bytes = 8;
constexpr std::size_t sent_kept = 64;
constexpr std::size_t certificates_kept = 16;
constexpr std::int64_t pace_burst_bytes = 16 * 1024;  // a slice may be saved up,
constexpr std::uint64_t pace_burst_us = 20'000;       // and what a coarse timer lets pass

}  // namespace

// ---- what an item still needs

bool Delivery::is_bare(const Item& item) const {
  return item.first >= item.last || (config_.headers_only && item.kind != Kind::fetch && !item.announced);
}

// Moves over slices that were not asked for; true if one is verified and unsent.
bool Delivery::ready(Item& item) {
  const auto& arrivals = item.chunk->arrivals();
  while (item.cursor < arrivals.size()) {
    const std::uint16_t index = arrivals[item.cursor].index;
    if (index >= item.first && index < item.last) return true;
    ++item.cursor;
  }
  return false;
}

// A CHUNK goes out ahead of its slices while that leaves a place for one whose slices are here already.
bool Delivery::may_announce(const Item& item, bool is_ready) const {
  if (unfinished_ >= limits::unfinished_chunks) return false;
  if (is_ready) return without_slice_ < limits::unfinished_chunks_without_slice;
  return item.kind != Kind::fetch && unfinished_ + 1 < limits::unfinished_chunks &&
         without_slice_ + 1 < limits::unfinished_chunks_without_slice;
}

// All places are taken by chunks whose slices do not come: the oldest of them gives way to one whose slices are here.
bool Delivery::make_room() {
  for (auto at = items_.begin(); at != items_.end(); ++at)
    if (at->announced && at->kind != Kind::init && !ready(*at)) {
      drop(at, at->kind == Kind::fetch ? proto::DropReason::not_held : proto::DropReason::late);
      return true;
    }
  return false;
}

Delivery::Items::iterator Delivery::erase(Items::iterator at) {
  if (at->announced && at->first < at->last) {
    --unfinished_;
    if (at->sent_slices == 0) --without_slice_;
  }
  if (at->kind == Kind::history) --history_;
  if (at->sent_slices != 0) {
    const proto::ChunkHeader& header = at->chunk->header();
    if (sent_.size() == sent_kept) sent_.erase(sent_.begin());
    sent_.push_back({header.epoch, header.segment, header.part,
                     static_cast<std::uint16_t>(std::max(at->cursor, at->sent_before))});
  }
  return items_.erase(at);
}

// ---- giving the next item

std::optional<Delivered> Delivery::poll(std::uint64_t budget, std::uint32_t& next_ref, Now now) {
  pace_blocked_ = false;
  bool held = false;  // one could not be announced; those behind it wait as well, what was announced goes on
  for (auto at = items_.begin(); drops_.empty() && at != items_.end();) {
    if (late(*at, now)) {
      at = drop(at, proto::DropReason::late);
      continue;
    }
    const bool is_ready = ready(*at);
    if (at->announced) {
      if (is_ready) return next_slice(at, budget, now);
    } else if (!held && (is_bare(*at) || may_announce(*at, is_ready))) {
      return announce(at, budget, next_ref, now);
    } else if (is_ready && !held && make_room()) {
      break;
    } else {
      held = held || is_ready || at->kind != Kind::fetch;
    }
    ++at;
  }
  if (!drops_.empty()) {
    Delivered out = drops_.front();
    drops_.erase(drops_.begin());
    return out;
  }
  paced_ = false;  // nothing that was ready is left: the edge is reached
  if (end_sent_ && config_.epoch != 0 && items_.empty() && !over_) {
    over_ = true;
    return DeliverEnd{proto::SubEndCode::stream_ended, newest_.segment};
  }
  return std::nullopt;
}

std::optional<Delivered> Delivery::announce(Items::iterator at, std::uint64_t budget, std::uint32_t& next_ref,
                                            Now now) {
  const ChunkPtr chunk = at->chunk;
  if (const auto& certificate = chunk->certificate()) {
    const CertId& id = chunk->header().cert_id;
    if (std::find(certificates_.begin(), certificates_.end(), id) == certificates_.end()) {
      if (certificates_.size() == certificates_kept) certificates_.erase(certificates_.begin());
      certificates_.push_back(id);
      return DeliverCert{certificate};
    }
  }
  const std::uint64_t bytes = chunk_fixed_bytes + chunk->leaves().size() * sizeof(Hash);
  if (bytes > budget || !pace_allows(*at, bytes, now)) return std::nullopt;
  const std::uint32_t ref = std::max(next_ref, chunk->shared_ref());
  next_ref = ref + 1;
  ++counters_.chunks;
  counters_.bytes += bytes;
  if (chunk->header().has(proto::end)) end_sent_ = true;
  if (is_bare(*at)) {
    erase(at);
  } else {
    at->announced = true;
    at->ref = ref;
    at->progress_mono_us = now.mono_us;
    ++unfinished_;
    ++without_slice_;
  }
  return DeliverChunk{chunk, ref};
}

std::optional<Delivered> Delivery::next_slice(Items::iterator at, std::uint64_t budget, Now now) {
  Item& item = *at;
  const std::uint16_t index = item.chunk->arrivals()[item.cursor].index;
  const std::uint32_t data_bytes = item.chunk->header().slice_bytes(index);
  const std::uint64_t bytes = slice_fixed_bytes + data_bytes;
  if (bytes > budget || !pace_allows(item, bytes, now)) return std::nullopt;
  const std::uint64_t verified_us = item.chunk->arrivals()[item.cursor].mono_us;
  // What verified before the item was queued waited for its subscriber, not for this node.
  const std::uint64_t live_us = item.kind == Kind::live && verified_us >= item.queued_mono_us ? verified_us : 0;
  DeliverSlice out{item.chunk, item.ref, index, item.cursor < item.sent_before, live_us};
  ++item.cursor;
  if (item.sent_slices++ == 0) --without_slice_;
  item.sent_bytes += data_bytes;
  item.progress_mono_us = now.mono_us;
  ++counters_.slices;
  counters_.bytes += bytes;
  if (item.sent_slices + item.first == item.last) erase(at);
  return out;
}

bool Delivery::pace_allows(const Item& item, std::uint64_t bytes, Now now) {
  if (!paced_ || pace_bps_ == 0 || item.kind == Kind::init || item.kind == Kind::fetch) return true;
  const std::uint64_t elapsed_us = std::min<std::uint64_t>(now.mono_us - pace_mono_us_, s_to_us(60));
  const std::uint64_t gained = pace_bps_ * elapsed_us / 1'000'000;
  if (gained != 0) {
    const auto burst = std::max(pace_burst_bytes, static_cast<std::int64_t>(pace_bps_ * pace_burst_us / 1'000'000));
    pace_balance_ = std::min(pace_balance_ + static_cast<std::int64_t>(gained), burst);
    pace_mono_us_ = now.mono_us;
  }
  pace_blocked_ = pace_balance_ <= 0;
  if (pace_blocked_) return false;
  pace_balance_ -= static_cast<std::int64_t>(bytes);
  return true;
}

// ---- figures

std::uint64_t Delivery::unsent_bytes(const Item& item) {
  if (item.first == 0 && item.last == item.chunk->header().slice_count)
    return item.chunk->verified_bytes() - item.sent_bytes;
  std::uint64_t bytes = 0;
  const auto& arrivals = item.chunk->arrivals();
  for (std::size_t at = item.cursor; at < arrivals.size(); ++at)
    if (arrivals[at].index >= item.first && arrivals[at].index < item.last)
      bytes += item.chunk->header().slice_bytes(arrivals[at].index);
  return bytes;
}

std::uint64_t Delivery::queued_bytes() const {
  std::uint64_t bytes = 0;
  for (const Item& item : items_)
    if (!is_bare(item)) bytes += unsent_bytes(item);
  return bytes;
}

std::size_t Delivery::fetches_waiting() const {
  return static_cast<std::size_t>(
      std::count_if(items_.begin(), items_.end(), [](const Item& item) { return item.kind == Kind::fetch; }));
}

Delivery::Value Delivery::next_value() const {
  if (!drops_.empty()) return Value::init;
  for (const Item& item : items_) {
    const bool sendable = !item.announced || item.cursor < item.chunk->arrivals().size();
    if (!sendable) continue;
    if (item.kind == Kind::init) return Value::init;
    if (track_kind_ == proto::TrackKind::audio) return Value::audio;
    return item.chunk->header().has(proto::independent) ? Value::independent : Value::rest;
  }
  return end_sent_ && config_.epoch != 0 && !over_ ? Value::rest : Value::nothing;
}

}  // namespace streamr::core
