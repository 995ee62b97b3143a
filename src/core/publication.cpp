#include "core/publication.hpp"

#include <algorithm>
#include <iterator>
#include <string>

namespace streamr::core {

namespace {

constexpr std::uint8_t known_flags =
    proto::independent | proto::init | proto::last_in_segment | proto::discontinuity | proto::gap | proto::end;
constexpr std::size_t segment_starts_kept = 64;

Error invalid(std::string text) {
  return fail(STREAMR_E_INVALID, std::move(text));
}

std::uint64_t latest_capture_us(const proto::Certificate& certificate) {
  if (certificate.not_after_s > UINT64_MAX / 1'000'000 - 1'000) return UINT64_MAX;
  return s_to_us(certificate.not_after_s) + limits::clock_slack_us;
}

std::uint64_t earliest_capture_us(const proto::Certificate& certificate) {
  if (certificate.not_before_s > UINT64_MAX / 1'000'000) return UINT64_MAX;
  const std::uint64_t from = s_to_us(certificate.not_before_s);
  return from > limits::clock_slack_us ? from - limits::clock_slack_us : 0;
}

Status check_sizes(const PublicationPart& part) {
  if ((part.flags & ~known_flags) != 0) return invalid("expected known flags, came " + std::to_string(part.flags));
  if (part.flags & proto::end) return invalid("expected a part without END, which end() signs");
  const bool gap = (part.flags & proto::gap) != 0;
  if (gap && (part.flags & proto::init)) return invalid("expected INIT or GAP, came both");
  if (gap && !part.payload.empty())
    return invalid("expected no octets with GAP, came " + std::to_string(part.payload.size()));
  if (!gap && part.payload.empty()) return invalid("expected octets where GAP is not set, came none");
  if (part.payload.size() > limits::chunk_payload_bytes)
    return invalid("expected at most 16 MiB in a part, came " + std::to_string(part.payload.size()) + " octets");
  if (part.duration_us > limits::chunk_duration_us)
    return invalid("expected a duration of at most 60 s, came " + std::to_string(part.duration_us) + " us");
  return {};
}

}  // namespace

Result<Publication> Publication::open(PublicationConfig config, const crypto::KeyPair& session) {
  if (config.tracks.empty()) return invalid("expected at least one track, came none");
  if (config.certificate.session_key != session.public_key())
    return invalid("expected the session key that the certificate names, came another key");
  for (std::size_t i = 0; i < config.tracks.size(); ++i) {
    const std::uint16_t number = config.tracks[i].track;
    if (!config.certificate.allows_track(number))
      return invalid("expected tracks that the certificate allows, came track " + std::to_string(number));
    for (std::size_t j = 0; j < i; ++j)
      if (config.tracks[j].track == number)
        return invalid("expected each track once, came track " + std::to_string(number) + " twice");
  }
  if (config.part_target_us == 0) config.part_target_us = 500'000;
  if (config.target_duration_s == 0) config.target_duration_s = 2;
  config.first_segment = std::max(config.first_segment, config.certificate.min_segment);
  Publication out(std::move(config), session);
  for (const proto::TrackInfo& info : out.config_.tracks) out.tracks_[info.track].segment = out.config_.first_segment;
  return out;
}

// ---- what a part must be

Status Publication::check_part(const PublicationPart& part, const TrackState& track, Now now) const {
  if (Status sizes = check_sizes(part); !sizes) return sizes.error();
  const bool is_init = (part.flags & proto::init) != 0;
  if (!is_init && track.any_part) {
    if (part.media_time_us < track.last_media_us)
      return invalid("expected a media time of at least " + std::to_string(track.last_media_us) + " us, came " +
                     std::to_string(part.media_time_us));
    if (part.capture_time_us < track.last_capture_us)
      return invalid("expected a capture time of at least " + std::to_string(track.last_capture_us) + " us, came " +
                     std::to_string(part.capture_time_us));
  }
  const proto::Certificate& certificate = config_.certificate;
  if (part.capture_time_us > latest_capture_us(certificate) ||
      part.capture_time_us < earliest_capture_us(certificate) || now.unix_us > latest_capture_us(certificate))
    return fail(STREAMR_E_EXPIRED, "expected a time between " + std::to_string(certificate.not_before_s) + " s and " +
                                       std::to_string(certificate.not_after_s) +
                                       " s as the certificate says; open a new publication");
  if (!is_init && track.part == init_part)
    return fail(STREAMR_E_LIMIT, "expected at most 65535 parts in a segment; set LAST_IN_SEGMENT");
  if (!rate_.fits(part.media_time_us, part.payload.size(), certificate.max_kbps))
    return fail(STREAMR_E_LIMIT, "expected at most " + std::to_string(RateWindow::allowed_bytes(certificate.max_kbps)) +
                                     " octets in 10 s of media on all tracks together, came more");
  return {};
}

// The segment that a media time falls into, as the other tracks cut it.
std::uint64_t Publication::segment_at(std::uint64_t media_time_us) const {
  std::uint64_t segment = config_.first_segment;
  const std::uint64_t tolerance_us = config_.part_target_us / 2;  // audio frames do not end where pictures do
  for (const auto& [number, start_us] : segment_starts_)
    if (start_us <= media_time_us + tolerance_us) segment = std::max(segment, number);
  return segment;
}

// An INIT carries the first segment that it applies to: the one whose first part comes next.
Result<proto::ChunkHeader> Publication::place_init(const PublicationPart& part, const TrackState& track) const {
  proto::ChunkHeader fields;
  fields.part = init_part;
  fields.segment = track.any ? track.segment : segment_at(part.media_time_us);
  if (track.any_part && track.part != 0)
    return fail(STREAMR_E_STATE, "expected a changed init section between two segments, came one inside segment " +
                                     std::to_string(track.segment) + "; set LAST_IN_SEGMENT before it");
  if (track.init && track.init->header().segment == fields.segment)
    return fail(STREAMR_E_STATE,
                "expected one init section for segment " + std::to_string(fields.segment) + ", came another one");
  if (track.init) fields.flags = proto::discontinuity;
  return fields;
}

// ---- pushing

Result<ChunkPtr> Publication::push(const PublicationPart& part, StreamStore& store, Now now) {
  if (ended_) return fail(STREAMR_E_STATE, "expected no part after the end of the publication");
  const auto found = tracks_.find(part.track);
  if (found == tracks_.end())
    return invalid("expected a track of this publication, came track " + std::to_string(part.track));
  TrackState& track = found->second;
  if (Status good = check_part(part, track, now); !good) return good.error();
  const auto info = std::find_if(config_.tracks.begin(), config_.tracks.end(),
                                 [&](const proto::TrackInfo& each) { return each.track == part.track; });
  const bool is_init = (part.flags & proto::init) != 0;
  if (!is_init && !track.init && info->content_type == proto::ContentType::cmaf)
    return fail(STREAMR_E_STATE,
                "expected the init section of track " + std::to_string(part.track) + " before its first part");

  proto::ChunkHeader fields;
  if (is_init) {
    if (track.init && std::ranges::equal(track.init->payload().view(), part.payload.view()))
      return track.init;  // nothing new
    auto placed = place_init(part, track);
    if (!placed) return placed.error();
    fields = *placed;
  } else {
    if (!track.any_part) track.segment = std::max(track.any ? track.segment : 0, segment_at(part.media_time_us));
    fields.segment = track.segment;
    fields.part = track.part;
    if (track.discontinuity_due) fields.flags = proto::discontinuity;
  }
  fields.flags |= part.flags;
  fields.track = part.track;
  fields.duration_us = part.duration_us;
  fields.media_time_us = part.media_time_us;
  fields.capture_time_us = part.capture_time_us;
  fields.content_type = info->content_type;

  rate_.add(part.media_time_us, part.payload.size());
  ChunkPtr stored = sign_and_store(fields, part.payload.view(), track, store, now);
  if (is_init) {
    track.discontinuity_due = track.init != nullptr;
    track.init = stored;
    track.segment = stored->header().segment;
  } else {
    advance(part, track);
  }
  return stored;
}

void Publication::advance(const PublicationPart& part, TrackState& track) {
  if (track.part == 0) {
    segment_starts_.emplace(track.segment, part.media_time_us);
    if (segment_starts_.size() > segment_starts_kept) segment_starts_.erase(segment_starts_.begin());
  }
  track.any_part = true;
  track.discontinuity_due = false;
  track.last_media_us = part.media_time_us;
  track.next_media_us = part.media_time_us + part.duration_us;
  track.last_capture_us = part.capture_time_us;
  ++track.part;
  track.segment_closed = (part.flags & proto::last_in_segment) != 0;
  if (track.segment_closed) {
    track.closed_part = track.part;
    ++track.segment;
    track.part = 0;
  }
}

void Publication::open_in(StreamStore& store) {
  if (opened_) return;
  opened_ = true;
  const bool is_new = !store.find_epoch(config_.certificate.epoch);
  EpochStore& epoch = store.open_epoch(config_.certificate.epoch);
  epoch.part_target_us = config_.part_target_us;
  epoch.target_duration_s = config_.target_duration_s;
  if (is_new) epoch.discontinuity_segment = config_.first_segment;
  for (const proto::TrackInfo& info : config_.tracks) store.set_track(config_.certificate.epoch, info);
}

ChunkPtr Publication::sign_and_store(proto::ChunkHeader fields, ByteView payload, TrackState& track, StreamStore& store,
                                     Now now) {
  open_in(store);
  fields.stream_id = config_.certificate.stream_id;
  fields.epoch = config_.certificate.epoch;
  fields.prev_header_hash = track.prev;
  VerifiedChunk chunk;
  if (!certificate_) certificate_ = std::make_shared<const proto::Certificate>(config_.certificate);
  chunk.certificate_ = certificate_;
  chunk.header_ = proto::issue_chunk_header(fields, payload, config_.certificate, session_, chunk.leaves_);
  ChunkPtr stored = store.put(chunk, now);
  for (std::uint16_t index = 0; index < chunk.header_.slice_count; ++index) {
    VerifiedSlice slice;
    slice.index_ = index;
    slice.data_ = payload.subspan(std::size_t{index} << chunk.header_.slice_log2, chunk.header_.slice_bytes(index));
    store.put_slice(stored, slice, now);
  }
  track.prev = stored->header_hash();
  track.any = true;
  return stored;
}

// ---- the end

Result<std::vector<ChunkPtr>> Publication::end(StreamStore& store, Now now) {
  if (ended_) return fail(STREAMR_E_STATE, "expected a running publication, came one that has ended");
  ended_ = true;
  std::vector<ChunkPtr> out;
  for (const proto::TrackInfo& info : config_.tracks) {
    TrackState& track = tracks_.at(info.track);
    if (!track.any) continue;
    proto::ChunkHeader fields;
    fields.flags = proto::end;
    fields.track = info.track;
    fields.content_type = info.content_type;
    // Behind the last part, so that it opens no segment of its own.
    fields.segment = track.segment_closed ? track.segment - 1 : track.segment;
    fields.part = track.segment_closed ? track.closed_part : track.part;
    if (fields.part == init_part) continue;
    fields.media_time_us = track.next_media_us;
    fields.capture_time_us =
        std::clamp(track.last_capture_us + (track.next_media_us - track.last_media_us),
                   earliest_capture_us(config_.certificate), latest_capture_us(config_.certificate));
    out.push_back(sign_and_store(fields, {}, track, store, now));
  }
  return out;
}

}  // namespace streamr::core
