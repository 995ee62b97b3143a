// Decides the small stream that node_fuzz plays with: two epochs of two tracks, every chunk signed once for all runs.
// Never random: the same input meets the same octets.
// Called by node_fuzz.cpp.
#pragma once

#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <vector>

#include "proto/objects.hpp"

namespace streamr::fuzz {

inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

constexpr std::uint64_t start_unix_s = 1'790'000'000;
constexpr std::uint64_t first_segment = 100;
constexpr unsigned parts_a_segment = 4, parts_made = 24;

inline crypto::KeyPair key_of(std::uint8_t number) {
  std::array<std::uint8_t, 32> seed{};
  seed.fill(number);
  return crypto::KeyPair::from_seed(seed);
}

struct Made {
  proto::ChunkHeader header;
  std::vector<Hash> leaves;
  ByteVector payload;
  ByteView slice(std::uint16_t index) const {
    const std::size_t at = std::size_t{index} << header.slice_log2;
    return ByteView(payload).subspan(at, header.slice_bytes(index));
  }
};

class Kit {
 public:
  Kit() : root_(key_of(1)), session_(key_of(2)) {
    for (unsigned number = 0; number < certificates_.size(); ++number) {
      proto::Certificate fields;
      fields.session_key = session_.public_key();
      fields.epoch = epoch(number);
      fields.not_before_s = start_unix_s - 100;
      fields.not_after_s = start_unix_s + 3600;
      fields.track_mask = 3;
      fields.max_kbps = number == 2 ? 1 : 100'000;
      fields.serial = number + 1;
      certificates_[number] = proto::issue_certificate(fields, root_);
      proto::Revocation revoked;
      revoked.serial_max = number;
      revoked.at_s = start_unix_s;
      revocations_.push_back(proto::issue_revocation(revoked, root_));
    }
    for (unsigned number = 0; number < 2; ++number)
      for (std::uint16_t track = 0; track < 2; ++track) make_track(certificates_[number], track);
  }

  const StreamId& id() const { return root_.public_key(); }
  const crypto::KeyPair& session() const { return session_; }
  std::uint64_t epoch(unsigned number) const { return (start_unix_s * 1000 + number % 3) << 16; }
  const proto::Certificate& certificate(unsigned number) const { return certificates_[number % certificates_.size()]; }
  const proto::Revocation& revocation(unsigned number) const { return revocations_[number % revocations_.size()]; }
  const Made& chunk(unsigned number) const { return chunks_[number % chunks_.size()]; }
  const Made* find(const std::array<std::uint8_t, proto::ChunkHeader::size>& raw) const {
    const auto found = by_raw_.find(raw);
    return found == by_raw_.end() ? nullptr : &chunks_[found->second];
  }
  const Made* find_hex(std::string_view hex) const {
    std::array<std::uint8_t, proto::ChunkHeader::size> raw;
    return from_hex(hex, raw) ? find(raw) : nullptr;
  }
  SessionId session_id(const Key& viewer) const { return SessionId::copy(viewer.data()); }
  proto::Ticket ticket(const Key& relay, const Key& viewer, Now now, unsigned kind) const {
    proto::Ticket fields;
    fields.stream_id = id();
    fields.epoch = kind == 2 ? epoch(0) : 0;
    fields.relay_key = relay;
    fields.viewer_key = viewer;
    fields.session_id = session_id(viewer);
    fields.not_before_us = now.unix_us - 1'000'000;
    fields.not_after_us = now.unix_us + (kind == 3 ? 1'000'000 : 600'000'000);
    fields.max_rate_bps = kind == 1 ? 10'000 : 10'000'000;
    fields.window_start_bytes = 20'000;
    fields.window_max_bytes = 1 << 20;
    return proto::issue_ticket(fields, key_of(7));
  }

 private:
  void make_track(const proto::Certificate& certificate, std::uint16_t track) {
    Hash before;
    for (unsigned number = 0; number <= parts_made; ++number) {
      Made made;
      proto::ChunkHeader fields;
      fields.stream_id = id();
      fields.epoch = certificate.epoch;
      fields.track = track;
      fields.segment = first_segment + number / parts_a_segment;
      fields.part = static_cast<std::uint16_t>(number % parts_a_segment);
      fields.duration_us = 500'000;
      fields.media_time_us = number * std::uint64_t{500'000};
      fields.capture_time_us = start_unix_s * 1'000'000 + fields.media_time_us;
      fields.slice_log2 = 12;
      fields.content_type = track == 0 ? proto::ContentType::mpeg_ts : proto::ContentType::opaque;
      fields.prev_header_hash = before;
      if (fields.part == 0) fields.flags |= proto::independent;
      if (fields.part == parts_a_segment - 1) fields.flags |= proto::last_in_segment;
      const bool empty = number == parts_made || number == 6;
      if (empty) fields.flags = number == 6 ? proto::gap : proto::end;
      made.payload.resize(empty ? 0 : 300 + number % 5 * 3000);
      for (std::size_t at = 0; at < made.payload.size(); ++at)
        made.payload[at] = static_cast<std::uint8_t>(at * 31 + number + track * 7 + at / 256);
      made.header = proto::issue_chunk_header(fields, made.payload, certificate, session_, made.leaves);
      before = made.header.hash();
      by_raw_[made.header.raw] = chunks_.size();
      chunks_.push_back(std::move(made));
    }
  }

  crypto::KeyPair root_, session_;
  std::array<proto::Certificate, 4> certificates_;
  std::vector<proto::Revocation> revocations_;
  std::vector<Made> chunks_;
  std::map<std::array<std::uint8_t, proto::ChunkHeader::size>, std::size_t> by_raw_;
};

inline const Kit& kit() {
  static const Kit made;
  return made;
}

}  // namespace streamr::fuzz
