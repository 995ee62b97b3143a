#include "core/delivery.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "media_fixture.hpp"

using namespace streamr;
using namespace streamr::core;
using namespace streamr::test;

namespace {

constexpr std::uint64_t endless = UINT64_MAX;

// A relay that takes chunks from the source slice by slice and serves one subscription.
struct Relay : MediaFixture {
  Verifier verifier{root.public_key()};
  StreamStore own{root.public_key(), {}};
  Publication source = publication();
  std::optional<Delivery> delivery;
  std::uint32_t next_ref = 1;
  std::vector<ChunkPtr> made;

  Relay() {
    REQUIRE(verifier.add_certificate(source.config().certificate, now).ok());
    for (const proto::TrackInfo& info : source.config().tracks) own.set_track(7, info);
  }
  void subscribe(proto::Start start, ChunkPos from = {}, std::uint64_t epoch = 0, bool headers_only = false,
                 std::uint32_t kbps = 0) {
    DeliveryConfig config;
    config.start = start;
    config.from = from;
    config.epoch = epoch;
    config.headers_only = headers_only;
    config.kbps = kbps;
    delivery.emplace(config, own, now);
  }
  ChunkPtr take_header(const StoredChunk& chunk, ChunkSource from = ChunkSource::live) {
    auto check = verifier.check_chunk(frame_of(chunk), chunk.header().track, from, own, now);
    REQUIRE(check.ok());
    REQUIRE(check->verdict == ChunkVerdict::fresh);
    const ChunkPtr stored = own.put(*check->chunk, now);
    if (delivery) delivery->on_chunk(stored, own, now);
    return stored;
  }
  void take_slice(const ChunkPtr& stored, const StoredChunk& chunk, std::uint16_t index) {
    const SharedBytes data = chunk.slice(index);
    const auto slice = verifier.check_slice(*stored, index, data);
    REQUIRE(slice.ok());
    REQUIRE(own.put_slice(stored, *slice, now));
    if (delivery) delivery->on_slice(stored, index, now);
  }
  ChunkPtr take(const StoredChunk& chunk) {
    const ChunkPtr stored = take_header(chunk);
    for (std::uint16_t i = 0; i < chunk.header().slice_count; ++i) take_slice(stored, chunk, i);
    return stored;
  }
  // The source makes `count` parts of three slices and the relay takes them whole.
  void run(std::size_t count, std::size_t bytes = 40'000) {
    for (const ChunkPtr& chunk : push(source, count, bytes)) {
      take(*chunk);
      made.push_back(chunk);
    }
  }
  std::optional<Delivered> poll(std::uint64_t budget = endless) { return delivery->poll(budget, next_ref, now); }
  // All that comes, in short: "cert", "10.2" for CHUNK, "+0" for SLICE, "drop 10.2 late", "end 1 10".
  std::vector<std::string> drain(std::uint64_t budget = endless) {
    std::vector<std::string> out;
    while (auto item = poll(budget)) out.push_back(text(*item));
    return out;
  }
  static std::string text(ChunkPos pos) {
    return std::to_string(pos.segment) + "." + (pos.part == streamr::init_part ? "init" : std::to_string(pos.part));
  }
  static std::string text(const Delivered& item) {
    if (std::get_if<DeliverCert>(&item)) return "cert";
    if (const auto* chunk = std::get_if<DeliverChunk>(&item)) return text(chunk->chunk->header().pos());
    if (const auto* slice = std::get_if<DeliverSlice>(&item)) return "+" + std::to_string(slice->index);
    if (const auto* end = std::get_if<DeliverEnd>(&item))
      return "end " + std::to_string(static_cast<int>(end->code)) + " " + std::to_string(end->last_segment);
    const auto& drop = std::get<DeliverDrop>(item);
    static const char* const reasons[] = {"", "late", "queue", "not_held", "revoked"};
    return "drop " + text(drop.pos) + " " + reasons[static_cast<int>(drop.reason)] +
           (drop.chunk_ref == 0 ? "" : " announced");
  }
  static std::vector<std::string> chunks(std::vector<std::string> items) {
    std::erase_if(items, [](const std::string& item) { return item.front() == '+' || item == "cert"; });
    return items;
  }
};
using Items = std::vector<std::string>;

}  // namespace

// ---- joins

TEST_CASE("a join at the edge sends the certificate and INIT, then begins with the next chunk") {
  Relay relay;
  relay.run(6);
  relay.subscribe(proto::Start::edge);
  CHECK(relay.drain() == Items{"cert", "10.init", "+0"});
  relay.run(1);
  CHECK(relay.drain() == Items{"11.2", "+0", "+1", "+2"});
}

TEST_CASE("a join at the newest independent chunk sends INIT, that chunk and all that follow") {
  Relay relay;
  relay.run(7);
  relay.subscribe(proto::Start::newest_independent, {}, 0, false, 100'000);
  CHECK(Relay::chunks(relay.drain()) == Items{"10.init", "11.0"});
  Items later;
  for (int i = 0; i < 20; ++i) {
    relay.now.mono_us += 10'000;
    for (std::string& item : relay.drain()) later.push_back(std::move(item));
  }
  CHECK(Relay::chunks(later) == Items{"11.1", "11.2"});
}

TEST_CASE("a join whose newest independent chunk is older than its latency begins at the edge") {
  Relay relay;
  relay.run(8);
  relay.now.unix_us += s_to_us(3);
  relay.subscribe(proto::Start::newest_independent);
  CHECK(Relay::chunks(relay.drain()) == Items{"10.init"});
}

TEST_CASE("a join is paced to twice the bitrate until the edge is reached, then not at all") {
  Relay relay;
  relay.run(8, 62'500);  // 1000 kbit/s
  relay.now.unix_us -= part_us;
  relay.subscribe(proto::Start::newest_independent, {}, 0, false, 1000);
  std::uint64_t sent = 0, elapsed_ms = 0;
  for (; elapsed_ms < 2000; elapsed_ms += 10) {
    while (auto item = relay.poll()) {
      if (std::get_if<DeliverSlice>(&*item)) sent += 16'384;
      // 250 000 octets a second, one slice saved up and one frame ahead
      CHECK(sent <= 250 * elapsed_ms + 3 * 16'392);
    }
    if (relay.delivery->queued_bytes() == 0) break;
    CHECK(relay.delivery->deadline_us(relay.now) > relay.now.mono_us);
    relay.now.mono_us += 10'000;
  }
  CHECK(relay.delivery->queued_bytes() == 0);
  CHECK(elapsed_ms >= 800);
  CHECK(elapsed_ms <= 1100);
  relay.run(1, 500'000);
  CHECK(relay.drain().size() == 32);  // all at once
}

TEST_CASE("an exact join begins at its place, with the INIT that place needs") {
  Relay relay;
  relay.run(4);
  REQUIRE(relay.source.push(relay.init_part_of(0, 9), relay.store, relay.now).ok());
  relay.take(*relay.store.find(7, 0, {11, init_part}));
  relay.run(4);
  SUBCASE("where two INITs are needed both are sent") {
    relay.subscribe(proto::Start::exact, {10, 2});
    CHECK(Relay::chunks(relay.drain()) == Items{"10.init", "11.init", "10.2", "10.3", "11.0", "11.1", "11.2", "11.3"});
  }
  SUBCASE("where one is needed one is sent") {
    relay.subscribe(proto::Start::exact, {11, 1});
    CHECK(Relay::chunks(relay.drain()) == Items{"11.init", "11.1", "11.2", "11.3"});
  }
  SUBCASE("a place that is still to come is waited for") {
    relay.subscribe(proto::Start::exact, {12, 1});
    CHECK(Relay::chunks(relay.drain()) == Items{"11.init"});
    relay.run(2);
    CHECK(Relay::chunks(relay.drain()) == Items{"12.1"});
  }
}

TEST_CASE("a join at the oldest sends all that is kept, however late it is") {
  Relay relay;
  relay.run(12);
  relay.now.unix_us += s_to_us(30);
  relay.subscribe(proto::Start::oldest);
  CHECK(Relay::chunks(relay.drain()).size() == 13);
}

TEST_CASE("a certificate goes before the first chunk that uses it, also when a new epoch begins") {
  Relay relay;
  relay.run(1);
  relay.subscribe(proto::Start::edge);
  relay.drain();
  REQUIRE(relay.source.end(relay.store, relay.now).ok());
  relay.take(*relay.store.find(7, 0, {10, 1}));
  CHECK(relay.drain() == Items{"10.1"});  // END; the subscription stays open
  const auto next = relay.certificate(8);
  REQUIRE(relay.verifier.add_certificate(next, relay.now).ok());
  Publication again = relay.publication(next, 11);
  const auto init = *again.push(relay.init_part_of(0), relay.store, relay.now);
  const auto first = *again.push(relay.part(0), relay.store, relay.now);
  relay.take(*init);
  relay.take(*first);
  CHECK(relay.drain() == Items{"cert", "11.init", "+0", "11.0", "+0", "+1", "+2"});
}

TEST_CASE("a subscription to a fixed epoch ends with the stream's end, and hears of no other epoch") {
  Relay relay;
  relay.run(1);
  relay.subscribe(proto::Start::edge, {}, 7);
  relay.drain();
  REQUIRE(relay.source.end(relay.store, relay.now).ok());
  relay.take(*relay.store.find(7, 0, {10, 1}));
  CHECK(relay.drain() == Items{"10.1", "end 1 10"});
  const auto next = relay.certificate(8);
  REQUIRE(relay.verifier.add_certificate(next, relay.now).ok());
  Publication again = relay.publication(next, 11);
  relay.take(**again.push(relay.init_part_of(0), relay.store, relay.now));
  CHECK(relay.drain().empty());
}

TEST_CASE("a subscription to a fixed epoch that is over ends at once") {
  Relay relay;
  relay.run(1);
  REQUIRE(relay.source.end(relay.store, relay.now).ok());
  relay.take(*relay.store.find(7, 0, {10, 1}));
  relay.subscribe(proto::Start::edge, {}, 7);
  CHECK(relay.drain().back() == "end 1 10");
}

TEST_CASE("a standby gets CHUNK frames only, and slices once it becomes the source") {
  Relay relay;
  relay.run(1);
  relay.subscribe(proto::Start::edge, {}, 0, true);
  CHECK(relay.drain() == Items{"cert", "10.init"});
  relay.run(2);
  CHECK(relay.drain() == Items{"10.1", "10.2"});
  CHECK(relay.delivery->queued_bytes() == 0);
  DeliveryConfig config = relay.delivery->config();
  config.headers_only = false;
  config.start = proto::Start::exact;
  config.from = {10, 2};
  relay.delivery->change(config, relay.own, relay.now);
  CHECK(relay.drain() == Items{"10.init", "+0", "10.2", "+0", "+1", "+2"});
  relay.run(1);
  CHECK(relay.drain() == Items{"10.3", "+0", "+1", "+2"});
}

TEST_CASE("INIT is sent again on a join and says that it is a repeat, media says so only when it was sent before") {
  Relay relay;
  relay.run(2);
  relay.subscribe(proto::Start::exact, {10, 1});
  const auto repeats = [&] {
    std::string out;
    while (auto item = relay.poll())
      if (const auto* slice = std::get_if<DeliverSlice>(&*item)) out += slice->repeat ? 'r' : '.';
    return out;
  };
  CHECK(repeats() == "r...");
  relay.delivery->change(relay.delivery->config(), relay.own, relay.now);
  CHECK(repeats() == "rrrr");
  relay.delivery->on_fetch({7, 10, 0, 0, 0}, relay.own, relay.now);
  CHECK(repeats() == "...");
  relay.delivery->on_fetch({7, 10, 0, 1, 1}, relay.own, relay.now);
  CHECK(repeats() == "r");
}

// ---- cut-through, budget, limits

TEST_CASE("a slice goes out as soon as it is verified, in the order in which slices came") {
  Relay relay;
  relay.run(1);
  relay.subscribe(proto::Start::edge);
  relay.drain();
  const ChunkPtr made = relay.push(relay.source, 1).front();
  const ChunkPtr stored = relay.take_header(*made);
  CHECK(relay.drain() == Items{"10.1"});
  relay.take_slice(stored, *made, 2);
  CHECK(relay.drain() == Items{"+2"});
  CHECK(relay.drain().empty());
  relay.take_slice(stored, *made, 0);
  relay.take_slice(stored, *made, 1);
  CHECK(relay.drain() == Items{"+0", "+1"});
}

TEST_CASE("slices are views into the stored payload, never copies") {
  Relay relay;
  relay.run(1);
  relay.subscribe(proto::Start::oldest);
  while (auto item = relay.poll())
    if (const auto* slice = std::get_if<DeliverSlice>(&*item)) {
      const SharedBytes whole = slice->chunk->payload();
      CHECK(slice->chunk->slice(slice->index).data() == whole.data() + 16384u * slice->index);
    }
}

TEST_CASE("an item goes out only if the octets of its frame fit the budget; certificates and drops are free") {
  Relay relay;
  relay.run(1);
  relay.subscribe(proto::Start::exact, {10, 0});
  CHECK(Relay::text(*relay.poll(0)) == "cert");
  CHECK_FALSE(relay.poll(232 + 31).has_value());
  CHECK(Relay::text(*relay.poll(232 + 32)) == "10.init");
  CHECK_FALSE(relay.poll(8 + 699).has_value());
  CHECK(Relay::text(*relay.poll(8 + 700)) == "+0");
  CHECK_FALSE(relay.poll(232 + 95).has_value());
  CHECK(Relay::text(*relay.poll(232 + 96)) == "10.0");
  CHECK_FALSE(relay.poll(8 + 16383).has_value());
  CHECK(relay.delivery->queued_bytes() == 40'000);
  CHECK(Relay::text(*relay.poll(8 + 16384)) == "+0");
  CHECK(relay.delivery->queued_bytes() == 40'000 - 16'384);
  relay.delivery->on_fetch({7, 99, 0, 0, 0}, relay.own, relay.now);
  CHECK(Relay::text(*relay.poll(0)) == "drop 99.0 not_held");
}

TEST_CASE("chunk_refs rise and are used once") {
  Relay relay;
  relay.run(5);
  relay.subscribe(proto::Start::oldest);
  std::uint32_t last = 0;
  while (auto item = relay.poll())
    if (const auto* chunk = std::get_if<DeliverChunk>(&*item)) {
      CHECK(chunk->chunk_ref == last + 1);
      last = chunk->chunk_ref;
    }
  CHECK(last == 6);
  CHECK(relay.next_ref == 7);
}

TEST_CASE("never more than eight chunks are unfinished and four without a slice, whatever holes there are") {
  Relay relay;
  relay.run(1);
  relay.subscribe(proto::Start::edge);
  relay.drain();
  std::map<std::uint32_t, std::uint32_t> left;  // slices still to come, by ref
  std::map<std::uint32_t, bool> begun;
  for (int i = 0; i < 40; ++i) {
    const ChunkPtr made = relay.push(relay.source, 1).front();
    const ChunkPtr stored = relay.take_header(*made);
    if (i % 3 != 0) relay.take_slice(stored, *made, 1);  // a hole in every chunk, every third without any slice
    while (auto item = relay.poll()) {
      if (const auto* chunk = std::get_if<DeliverChunk>(&*item)) {
        left[chunk->chunk_ref] = chunk->chunk->header().slice_count;
        begun[chunk->chunk_ref] = false;
      } else if (const auto* slice = std::get_if<DeliverSlice>(&*item)) {
        begun[slice->chunk_ref] = true;
        if (--left[slice->chunk_ref] == 0) left.erase(slice->chunk_ref);
      } else if (const auto* drop = std::get_if<DeliverDrop>(&*item)) {
        left.erase(drop->chunk_ref);
      }
      CHECK(left.size() <= 8);
      CHECK(std::count_if(left.begin(), left.end(), [&](const auto& each) { return !begun[each.first]; }) <= 4);
    }
  }
  CHECK(relay.next_ref > 25);  // and it went on
}

// ---- late

TEST_CASE("a chunk past its deadline before its first slice went out is dropped, the newest segment never is") {
  Relay relay;
  relay.run(4);
  relay.subscribe(proto::Start::edge);
  relay.drain();
  relay.run(4);  // segment 11
  SUBCASE("the newest segment waits for ever") {
    relay.now.unix_us += s_to_us(60);
    relay.delivery->apply_drop_rule(0, relay.now);
    CHECK(Relay::chunks(relay.drain()) == Items{"11.0", "11.1", "11.2", "11.3"});
  }
  SUBCASE("an older one is late two seconds after its capture") {
    relay.run(1);  // 2.5 s after the capture of 11.0
    CHECK(Relay::chunks(relay.drain()) == Items{"drop 11.0 late", "11.1", "11.2", "11.3", "12.0"});
    CHECK(relay.delivery->counters().dropped_late == 1);
  }
  SUBCASE("one whose first slice went out is finished") {
    CHECK(Relay::text(*relay.poll()) == "11.0");
    CHECK(Relay::text(*relay.poll()) == "+0");
    relay.run(1);
    CHECK(relay.drain().at(0) == "+1");
  }
  SUBCASE("announced, but without a slice, it is dropped by its ref") {
    CHECK(Relay::text(*relay.poll()) == "11.0");
    relay.run(1);
    CHECK(relay.drain().at(0) == "drop 11.0 late announced");
  }
}

TEST_CASE("the subscriber's own latency moves the deadline") {
  Relay relay;
  relay.run(4);
  DeliveryConfig config;
  config.max_latency_ms = 10'000;
  relay.delivery.emplace(config, relay.own, relay.now);
  relay.drain();
  relay.run(5);
  CHECK(Relay::chunks(relay.drain()).front() == "11.0");
  relay.run(5);
  relay.now.unix_us += s_to_us(10);
  CHECK(Relay::chunks(relay.drain()).front() == "drop 12.1 late");
}

TEST_CASE("INIT knows no deadline") {
  Relay relay;
  relay.subscribe(proto::Start::edge);
  relay.run(9);
  relay.now.unix_us += s_to_us(60);
  relay.delivery->apply_drop_rule(0, relay.now);
  const Items got = Relay::chunks(relay.drain());
  CHECK(std::count(got.begin(), got.end(), "10.init") == 1);
  CHECK(std::count(got.begin(), got.end(), "drop 10.0 late") == 1);
  CHECK(got.back() == "12.0");
}

TEST_CASE("END and GAP are never dropped") {
  Relay relay;
  relay.subscribe(proto::Start::edge);
  relay.run(5);
  PublicationPart gap = relay.part(relay.parts_made++);
  gap.flags = proto::gap;
  gap.payload = {};
  relay.take(**relay.source.push(gap, relay.store, relay.now));
  relay.take(*(*relay.source.end(relay.store, relay.now)).front());
  relay.now.unix_us += s_to_us(60);
  const Items got = Relay::chunks(relay.drain());
  CHECK(got[got.size() - 2] == "11.1");
  CHECK(got.back() == "11.2");
}

// ---- the queue

TEST_CASE(
    "above the cap a chunk that is more than one behind gives way, and delivery goes on at the next independent one") {
  Relay relay;
  relay.run(4);
  DeliveryConfig config;
  config.max_latency_ms = 60'000;
  relay.delivery.emplace(config, relay.own, relay.now);
  relay.drain();
  relay.run(1, 300'000);
  CHECK(Relay::text(*relay.poll()) == "11.0");
  CHECK(Relay::text(*relay.poll()) == "+0");
  SUBCASE("one chunk behind is finished") {
    relay.run(1, 300'000);
    relay.delivery->apply_drop_rule(1 << 20, relay.now);
    CHECK(relay.drain().front() == "+1");
    CHECK(relay.delivery->counters().dropped_queue == 0);
  }
  SUBCASE("in the newest segment nothing gives way") {
    relay.run(3, 300'000);
    relay.delivery->apply_drop_rule(1 << 20, relay.now);
    CHECK(relay.drain().front() == "+1");
  }
  SUBCASE("else all up to the next independent chunk goes") {
    relay.run(4, 300'000);
    relay.delivery->apply_drop_rule(0, relay.now);
    CHECK(Relay::chunks(relay.drain()) ==
          Items{"drop 11.0 queue announced", "drop 11.1 queue", "drop 11.2 queue", "drop 11.3 queue", "12.0"});
    CHECK(relay.delivery->counters().dropped_queue == 4);
  }
}

TEST_CASE("half a second in the queue is above the cap as well") {
  Relay relay;
  relay.run(4);
  DeliveryConfig config;
  config.max_latency_ms = 60'000;
  relay.delivery.emplace(config, relay.own, relay.now);
  relay.drain();
  for (const ChunkPtr& chunk : relay.push(relay.source, 5)) relay.take(*chunk);
  CHECK(relay.delivery->oldest_queued_age_us(relay.now) == 0);
  CHECK(relay.delivery->deadline_us(relay.now) == relay.now.mono_us + limits::queue_us);
  relay.now.mono_us += limits::queue_us - 1;
  relay.delivery->apply_drop_rule(0, relay.now);
  CHECK(relay.delivery->counters().dropped_queue == 0);
  relay.now.mono_us += 1;
  relay.delivery->apply_drop_rule(0, relay.now);
  CHECK(Relay::chunks(relay.drain()).back() == "12.0");
  CHECK(relay.delivery->counters().dropped_queue == 4);
}

TEST_CASE("a chunk whose slices stop coming is given up when two newer ones are here and its time is over") {
  Relay relay;
  relay.run(1);
  relay.subscribe(proto::Start::edge);
  relay.drain();
  const ChunkPtr made = relay.push(relay.source, 1).front();
  const ChunkPtr stored = relay.take_header(*made);
  relay.take_slice(stored, *made, 0);
  CHECK(relay.drain() == Items{"10.1", "+0"});
  relay.run(2);
  CHECK(Relay::chunks(relay.drain()) == Items{"10.2", "10.3"});
  relay.now.mono_us += s_to_us(2);
  CHECK(relay.delivery->deadline_us(relay.now) <= relay.now.mono_us);
  relay.delivery->apply_drop_rule(0, relay.now);
  CHECK(relay.drain() == Items{"drop 10.1 late announced"});
  CHECK(relay.delivery->deadline_us(relay.now) == UINT64_MAX);
}

TEST_CASE("what a slow subscriber did not take when the store let it go is dropped as not held") {
  Relay relay;
  relay.own = StreamStore(relay.root.public_key(), {1ull << 40, 3, 0});
  relay.run(16);
  relay.subscribe(proto::Start::oldest);
  CHECK(Relay::chunks({Relay::text(*relay.poll()), Relay::text(*relay.poll())}) == Items{"10.init"});
  relay.now.mono_us += 1;
  relay.own.trim(relay.now);  // 11 to 13 stay
  relay.run(1);
  const Items got = Relay::chunks(relay.drain());
  CHECK(std::count(got.begin(), got.end(), "drop 10.0 not_held") == 1);
  CHECK(std::count(got.begin(), got.end(), "11.0") == 1);
  CHECK(got.back() == "14.0");
}

// ---- FETCH

TEST_CASE("FETCH is answered with a new chunk_ref and the slices asked for, however old the chunk is") {
  Relay relay;
  relay.run(9);
  relay.subscribe(proto::Start::edge);
  relay.drain();
  relay.now.unix_us += s_to_us(60);
  relay.delivery->on_fetch({7, 10, 1, 1, 2}, relay.own, relay.now);
  CHECK(relay.delivery->fetches_waiting() == 1);
  CHECK(relay.drain() == Items{"10.1", "+1", "+2"});
  CHECK(relay.delivery->fetches_waiting() == 0);
  relay.delivery->on_fetch({7, 10, 1, 0, 0}, relay.own, relay.now);
  CHECK(relay.drain() == Items{"10.1", "+0", "+1", "+2"});
  relay.delivery->on_fetch({7, 10, 1, 2, 60'000}, relay.own, relay.now);
  CHECK(relay.drain() == Items{"10.1", "+2"});
  relay.delivery->on_fetch({7, 10, init_part, 0, 0}, relay.own, relay.now);
  CHECK(relay.drain() == Items{"10.init", "+0"});
  CHECK(relay.next_ref == 6);
}

TEST_CASE("FETCH of what is not held is answered with DROP, chunk_ref 0, reason not held") {
  Relay relay;
  relay.run(2);
  relay.subscribe(proto::Start::edge);
  relay.drain();
  relay.delivery->on_fetch({7, 99, 1, 0, 0}, relay.own, relay.now);
  relay.delivery->on_fetch({6, 10, 1, 0, 0}, relay.own, relay.now);
  relay.delivery->on_fetch({7, 10, 1, 3, 1}, relay.own, relay.now);
  CHECK(relay.drain() == Items{"drop 99.1 not_held", "drop 10.1 not_held", "drop 10.1 not_held"});
}

TEST_CASE("FETCH of slices that are still on their way is answered as they verify, or given up after the latency") {
  Relay relay;
  relay.run(1);
  const ChunkPtr made = relay.push(relay.source, 1).front();
  const ChunkPtr stored = relay.take_header(*made);
  relay.subscribe(proto::Start::edge);
  relay.drain();
  relay.delivery->on_fetch({7, 10, 1, 0, 0}, relay.own, relay.now);
  CHECK(relay.drain().empty());
  SUBCASE("they come") {
    relay.take_slice(stored, *made, 1);
    CHECK(relay.drain() == Items{"10.1", "+1"});
    relay.take_slice(stored, *made, 0);
    relay.take_slice(stored, *made, 2);
    CHECK(relay.drain() == Items{"+0", "+2"});
  }
  SUBCASE("they do not come") {
    CHECK(relay.delivery->deadline_us(relay.now) == relay.now.mono_us + s_to_us(2));
    relay.now.mono_us += s_to_us(2);
    relay.delivery->apply_drop_rule(0, relay.now);
    CHECK(relay.drain() == Items{"drop 10.1 not_held"});
    CHECK(relay.delivery->fetches_waiting() == 0);
  }
}

TEST_CASE("a standby answers FETCH with slices") {
  Relay relay;
  relay.run(2);
  relay.subscribe(proto::Start::edge, {}, 0, true);
  relay.drain();
  relay.delivery->on_fetch({7, 10, 0, 0, 1}, relay.own, relay.now);
  CHECK(relay.drain() == Items{"10.0", "+0"});
}

TEST_CASE("a hole that was filled is forwarded in its place among what still waits") {
  Relay relay;
  relay.run(1);
  relay.subscribe(proto::Start::edge);
  relay.drain();
  const auto made = relay.push(relay.source, 3);
  relay.take(*made[0]);
  relay.take(*made[2]);
  relay.take(*made[1]);
  CHECK(Relay::chunks(relay.drain()) == Items{"10.1", "10.2", "10.3"});
}

// ---- revocation and value

TEST_CASE("when a certificate is revoked its queued chunks are dropped as revoked") {
  Relay relay;
  relay.run(1);
  relay.subscribe(proto::Start::edge);
  relay.drain();
  relay.run(2);
  CHECK(Relay::text(*relay.poll()) == "10.1");
  relay.delivery->on_revoked(0);
  CHECK(relay.delivery->queued_bytes() == 80'000);
  relay.delivery->on_revoked(1);
  CHECK(relay.drain() == Items{"drop 10.1 revoked announced", "drop 10.2 revoked"});
}

TEST_CASE("the order of value is INIT, audio, independent video, the rest") {
  Relay relay;
  relay.run(1);
  relay.subscribe(proto::Start::exact, {10, 0});
  CHECK(relay.delivery->next_value() == Delivery::Value::init);
  while (Relay::text(*relay.poll()) != "10.0") {
  }
  CHECK(relay.delivery->next_value() == Delivery::Value::independent);
  relay.drain();
  CHECK(relay.delivery->next_value() == Delivery::Value::nothing);
  relay.run(1);
  CHECK(relay.delivery->next_value() == Delivery::Value::rest);
  relay.take(**relay.source.push(relay.init_part_of(1), relay.store, relay.now));
  relay.take(**relay.source.push(relay.part(1, 500, 1), relay.store, relay.now));
  DeliveryConfig audio;
  audio.track = 1;
  audio.start = proto::Start::exact;
  Delivery sound(audio, relay.own, relay.now);
  CHECK(sound.next_value() == Delivery::Value::init);
  std::uint32_t ref = 1;
  for (int i = 0; i < 3; ++i) sound.poll(endless, ref, relay.now);
  CHECK(sound.next_value() == Delivery::Value::audio);
}
