#include <algorithm>

#include "core/node_state.hpp"

namespace streamr::core {

namespace {

constexpr std::uint64_t have_wait_us = 500'000;  // a holder announces at once; without HAVE track 0 is asked for
constexpr std::uint64_t standby_delay_us = 250'000;
constexpr std::uint64_t redial_cap_us = 10'000'000;
constexpr std::size_t upstreams = 2;

bool same_place(const UpstreamOffer& a, const UpstreamOffer& b) {
  return a.url == b.url && a.relay_key == b.relay_key;
}

// Do both come through the same relay behind the origin?
bool one_subtree(const std::vector<PathEntry>& a, const std::vector<PathEntry>& b) {
  return a.size() > 1 && b.size() > 1 && std::find(b.begin() + 1, b.end(), a[1]) != b.end();
}

ChunkPos after(const ChunkPtr& chunk) {
  const auto& header = chunk->header();
  if (header.has(proto::last_in_segment) || header.has(proto::end)) return {header.segment + 1, 0};
  return {header.segment, static_cast<std::uint16_t>(header.part + 1)};
}

// Where a track goes on: its oldest recent chunk that is not whole, else what follows the newest.
std::optional<ChunkPos> resume_at(const StreamStore& store, std::uint16_t track_number) {
  const auto* epoch = store.newest_epoch();
  if (epoch == nullptr) return std::nullopt;
  const auto found = epoch->tracks.find(track_number);
  if (found == epoch->tracks.end() || found->second.parts.empty()) return std::nullopt;
  const auto& parts = found->second.parts;
  const std::uint64_t newest_segment = parts.rbegin()->first.segment;
  for (auto at = parts.rbegin(); at != parts.rend() && at->first.segment + 2 > newest_segment; ++at) {
    const auto next = std::next(at);
    if (at->second->whole()) continue;
    if (next == parts.rend() || next->second->whole()) return at->first;
  }
  return after(parts.rbegin()->second);
}

}  // namespace

Source* Node::State::find_source(Stream& stream, LinkId link) {
  if (link == 0) return nullptr;
  for (auto& source : stream.sources)
    if (source.link == link) return &source;
  return nullptr;
}

// No word for three parts, though even a standby tells of each: gone, or cut off, and not known to be yet.
bool Node::State::is_silent(const Stream& stream, const Source& source, Now now) const {
  const auto peer = peers.find(source.link);
  const auto* epoch = stream.store.newest_epoch();
  if (peer == peers.end() || epoch == nullptr) return false;
  return peer->second.link->heard_mono_us() + 3ull * epoch->part_target_us <= now.mono_us;
}

// One that is subscribed: that speaks rather than a silent one, then without a stain, then of another subtree.
Source* Node::State::best_standby(Stream& stream, LinkId not_this, Now now) {
  Source* best = nullptr;
  const Source* from = find_source(stream, not_this);
  const auto rank = [&](const Source& source) {
    const bool same_way = from != nullptr && one_subtree(from->path, source.path);
    const bool stained = source.penalty_until_us > now.mono_us;
    return (is_silent(stream, source, now) ? 4 : 0) + (stained ? 2 : 0) + (same_way ? 1 : 0);
  };
  for (auto& source : stream.sources) {
    if (source.link == not_this || source.state != SourceState::subscribed || source.leaves_us != 0) continue;
    if (const Peer* peer = find_peer(source.link); peer == nullptr || !peer->link->open()) continue;
    if (best == nullptr || rank(source) < rank(*best)) best = &source;
  }
  return best;
}

void Node::State::set_offers(Stream& stream, const std::vector<UpstreamOffer>& offers, Now now) {
  if (stream.sources.empty()) stream.sources_began_us = now.mono_us;
  std::vector<Source> next;
  for (const auto& offer : offers) {
    if (next.size() >= sources_most) break;
    const auto known = std::find_if(stream.sources.begin(), stream.sources.end(), [&](const Source& s) {
      return !s.offer.url.empty() && same_place(s.offer, offer);
    });
    if (known == stream.sources.end()) {
      Source fresh;
      fresh.offer = offer;
      fresh.next_dial_us = now.mono_us + standby_delay_us * next.size();
      next.push_back(std::move(fresh));
      continue;
    }
    known->offer = offer;
    known->retired = false;
    next.push_back(*known);
    known->link = 0;
    known->retired = true;
    known->state = SourceState::waiting;
  }
  for (auto& source : stream.sources) {
    if (source.link == 0) continue;
    // Announced by a peer, or still serving: it stays until another does.
    source.retired = !source.offer.url.empty();
    next.push_back(source);
  }
  stream.sources = std::move(next);
  run_sources(stream, now);
}

void Node::State::add_announced_source(Stream& stream, Peer& peer, Now now) {
  const bool from_publisher = peer.link->peer_role() == proto::Role::publisher;
  if (from_publisher && !stream.is_origin && stream.active != 0) return;
  if (stream.sources.size() >= sources_most) return;
  Source source;
  source.link = peer.link->id();
  source.state = SourceState::open;
  source.offer.relay_key = peer.link->peer_key();
  stream.sources.push_back(source);
  if (from_publisher && stream.active != 0)
    if (Source* before = find_source(stream, stream.active))
      before->penalty_until_us = now.mono_us + 60'000'000;  // the newer connection is the living one
  event(STREAMR_EVENT_UPSTREAM, 1, peer.link->address() + " announced the stream", now).stream = stream.store.id();
}

void Node::State::dial(Stream& stream, Source& source, Now now) {
  LinkConfig link;
  link.client = true;
  link.address = source.offer.url;
  link.ticket = source.offer.ticket;
  if (!source.offer.relay_key.is_zero()) link.expected_key = source.offer.relay_key;
  const crypto::KeyPair* key = &identity;
  switch (config.role) {
    case STREAMR_ROLE_VIEWER: link.role = proto::Role::viewer; break;
    case STREAMR_ROLE_PUBLISHER: link.role = proto::Role::publisher; break;
    default: link.role = proto::Role::relay; break;
  }
  if (stream.publication) {
    link.role = proto::Role::publisher;
    key = &stream.publication->options.session;
  } else if (link.role == proto::Role::publisher) {
    link.role = proto::Role::viewer;
  }
  source.state = SourceState::dialing;
  const std::string url = source.offer.url;
  source.link = add_link(std::move(link), *key, now);
  emit(DialLink{source.link, url});
}

void Node::State::run_sources(Stream& stream, Now now) {
  run_dials(stream, now);
  if (stream.publication) return;  // origins subscribe to us
  if (stream.active != 0 && find_source(stream, stream.active) == nullptr) stream.active = 0;
  run_subscriptions(stream, now);
  run_departures(stream, now);
  std::erase_if(stream.sources, [](const Source& s) { return s.link == 0 && (s.retired || s.offer.url.empty()); });
  repair(stream, now);
}

// A relay needs two upstreams at a time, of different subtrees; the rest of an answer waits for one to fail.
void Node::State::run_dials(Stream& stream, Now now) {
  std::size_t up = 0;
  const Source* active = find_source(stream, stream.active);
  for (const auto& source : stream.sources) {
    const bool counts = source.link != 0 && !source.retired && source.leaves_us == 0;
    const bool same_way = active != nullptr && &source != active && one_subtree(active->path, source.path);
    up += counts && !same_way ? 1 : 0;
  }
  for (auto& source : stream.sources) {
    const bool may = source.link == 0 && !source.offer.url.empty() && !source.retired;
    if (!may || stopping || now.mono_us < source.next_dial_us) continue;
    if (up >= upstreams && !stream.publication) break;
    ++up;
    dial(stream, source, now);
  }
}

// The first relay of an answer is the source, unless it sends nothing for a second; until then the others stand by.
bool Node::State::waits_for_first(const Stream& stream, const Source& source, Now now) const {
  const Source& first = stream.sources.front();
  if (&first == &source || stream.active != 0 || first.offer.url.empty() || first.failures != 0 || first.link == 0)
    return false;
  return now.mono_us < stream.sources_began_us + standby_delay_us + first_slice_us;
}

void Node::State::run_subscriptions(Stream& stream, Now now) {
  for (auto& source : stream.sources) {
    Peer* peer = find_peer(source.link);
    if (peer == nullptr || !peer->link->open()) continue;
    if (source.state == SourceState::subscribed && stream.active == 0 && source.leaves_us == 0 &&
        !waits_for_first(stream, source, now)) {
      stream.active = source.link;  // it stood by for one that did not come
      subscribe(stream, source, false, now);
      set_path(stream, source.path);
      continue;
    }
    if (source.state != SourceState::open || now.mono_us < source.retry_us) continue;
    const bool told = peer->offered.contains(stream.store.id());
    if (!told && now.mono_us < peer->link->opened_mono_us() + have_wait_us) continue;
    if (stream.active != 0 && source.offer.url.empty()) {
      subscribe(stream, source, false, now);
      switch_to(stream, source, "the publisher came by a new connection", now);
      continue;
    }
    const bool standby = stream.active != 0 || waits_for_first(stream, source, now);
    subscribe(stream, source, standby, now);
    if (!standby) stream.active = source.link;
  }
}

void Node::State::subscribe(Stream& stream, Source& source, bool headers_only, Now now) {
  Peer& peer = *find_peer(source.link);
  std::vector<std::uint16_t> tracks;
  std::uint32_t mask = 0xFFFFFFFFu;
  if (!stream.carried()) {
    mask = 0;
    for (const auto id : stream.watches)
      mask |= watches[id].options.track_mask == 0 ? 0xFFFFFFFFu : watches[id].options.track_mask;
  }
  if (const auto offer = peer.offered.find(stream.store.id()); offer != peer.offered.end())
    for (const auto& info : offer->second.tracks)
      if (info.track < limits::tracks && ((mask >> info.track) & 1u) != 0) tracks.push_back(info.track);
  if (tracks.empty()) tracks.push_back(0);
  for (const auto track : tracks) {
    std::uint16_t number = 0;
    for (const auto& [sub, in] : peer.in)
      if (in.stream == stream.store.id() && in.track == track) number = sub;
    const bool repeated = number != 0;
    if (repeated && peer.in[number].headers_only == headers_only) continue;
    if (!repeated) {
      if (peer.in.size() >= limits::subscriptions) return;
      do number = ++peer.next_sub;
      while (number == 0 || peer.in.contains(number));
    }
    InSub& in = peer.in[number];
    in.stream = stream.store.id();
    in.track = track;
    in.headers_only = headers_only;
    for (auto& [ref, chunk] : in.chunks) chunk.counted = false;  // announced under the other mode
    proto::Subscribe wish;
    wish.headers_only = headers_only;
    wish.stream_id = in.stream;
    wish.track = track;
    wish.segment = stream.next_segment;
    const auto resume = resume_at(stream.store, track);
    const Watch* watch = stream.watches.empty() || stream.carried() ? nullptr : &watches[*stream.watches.begin()];
    if (resume) {
      wish.start = proto::Start::exact;
      wish.segment = resume->segment;
      wish.part = resume->part;
    } else if (peer.link->peer_role() == proto::Role::publisher && !peer.link->is_client()) {
      wish.start = proto::Start::oldest;
    } else if (watch != nullptr) {
      wish.start = watch->options.start;
      wish.max_latency_ms = watch->options.max_latency_ms;
      if (wish.start == proto::Start::exact) {
        wish.segment = watch->options.from.segment;
        wish.part = watch->options.from.part;
      }
    } else {
      wish.start = proto::Start::newest_independent;
    }
    peer.link->send(proto::encode(wish, number));
  }
  source.state = SourceState::subscribed;
  if (source.subscribed_us == 0 || !headers_only) source.subscribed_us = now.mono_us;
  if (!headers_only) source.last_slice_us = std::max(source.last_slice_us, now.mono_us);
}

void Node::State::switch_to(Stream& stream, Source& source, const std::string& why, Now now) {
  if (stream.active == source.link) return;
  const LinkId before = stream.active;
  stream.active = source.link;
  subscribe(stream, source, false, now);
  ++counters.failovers;
  stream.switched_us = now.mono_us;
  set_path(stream, source.path);
  // One that leaves goes on sending until the other delivers; any other becomes the standby.
  if (Source* old = find_source(stream, before);
      old != nullptr && old->state == SourceState::subscribed && old->leaves_us == 0) {
    if (Peer* peer = find_peer(before); peer != nullptr && peer->link->open()) subscribe(stream, *old, true, now);
  }
  const Peer* peer = find_peer(source.link);
  event(STREAMR_EVENT_UPSTREAM, 2,
        "now from " + (peer != nullptr ? peer->link->address() : std::string("another upstream")) + ": " + why, now)
      .stream = stream.store.id();
}

// Those who follow are told when the way here changes, so that a loop shows before media runs in it.
void Node::State::set_path(Stream& stream, const std::vector<PathEntry>& path) {
  if (stream.path == path) return;
  stream.path = path;
  if (stream.held()) announce_to_all(stream);
}

void Node::State::on_source_closed(Stream& stream, LinkId link, const std::string& why, Now now) {
  Source* source = find_source(stream, link);
  if (source == nullptr) return;
  const bool was_up = source->state != SourceState::dialing;
  const std::string url = source->offer.url;
  source->link = 0;
  source->state = SourceState::waiting;
  source->subscribed_us = 0;
  source->leaves_us = source->left_us = 0;
  // A connection that worked is tried again soon; one that never did waits 250 ms × 2 ± 50 %, at most 10 s.
  if (was_up && source->slices != 0) source->failures = 0;
  const std::uint64_t base =
      std::min<std::uint64_t>(250'000ull << std::min<std::uint32_t>(source->failures, 6), redial_cap_us);
  ++source->failures;
  source->next_dial_us = std::max(source->next_dial_us, now.mono_us + base / 2 + random.below(base));
  if (was_up || source->failures == 1)
    event(STREAMR_EVENT_UPSTREAM, 0, (url.empty() ? "announcing peer" : url) + ": " + why, now).stream =
        stream.store.id();
  if (stream.active == link) {
    stream.active = 0;
    if (Source* other = best_standby(stream, link, now)) switch_to(stream, *other, "the source before is gone", now);
  }
  run_sources(stream, now);
}

std::uint64_t Node::State::sources_deadline_us(const Stream& stream) const {
  std::uint64_t deadline = never_us;
  const auto* epoch = stream.store.newest_epoch();
  if (stream.active == 0 && !stream.publication && !stream.sources.empty() &&
      stream.sources_began_us + standby_delay_us + first_slice_us > last_round_us)
    deadline = stream.sources_began_us + standby_delay_us + first_slice_us;
  std::size_t up = 0;
  for (const auto& source : stream.sources) up += source.link != 0 && !source.retired && source.leaves_us == 0 ? 1 : 0;
  for (const auto& source : stream.sources) {
    if (source.leaves_us != 0) deadline = std::min(deadline, source.leaves_us);
    if (epoch != nullptr && source.link == stream.active && source.link != 0) {  // when its silence is too long
      const std::uint64_t silent_us = source.last_slice_us + 3ull * epoch->part_target_us;
      if (silent_us > last_round_us) deadline = std::min(deadline, silent_us);
    }
    if (source.link == 0 && !source.offer.url.empty() && !source.retired && (up < 2 || stream.publication))
      deadline = std::min(deadline, source.next_dial_us);
    if (source.state == SourceState::open && !stream.publication) {
      const auto peer = peers.find(source.link);
      if (peer == peers.end()) continue;
      const bool told = peer->second.offered.contains(stream.store.id());
      deadline =
          std::min(deadline, std::max(source.retry_us, told ? 0 : peer->second.link->opened_mono_us() + have_wait_us));
    }
  }
  return deadline;
}

void Node::State::send_receipts(Peer& peer, Now now, bool final) {
  if (!peer.keeper || !peer.link->open()) return;
  if (final ? peer.keeper->bytes_ok() == 0 : !peer.keeper->due(now)) return;
  const auto receipt = peer.keeper->make(identity, now, final);
  peer.link->send(proto::encode(proto::ReceiptFrame{receipt}));
  if (presence) {
    presence->post_viewer_receipt(receipt, now);
    presence_due = true;
  }
}

}  // namespace streamr::core
