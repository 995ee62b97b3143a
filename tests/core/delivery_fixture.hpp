// Decides a relay for tests that takes chunks slice by slice and serves one subscription, told in short words.
// Never skips the verifier: what it holds came in as a peer would send it.
// Called by the tests of delivery.
#pragma once

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include "core/delivery.hpp"
#include "media_fixture.hpp"

namespace streamr::test {

using namespace core;

using Items = std::vector<std::string>;
inline constexpr std::uint64_t endless = UINT64_MAX;

// A relay that takes chunks from the source slice by slice and serves one subscription.
struct DeliveryFixture : MediaFixture {
  Verifier verifier{root.public_key()};
  StreamStore own{root.public_key(), {}};
  Publication source = publication();
  std::optional<Delivery> delivery;
  std::uint32_t next_ref = 1;
  std::vector<ChunkPtr> made;

  DeliveryFixture() {
    REQUIRE(verifier.add_certificate(source.config().certificate, now).ok());
    for (const proto::TrackInfo& info : source.config().tracks) own.set_track(7, info);
  }
  void subscribe(proto::Start start, ChunkPos from = {}, std::uint64_t epoch = 0, bool headers_only = false,
                 std::uint32_t kbps = 0, std::uint32_t max_latency_ms = 0) {
    DeliveryConfig config;
    config.start = start;
    config.from = from;
    config.epoch = epoch;
    config.headers_only = headers_only;
    config.kbps = kbps;
    config.max_latency_ms = max_latency_ms;
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

}  // namespace streamr::test
