// Decides a small stream for tests: its keys, a certificate, a publication with its store, and chunks made to order.
// Never hides a refusal: what a test forges is signed as it says, well or badly.
// Called by the tests of store, verifier, publication and delivery.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/publication.hpp"
#include "core/store.hpp"
#include "core/verifier.hpp"

namespace streamr::test {

inline crypto::KeyPair test_key(std::uint8_t number) {
  std::array<std::uint8_t, 32> seed{};
  seed.fill(number);
  return crypto::KeyPair::from_seed(seed);
}

inline ByteVector octets(std::size_t size, std::uint8_t salt = 0) {
  ByteVector out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::uint8_t>(i * 31 + i / 256 + salt);
  return out;
}

constexpr std::uint64_t start_unix_s = 1'790'000'000;
constexpr std::uint64_t part_us = 500'000;

struct MediaFixture {
  crypto::KeyPair root = test_key(1), session = test_key(2);
  Now now{s_to_us(1000), s_to_us(start_unix_s)};
  core::StreamStore store{root.public_key(), {}};  // the publisher's
  std::uint64_t parts_made = 0;

  proto::Certificate certificate(std::uint64_t epoch = 7, std::uint64_t serial = 1,
                                 std::uint64_t min_segment = 0) const {
    proto::Certificate fields;
    fields.session_key = session.public_key();
    fields.epoch = epoch;
    fields.not_before_s = start_unix_s - 3600;
    fields.not_after_s = start_unix_s + 3600;
    fields.track_mask = 0b111;
    fields.max_kbps = 100'000;
    fields.serial = serial;
    fields.min_segment = min_segment;
    return proto::issue_certificate(fields, root);
  }

  core::Publication publication(proto::Certificate of, std::uint64_t first_segment = 10) {
    core::PublicationConfig config;
    config.certificate = of;
    config.tracks = {{0, proto::TrackKind::video, proto::ContentType::cmaf, 1000},
                     {1, proto::TrackKind::audio, proto::ContentType::cmaf, 100}};
    config.first_segment = first_segment;
    return *core::Publication::open(config, session);
  }
  core::Publication publication() { return publication(certificate()); }

  core::PublicationPart init_part_of(std::uint16_t track, std::uint8_t salt = 0) const {
    core::PublicationPart part;
    part.track = track;
    part.flags = proto::init;
    part.payload = SharedBytes::take(octets(700, salt));
    part.capture_time_us = now.unix_us;
    return part;
  }
  // The `index`-th part of a track: four parts a segment, the first of each INDEPENDENT.
  core::PublicationPart part(std::uint64_t index, std::size_t bytes = 40'000, std::uint16_t track = 0) const {
    core::PublicationPart out;
    out.track = track;
    if (index % 4 == 0) out.flags |= proto::independent;
    if (index % 4 == 3) out.flags |= proto::last_in_segment;
    out.payload = SharedBytes::take(octets(bytes, static_cast<std::uint8_t>(index)));
    out.media_time_us = index * part_us;
    out.capture_time_us = s_to_us(start_unix_s) + index * part_us;
    out.duration_us = part_us;
    return out;
  }
  // Pushes INIT and `count` parts on track 0 while the clock goes on with them.
  std::vector<core::ChunkPtr> push(core::Publication& to, std::size_t count, std::size_t bytes = 40'000) {
    std::vector<core::ChunkPtr> out;
    if (parts_made == 0) out.push_back(*to.push(init_part_of(0), store, now));
    for (std::size_t i = 0; i < count; ++i) {
      out.push_back(*to.push(part(parts_made++, bytes), store, now));
      now.mono_us += part_us;
      now.unix_us += part_us;
    }
    return out;
  }
};

inline proto::Chunk frame_of(const core::StoredChunk& chunk, std::uint32_t ref = 1) {
  return {ref, chunk.header(), chunk.leaves()};
}

// A chunk made to order and signed by whoever the test says.
inline proto::Chunk forge(proto::ChunkHeader fields, ByteView payload, const proto::Certificate& certificate,
                          const crypto::KeyPair& signer) {
  proto::Chunk out;
  fields.stream_id = certificate.stream_id;
  out.header = proto::issue_chunk_header(fields, payload, certificate, signer, out.leaves);
  return out;
}

inline proto::ChunkHeader header_fields(const proto::Certificate& certificate, ChunkPos pos,
                                        std::uint64_t media_time_us = 0) {
  proto::ChunkHeader fields;
  fields.epoch = certificate.epoch;
  fields.segment = pos.segment;
  fields.part = pos.part;
  if (pos.part == streamr::init_part) fields.flags = proto::init;
  fields.media_time_us = media_time_us;
  fields.capture_time_us = s_to_us(start_unix_s);
  fields.duration_us = part_us;
  return fields;
}

}  // namespace streamr::test
