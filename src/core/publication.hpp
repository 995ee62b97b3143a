// Decides how source bytes become signed chunks: numbers segments and parts, chains headers, signs, cuts slices.
// Never sends and never reads a clock; times come with the parts.
// Called by core/node for streamr_publication_*.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "core/store.hpp"

namespace streamr::core {

struct PublicationPart {
  std::uint16_t track = 0;
  std::uint8_t flags = 0;                 // proto::ChunkFlag
  SharedBytes payload;
  std::uint64_t media_time_us = 0;
  std::uint64_t capture_time_us = 0;
  std::uint32_t duration_us = 0;
};

struct PublicationConfig {
  proto::Certificate certificate;
  std::vector<proto::TrackInfo> tracks;
  std::uint32_t part_target_us = 500'000;
  std::uint8_t target_duration_s = 2;
  std::uint64_t first_segment = 0;        // number of the first segment
};

class Publication {
 public:
  // INVALID: no track, a track outside the mask, key that is not the certificate's.
  static Result<Publication> open(PublicationConfig config, const crypto::KeyPair& session);

  // Signs one part and puts it, whole, into the store. Errors as streamr_publication_push documents them.
  Result<ChunkPtr> push(const PublicationPart& part, StreamStore& store, Now now);
  // One END chunk per track that ever had a chunk.
  Result<std::vector<ChunkPtr>> end(StreamStore& store, Now now);
  const PublicationConfig& config() const { return config_; }
  bool ended() const { return ended_; }

 private:
  Publication(PublicationConfig config, const crypto::KeyPair& session) : config_(std::move(config)), session_(session) {}
  struct TrackState {
    std::uint64_t segment = 0;
    std::uint16_t part = 0;
    bool has_init = false;
    Hash prev;
    std::uint64_t last_media_us = 0;
    std::uint64_t next_media_us = 0;
    std::uint64_t last_capture_us = 0;
    bool any = false;
  };
  PublicationConfig config_;
  crypto::KeyPair session_;
  std::map<std::uint16_t, TrackState> tracks_;
  std::map<std::uint64_t, std::uint64_t> window_bytes_;
  bool ended_ = false;
};

}  // namespace streamr::core
