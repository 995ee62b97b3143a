// Whatever order slices come in and however little may be sent at a time, the far end holds the published octets and
// was never given an unverified one.
#include <doctest/doctest.h>

#include <algorithm>
#include <deque>

#include "base/prng.hpp"
#include "core/delivery.hpp"
#include "media_fixture.hpp"

using namespace streamr;
using namespace streamr::core;
using namespace streamr::test;

namespace {

constexpr std::size_t parts_in_a_run = 24;

// A hop: verifies what comes, stores it, tells the subscriptions below.
struct Hop {
  Verifier verifier;
  StreamStore store;
  std::map<std::uint32_t, ChunkPtr> by_ref;
  std::vector<Delivery*> below;
  std::size_t refused = 0, dropped = 0, ended = 0;

  explicit Hop(const StreamId& id) : verifier(id), store(id, {}) {}

  void on_chunk(const proto::Chunk& frame, ChunkSource source, Now now) {
    auto check = verifier.check_chunk(frame, 0, source, store, now);
    REQUIRE(check.ok());
    REQUIRE(check->verdict != ChunkVerdict::below_window);
    if (check->verdict == ChunkVerdict::known) {
      by_ref[frame.chunk_ref] = store.find(frame.header.epoch, 0, frame.header.pos());
      return;
    }
    const ChunkPtr chunk = store.put(*check->chunk, now);
    by_ref[frame.chunk_ref] = chunk;
    for (Delivery* each : below) each->on_chunk(chunk, store, now);
  }
  void on_slice(std::uint32_t ref, std::uint16_t index, ByteView data, Now now) {
    const ChunkPtr chunk = by_ref.at(ref);
    const auto slice = verifier.check_slice(*chunk, index, data);
    if (!slice.ok()) {
      CHECK(slice.error().wire == Wire::bad_slice);
      ++refused;
      return;
    }
    if (!store.put_slice(chunk, *slice, now)) return;
    for (Delivery* each : below) each->on_slice(chunk, index, now);
  }
};

struct Run : MediaFixture {
  Prng random;
  Hop relay{root.public_key()}, viewer{root.public_key()};
  std::optional<Delivery> delivery;
  std::uint32_t next_ref = 1;
  std::vector<ChunkPtr> made;

  explicit Run(std::uint64_t seed) : random(seed) {
    for (Hop* hop : {&relay, &viewer}) REQUIRE(hop->verifier.add_certificate(certificate(), now).ok());
    DeliveryConfig config;
    config.start = proto::Start::oldest;
    config.max_latency_ms = 3'600'000;  // nothing is late: what is asked here is whether all arrives
    delivery.emplace(config, relay.store, now);
    relay.below.push_back(&*delivery);
  }

  // What the source sends: CHUNKs in order, slices of the newest few mixed, some of them bent on the way first.
  void feed() {
    Publication source = publication();
    std::vector<std::pair<ChunkPtr, std::uint16_t>> waiting;
    std::uint32_t ref = 1;
    std::map<const StoredChunk*, std::uint32_t> refs;
    for (std::size_t i = 0; i <= parts_in_a_run; ++i) {
      for (const ChunkPtr& chunk : push(source, 1, 1 + random.below(120'000))) {
        made.push_back(chunk);
        refs[chunk.get()] = ref;
        relay.on_chunk(frame_of(*chunk, ref++), ChunkSource::live, now);
        for (std::uint16_t slice = 0; slice < chunk->header().slice_count; ++slice) waiting.emplace_back(chunk, slice);
      }
      std::size_t some = i == parts_in_a_run ? waiting.size() : random.below(waiting.size() + 1);
      for (; some != 0; --some) {
        const std::size_t pick = random.below(waiting.size());
        const auto [chunk, index] = waiting[pick];
        const SharedBytes data = chunk->slice(index);
        if (random.below(4) == 0) {
          ByteVector bent(data.view().begin(), data.view().end());
          bent[random.below(bent.size())] ^= static_cast<std::uint8_t>(1 + random.below(255));
          relay.on_slice(refs.at(chunk.get()), index, bent, now);
        }
        relay.on_slice(refs.at(chunk.get()), index, data, now);
        if (random.below(8) == 0) relay.on_slice(refs.at(chunk.get()), index, data, now);  // a duplicate
        waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(pick));
        if (random.below(2) == 0) pump(random.below(60'000));
      }
    }
    const auto ends = *source.end(store, now);
    for (const ChunkPtr& chunk : ends) {
      made.push_back(chunk);
      relay.on_chunk(frame_of(*chunk, ref++), ChunkSource::live, now);
    }
  }

  // Sends what a budget allows and hands it to the viewer.
  void pump(std::uint64_t budget) {
    while (auto item = delivery->poll(budget, next_ref, now)) {
      if (const auto* chunk = std::get_if<DeliverChunk>(&*item)) {
        const std::uint64_t bytes = 232 + chunk->chunk->leaves().size() * 32;
        CHECK(bytes <= budget);
        budget -= bytes;
        viewer.on_chunk(frame_of(*chunk->chunk, chunk->chunk_ref), ChunkSource::live, now);
      } else if (const auto* slice = std::get_if<DeliverSlice>(&*item)) {
        const SharedBytes data = slice->chunk->slice(slice->index);
        REQUIRE_FALSE(data.empty());
        CHECK(8 + data.size() <= budget);
        budget -= 8 + data.size();
        viewer.on_slice(slice->chunk_ref, slice->index, data, now);
      } else if (std::get_if<DeliverDrop>(&*item)) {
        ++viewer.dropped;
      }
    }
  }

  // What holes and full places cost is fetched, as a viewer would.
  void recover() {
    for (int round = 0; round < 8; ++round) {
      for (const ChunkPtr& chunk : made) {
        const ChunkPtr held = viewer.store.find(7, 0, chunk->header().pos());
        if (held && held->whole()) continue;
        delivery->on_fetch(
            {7, chunk->header().segment, chunk->header().part, held ? held->first_missing() : std::uint16_t{0}, 0},
            relay.store, now);
      }
      if (delivery->fetches_waiting() == 0) return;
      while (delivery->queued_bytes() != 0) pump(100'000 + random.below(60'000));
      pump(100'000);
    }
  }

  void check_far_end() {
    for (const ChunkPtr& chunk : made) {
      const ChunkPtr held = viewer.store.find(7, 0, chunk->header().pos());
      REQUIRE(held != nullptr);
      CHECK(held->header().raw == chunk->header().raw);
      REQUIRE(held->whole());
      CHECK(std::ranges::equal(held->payload().view(), chunk->payload().view()));
    }
    CHECK(viewer.refused == 0);
    CHECK(relay.refused > 0);
  }
};

}  // namespace

TEST_CASE("whatever order slices come in and whatever may be sent at a time, the far end holds the published octets") {
  for (std::uint64_t seed = 1; seed <= 24; ++seed) {
    CAPTURE(seed);
    Run run(seed);
    run.feed();
    while (run.delivery->queued_bytes() != 0) run.pump(80'000 + run.random.below(60'000));
    run.pump(1'000'000);
    run.recover();
    run.check_far_end();
  }
}

TEST_CASE("under deadline and cap the far end still holds nothing but published octets") {
  for (std::uint64_t seed = 1; seed <= 24; ++seed) {
    CAPTURE(seed);
    Run run(seed);
    DeliveryConfig config = run.delivery->config();
    config.max_latency_ms = 0;
    config.start = proto::Start::edge;
    run.delivery->change(config, run.relay.store, run.now);
    Publication source = run.publication();
    std::uint32_t ref = 1;
    for (std::size_t i = 0; i < parts_in_a_run; ++i) {
      for (const ChunkPtr& chunk : run.push(source, 1, 1 + run.random.below(120'000))) {
        run.made.push_back(chunk);
        run.relay.on_chunk(frame_of(*chunk, ref), ChunkSource::live, run.now);
        for (std::uint16_t slice = 0; slice < chunk->header().slice_count; ++slice)
          run.relay.on_slice(ref, slice, chunk->slice(slice), run.now);
        ++ref;
      }
      run.delivery->apply_drop_rule(run.random.below(1 << 20), run.now);
      run.pump(run.random.below(80'000));
    }
    std::size_t whole = 0;
    for (const ChunkPtr& chunk : run.made) {
      const ChunkPtr held = run.viewer.store.find(7, 0, chunk->header().pos());
      if (!held || !held->whole()) continue;
      ++whole;
      CHECK(std::ranges::equal(held->payload().view(), chunk->payload().view()));
    }
    CHECK(whole > 0);
    CHECK(run.viewer.dropped > 0);
    CHECK(run.viewer.refused == 0);
  }
}

namespace {

// What a subscriber sees of one subscription, and what it may never see.
struct Watcher {
  struct Open {
    std::uint32_t left;
    bool begun;
    std::vector<bool> got;
    bool counted;  // a standby's headers do not count towards the limits
  };
  std::map<std::uint32_t, Open> open;
  std::uint32_t last_ref = 0;

  void see(const Delivered& item, bool headers_only) {
    if (const auto* chunk = std::get_if<DeliverChunk>(&item)) {
      CHECK(chunk->chunk_ref > last_ref);
      last_ref = chunk->chunk_ref;
      const std::uint16_t slices = chunk->chunk->header().slice_count;
      if (slices != 0) open[last_ref] = {slices, false, std::vector<bool>(slices), !headers_only};
    } else if (const auto* slice = std::get_if<DeliverSlice>(&item)) {
      REQUIRE(open.count(slice->chunk_ref) == 1);
      Open& to = open[slice->chunk_ref];
      CHECK(slice->chunk->has_slice(slice->index));
      CHECK_FALSE(to.got[slice->index]);
      to.got[slice->index] = to.begun = true;
      if (--to.left == 0) open.erase(slice->chunk_ref);
    } else if (const auto* drop = std::get_if<DeliverDrop>(&item)) {
      if (drop->chunk_ref != 0) CHECK(open.erase(drop->chunk_ref) == 1);
    }
    std::size_t unfinished = 0, waiting = 0;
    for (const auto& [ref, each] : open) {
      unfinished += each.counted ? 1 : 0;
      waiting += each.counted && !each.begun ? 1 : 0;
    }
    CHECK(unfinished <= limits::unfinished_chunks);
    CHECK(waiting <= limits::unfinished_chunks_without_slice);
  }
};

}  // namespace

TEST_CASE("whatever is asked in whatever order, refs rise, no slice comes twice or after its DROP, and limits hold") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    MediaFixture media;
    Prng random(seed);
    Hop relay(media.root.public_key());
    DeliveryConfig config;
    config.start = static_cast<proto::Start>(random.below(4));
    Delivery delivery(config, relay.store, media.now);
    relay.below.push_back(&delivery);
    Watcher watcher;
    std::uint32_t next_ref = 1, ref = 1;
    std::map<const StoredChunk*, std::uint32_t> refs;
    std::vector<std::pair<ChunkPtr, std::uint16_t>> waiting;
    std::optional<Publication> source;
    std::uint64_t epoch = 6;
    for (int step = 0; step < 300; ++step) {
      switch (random.below(8)) {
        case 0:
          if (!source || random.below(12) == 0) {
            ++epoch;
            media.parts_made = 0;
            source = media.publication(media.certificate(epoch, epoch), epoch * 100);
            REQUIRE(relay.verifier.add_certificate(source->config().certificate, media.now).ok());
          }
          for (const ChunkPtr& chunk : media.push(*source, 1 + random.below(3), 1 + random.below(90'000))) {
            refs[chunk.get()] = ref;
            relay.on_chunk(frame_of(*chunk, ref++), ChunkSource::live, media.now);
            for (std::uint16_t slice = 0; slice < chunk->header().slice_count; ++slice)
              waiting.emplace_back(chunk, slice);
          }
          break;
        case 1: {
          config.start = static_cast<proto::Start>(random.below(4));
          config.from = {epoch * 100 + random.below(4), static_cast<std::uint16_t>(random.below(4))};
          config.headers_only = random.below(6) == 0;
          if (random.below(8) == 0) delivery.change(config, relay.store, media.now);
          break;
        }
        case 2: {
          proto::Fetch fetch;
          fetch.epoch = random.below(2) == 0 ? 0 : epoch;
          fetch.segment = epoch * 100 + random.below(4);
          fetch.part = static_cast<std::uint16_t>(random.below(5));
          // Whole chunks: what is left of a part answer is not told by the frames alone.
          if (random.below(4) == 0) delivery.on_fetch(fetch, relay.store, media.now);
          break;
        }
        case 3: delivery.apply_drop_rule(random.below(800'000), media.now); break;
        case 4:
          if (random.below(20) == 0) delivery.on_revoked(epoch - 1);
          break;
        case 5: {
          std::uint64_t items = random.below(12);
          while (items-- != 0) {
            const auto item = delivery.poll(random.below(100'000), next_ref, media.now);
            if (!item) break;
            watcher.see(*item, delivery.config().headers_only);
          }
          break;
        }
        default:
          for (std::uint64_t some = random.below(8); some != 0 && !waiting.empty(); --some) {
            const std::size_t pick = random.below(waiting.size());
            const auto [chunk, index] = waiting[pick];
            waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(pick));
            if (random.below(10) != 0) relay.on_slice(refs.at(chunk.get()), index, chunk->slice(index), media.now);
          }
      }
    }
    while (const auto item = delivery.poll(UINT64_MAX, next_ref, media.now))
      watcher.see(*item, delivery.config().headers_only);
    CHECK(watcher.last_ref + 1 == next_ref);
  }
}
