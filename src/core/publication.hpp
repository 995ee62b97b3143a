// Decides how source bytes become signed chunks: numbers segments and parts, chains headers, signs, cuts slices.
// Never sends and never reads a clock; times come with the parts.
// Called by core/node for streamr_publication_*.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "core/rate_window.hpp"
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
    std::uint64_t segment = 0;              // where the next part goes
    std::uint16_t part = 0;
    bool any = false;                       // a chunk was signed
    bool any_part = false;                  // one that is no INIT
    bool segment_closed = false;            // the newest part had LAST_IN_SEGMENT: only END may still stand behind it
    bool discontinuity_due = false;         // the INIT changed, so the next part says so too
    std::uint16_t closed_part = 0;          // part number behind that newest part
    ChunkPtr init;
    Hash prev;
    std::uint64_t last_media_us = 0;
    std::uint64_t next_media_us = 0;
    std::uint64_t last_capture_us = 0;
  };
  Status check_part(const PublicationPart& part, const TrackState& track, Now now) const;
  Result<proto::ChunkHeader> place_init(const PublicationPart& part, const TrackState& track) const;
  std::uint64_t segment_at(std::uint64_t media_time_us) const;
  void open_in(StreamStore& store);
  ChunkPtr sign_and_store(proto::ChunkHeader fields, ByteView payload, TrackState& track, StreamStore& store, Now now);
  void advance(const PublicationPart& part, TrackState& track);

  PublicationConfig config_;
  crypto::KeyPair session_;
  std::shared_ptr<const proto::Certificate> certificate_;
  std::map<std::uint16_t, TrackState> tracks_;
  std::map<std::uint64_t, std::uint64_t> segment_starts_;   // segment → media time, so that a late track joins the others
  RateWindow rate_;
  bool opened_ = false;
  bool ended_ = false;
};

}  // namespace streamr::core
