#include <algorithm>
#include <iterator>

#include "core/delivery.hpp"

namespace streamr::core {

Delivery::Delivery(DeliveryConfig config, const StreamStore& store, Now now) : config_(config) {
  join(store, now);
}

void Delivery::change(DeliveryConfig config, const StreamStore& store, Now now) {
  config_ = config;
  // Another place to go on at: what was not begun is queued anew from there. At the edge the queue stays as it is.
  if (config.start != proto::Start::edge)
    for (auto at = items_.begin(); at != items_.end();)
      at = at->announced || at->kind == Kind::fetch ? std::next(at) : erase(at);
  paced_ = false;
  join(store, now);
}

// ---- the start rules

void Delivery::join(const StreamStore& store, Now now) {
  const EpochStore* newest = store.newest_epoch();
  epoch_ = config_.epoch != 0 ? config_.epoch : (newest ? newest->epoch : 0);
  minimum_ = newest_ = {};
  const TrackStore* track = store.find_track(epoch_, config_.track);
  if (!track) {
    if (config_.start == proto::Start::exact) minimum_ = config_.from;
    return;
  }
  track_kind_ = track->info.kind;
  const ChunkPtr edge = track->newest();
  if (edge) newest_ = edge->header().pos();

  if (config_.start == proto::Start::exact) {
    minimum_ = config_.from;
    return queue_history(*track, config_.from, now);
  }
  if (config_.start == proto::Start::oldest) return queue_history(*track, {}, now);
  if (config_.start == proto::Start::newest_independent) {
    const ChunkPtr first = track->newest_independent();
    // Without a latency of the subscriber's own, what stands in the newest segment is never too late, however rare key frames are.
    const bool fits = first && (first->header().capture_time_us + latency_us() >= now.unix_us ||
                                (config_.max_latency_ms == 0 && first->header().segment == newest_.segment));
    if (fits) {
      paced_ = true;
      pace_balance_ = 1;
      pace_mono_us_ = now.mono_us;
      // A publisher that tells too little must not keep its viewers from the edge.
      pace_bps_ = std::uint64_t{std::max(config_.kbps, track->measured_kbps())} * 1000 / 8 * 2;
      minimum_ = first->header().pos();
      return queue_history(*track, minimum_, now);
    }
  }
  // The edge: INIT, then whatever comes next.
  if (edge) minimum_ = {newest_.segment, static_cast<std::uint16_t>(newest_.part + 1)};
  queue_inits(*track, edge ? newest_.segment : UINT64_MAX, now);
  if (track->ended) end_sent_ = true;
}

void Delivery::queue_history(const TrackStore& track, ChunkPos first, Now now) {
  const auto begin = track.parts.lower_bound(first);
  if (begin != track.parts.end()) {
    queue_inits(track, begin->first.segment, now);
  } else if (const ChunkPtr edge = track.newest()) {
    queue_inits(track, edge->header().segment, now);
    if (track.ended) end_sent_ = true;  // nothing is left to come
  } else {
    queue_inits(track, UINT64_MAX, now);
  }
  for (auto part = begin; part != track.parts.end(); ++part)
    if (!queued(*part->second)) insert_part(make_item(part->second, Kind::history, now));
}

// The INIT that serves this segment, and those that later segments will need.
void Delivery::queue_inits(const TrackStore& track, std::uint64_t segment, Now now) {
  auto init = track.inits.upper_bound(segment);
  if (init != track.inits.begin()) --init;
  for (; init != track.inits.end(); ++init) {
    if (queued(*init->second)) continue;
    Item item = make_item(init->second, Kind::init, now);
    item.sent_before = item.chunk->header().slice_count;  // sent on every join: no receipt is awaited
    insert_init(std::move(item));
  }
}

// ---- what comes while the subscription runs

void Delivery::on_chunk(const ChunkPtr& chunk, const StreamStore& store, Now now) {
  const proto::ChunkHeader& header = chunk->header();
  if (header.track != config_.track || over_) return;
  if (config_.epoch != 0 ? header.epoch != config_.epoch : header.epoch < epoch_) return;
  if (header.epoch != epoch_) {
    const bool first_epoch = epoch_ == 0;
    epoch_ = header.epoch;
    newest_ = {};
    if (!first_epoch) minimum_ = {};
    end_sent_ = false;
  }
  if (const TrackStore* track = store.find_track(epoch_, config_.track)) track_kind_ = track->info.kind;
  if (queued(*chunk)) return;
  if (header.has(proto::init)) return insert_init(make_item(chunk, Kind::init, now));
  if (header.pos() < minimum_) return;
  drop_trimmed(store);
  // A chunk that fills a hole is no newer one.
  if (number_ == 0 || header.pos() > newest_) ++number_;
  if (!header.has(proto::end)) newest_ = std::max(newest_, header.pos());
  insert_part(make_item(chunk, history_ != 0 ? Kind::history : Kind::live, now));
}

// Slices wait in the chunk itself, in the order of their arrival: nothing is noted for each subscriber.
void Delivery::on_slice(const ChunkPtr&, std::uint16_t, Now) {}

void Delivery::on_revoked(std::uint64_t serial_max) {
  for (auto at = items_.begin(); at != items_.end();) {
    const auto& certificate = at->chunk->certificate();
    const bool void_now = certificate && certificate->serial <= serial_max;
    at = void_now ? drop(at, proto::DropReason::revoked) : std::next(at);
  }
}

void Delivery::on_stopped(std::uint64_t epoch) {
  for (auto at = items_.begin(); at != items_.end();)
    at = at->chunk->header().epoch == epoch ? drop(at, proto::DropReason::revoked) : std::next(at);
}

void Delivery::on_fetch(const proto::Fetch& fetch, const StreamStore& store, Now now) {
  const std::uint64_t epoch = fetch.epoch != 0 ? fetch.epoch : epoch_;
  const ChunkPtr chunk = store.find(epoch, config_.track, {fetch.segment, fetch.part});
  const std::uint32_t slices = chunk ? chunk->header().slice_count : 0;
  if (!chunk || (slices != 0 && fetch.first >= slices)) {
    drops_.push_back({0, proto::DropReason::not_held, {fetch.segment, fetch.part}});
    return;
  }
  Item item = make_item(chunk, Kind::fetch, now);
  item.first = slices == 0 ? 0 : fetch.first;
  if (fetch.count != 0)
    item.last = static_cast<std::uint16_t>(std::min<std::uint32_t>(slices, std::uint32_t{fetch.first} + fetch.count));
  // Answers go behind INITs and before everything else, in the order in which they were asked for.
  const auto behind = std::find_if(items_.begin(), items_.end(), [](const Item& each) {
    return each.kind != Kind::init && each.kind != Kind::fetch;
  });
  items_.insert(behind, std::move(item));
}

// ---- the queue

bool Delivery::queued(const StoredChunk& chunk) const {
  return std::any_of(items_.rbegin(), items_.rend(),
                     [&](const Item& item) { return item.chunk.get() == &chunk && item.kind != Kind::fetch; });
}

Delivery::Item Delivery::make_item(const ChunkPtr& chunk, Kind kind, Now now) const {
  Item item;
  item.chunk = chunk;
  item.kind = kind;
  item.last = chunk->header().slice_count;
  item.number = number_;
  item.queued_mono_us = item.progress_mono_us = now.mono_us;
  for (const Sent& sent : sent_)
    if (sent.epoch == chunk->header().epoch && ChunkPos{sent.segment, sent.part} == chunk->header().pos())
      item.sent_before = std::max<std::uint32_t>(item.sent_before, sent.arrivals);
  return item;
}

// Before the parts that it first applies to, behind what stands before them.
void Delivery::insert_init(Item item) {
  const std::uint64_t epoch = item.chunk->header().epoch, segment = item.chunk->header().segment;
  const auto at = std::find_if(items_.begin(), items_.end(), [&](const Item& each) {
    const proto::ChunkHeader& other = each.chunk->header();
    return each.kind != Kind::init && (other.epoch > epoch || (other.epoch == epoch && other.segment >= segment));
  });
  items_.insert(at, std::move(item));
}

void Delivery::insert_part(Item item) {
  if (item.kind == Kind::history) ++history_;
  const std::uint64_t epoch = item.chunk->header().epoch;
  const ChunkPos pos = item.chunk->header().pos();
  auto at = items_.end();
  for (; at != items_.begin(); --at) {
    const Item& before = *std::prev(at);
    if (before.kind == Kind::fetch || before.announced) break;
    const proto::ChunkHeader& other = before.chunk->header();
    if (before.kind == Kind::init && (other.epoch < epoch || (other.epoch == epoch && other.segment <= pos.segment)))
      break;
    if (before.kind == Kind::init) continue;
    if (before.chunk->header().epoch < epoch || before.chunk->header().pos() < pos) break;
  }
  items_.insert(at, std::move(item));
}

// A subscriber that is slower than the stream must not keep alive what the store let go.
void Delivery::drop_trimmed(const StreamStore& store) {
  if (history_ == 0) return;
  const TrackStore* track = store.find_track(epoch_, config_.track);
  if (!track || track->parts.empty()) return;
  for (auto at = items_.begin(); at != items_.end();) {
    const bool gone =
        at->kind == Kind::history && !at->announced && at->chunk->header().segment < track->oldest_segment();
    at = gone ? drop(at, proto::DropReason::not_held) : std::next(at);
  }
}

}  // namespace streamr::core
