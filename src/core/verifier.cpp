#include "core/verifier.hpp"

#include <algorithm>
#include <string>

namespace streamr::core {

namespace {

constexpr std::size_t certificates_an_epoch = 16;  // 24 h each: a fortnight of one epoch, and no flood

bool past(const proto::Certificate& certificate, Now now) {
  if (certificate.not_after_s > UINT64_MAX / 1'000'000 - 1'000) return false;
  return now.unix_us > s_to_us(certificate.not_after_s) + limits::clock_slack_us;
}

// Does the header name another predecessor than the nearest one that is known? An INIT stands before the parts of the
// segment that it first applies to.
bool breaks_chain(const proto::ChunkHeader& header, const StreamStore& store) {
  const TrackStore* track = store.find_track(header.epoch, header.track);
  // INITs come out of turn (first of all, and again on every join), so they say nothing about what was left out.
  if (!track || header.has(proto::init)) return false;
  const auto next = track->parts.lower_bound(header.pos());
  const ChunkPtr before = next == track->parts.begin() ? nullptr : std::prev(next)->second;
  const ChunkPtr init = track->init_for(header.segment);
  if (!before) {  // the first one seen: only an INIT right in front of it can tell
    const bool follows_init = init && init->header().segment == header.segment && header.part == 0;
    return follows_init && header.prev_header_hash != init->header_hash();
  }
  const bool init_is_later = init && init->header().segment > before->header().segment;
  return header.prev_header_hash != (init_is_later ? init : before)->header_hash();
}

bool below_window(const proto::ChunkHeader& header, const StreamStore& store) {
  const TrackStore* track = store.find_track(header.epoch, header.track);
  if (!track || track->parts.empty()) return false;
  const std::uint64_t oldest = track->oldest_segment();
  if (!header.has(proto::init)) return header.segment < oldest;
  const ChunkPtr serving = track->init_for(oldest);  // an older INIT is of use only where no later one serves
  return serving && header.segment < serving->header().segment;
}

}  // namespace

// ---- certificates

bool Verifier::revoked(const proto::Certificate& certificate) const {
  return revocation_.has_value() && certificate.serial <= revoked_serial_max_;
}

Result<std::shared_ptr<const proto::Certificate>> Verifier::add_certificate(const proto::Certificate& certificate,
                                                                            Now now) {
  if (certificate.stream_id != stream_id_)
    return refuse(Wire::authentication, "expected a certificate of stream " + to_hex(stream_id_.view()) +
                                            ", came one of " + to_hex(certificate.stream_id.view()));
  const CertId id = certificate.id();
  const auto held = by_id_.find(id);
  if (held == by_id_.end())
    if (Status sound = proto::verify_certificate(certificate); !sound) return sound.error();
  if (revoked(certificate))
    return refuse(Wire::revoked, "expected a certificate above the revoked serial " +
                                     std::to_string(revoked_serial_max_) + ", came serial " +
                                     std::to_string(certificate.serial));
  if (held != by_id_.end()) return held->second;
  if (certificate.epoch < highest_epoch_)
    return refuse(Wire::authentication, "expected a certificate of epoch " + std::to_string(highest_epoch_) +
                                            " or newer, came epoch " + std::to_string(certificate.epoch));
  if (past(certificate, now))
    return refuse(Wire::authentication, "expected a certificate that is valid now, came one that ended at " +
                                            std::to_string(certificate.not_after_s) + " s");
  auto kept = std::make_shared<const proto::Certificate>(certificate);
  by_id_.emplace(id, kept);
  by_order_.emplace(CertificateOrder{certificate.epoch, certificate.serial, id}, kept);
  highest_epoch_ = std::max(highest_epoch_, certificate.epoch);
  forget_old();
  return CertificatePtr(kept);
}

// The two newest epochs stay, and of each the newest certificates; stored chunks hold their own.
void Verifier::forget_old() {
  std::uint64_t before = 0;
  for (const auto& [order, certificate] : by_order_)
    if (certificate->epoch < highest_epoch_) before = certificate->epoch;
  std::map<std::uint64_t, std::size_t> count;
  for (auto it = by_order_.rbegin(); it != by_order_.rend();) {
    const std::uint64_t epoch = it->second->epoch;
    const bool keep = epoch >= before && ++count[epoch] <= certificates_an_epoch;
    if (keep) {
      ++it;
      continue;
    }
    by_id_.erase(std::get<CertId>(it->first));
    it = std::make_reverse_iterator(by_order_.erase(std::next(it).base()));
  }
  rates_.erase(rates_.begin(), rates_.lower_bound(before));
  stopped_.erase(stopped_.begin(), stopped_.lower_bound({before, 0}));
}

std::shared_ptr<const proto::Certificate> Verifier::find_certificate(const CertId& id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() || revoked(*found->second) ? nullptr : found->second;
}

std::shared_ptr<const proto::Certificate> Verifier::newest_certificate() const {
  for (auto it = by_order_.rbegin(); it != by_order_.rend(); ++it)
    if (!revoked(*it->second)) return it->second;
  return nullptr;
}

std::vector<std::shared_ptr<const proto::Certificate>> Verifier::certificates() const {
  std::vector<CertificatePtr> out;
  for (const auto& [order, certificate] : by_order_)
    if (!revoked(*certificate)) out.push_back(certificate);
  return out;
}

Result<bool> Verifier::add_revocation(const proto::Revocation& revocation) {
  if (revocation.stream_id != stream_id_)
    return refuse(Wire::authentication, "expected a revocation of stream " + to_hex(stream_id_.view()) +
                                            ", came one of " + to_hex(revocation.stream_id.view()));
  if (Status sound = proto::verify_revocation(revocation); !sound) return sound.error();
  if (revocation_ && revocation.serial_max <= revoked_serial_max_) return false;
  revocation_ = revocation;
  revoked_serial_max_ = revocation.serial_max;
  return true;
}

// ---- chunks

// A certificate of the same epoch with a higher serial that holds for this segment.
bool Verifier::superseded(const proto::ChunkHeader& header, const proto::Certificate& certificate) const {
  for (auto it = by_order_.lower_bound({header.epoch, certificate.serial, CertId{}}); it != by_order_.end(); ++it) {
    if (it->second->epoch != header.epoch) break;
    if (it->second->serial > certificate.serial && header.segment >= it->second->min_segment && !revoked(*it->second))
      return true;
  }
  return false;
}

Result<Verifier::CertificatePtr> Verifier::certificate_for(const proto::ChunkHeader& header, ChunkSource source,
                                                           Now now) const {
  const auto found = by_id_.find(header.cert_id);
  if (found == by_id_.end())
    return refuse(Wire::authentication,
                  "expected a chunk under a known certificate, came cert_id " + to_hex(header.cert_id.view()));
  const proto::Certificate& certificate = *found->second;
  if (revoked(certificate))
    return refuse(Wire::revoked, "expected a chunk under a valid certificate, came one under revoked serial " +
                                     std::to_string(certificate.serial));
  if (source == ChunkSource::live && past(certificate, now))
    return refuse(Wire::authentication,
                  "expected a live chunk under a certificate that is valid now, came one whose certificate ended at " +
                      std::to_string(certificate.not_after_s) + " s");
  if (Status sound = proto::verify_chunk_header(header, certificate); !sound) return sound.error();
  if (source == ChunkSource::live && superseded(header, certificate))
    return refuse(Wire::authentication, "expected a chunk under the newest certificate of segment " +
                                            std::to_string(header.segment) + ", came one under superseded serial " +
                                            std::to_string(certificate.serial));
  return found->second;
}

Error Verifier::on_other_bytes(const StoredChunk& kept, const proto::ChunkHeader& header, Now now) {
  // Only a header that its own certificate vouches for proves anything against the streamer; at whatever time.
  auto certificate = certificate_for(header, ChunkSource::fetch_answer, now);
  if (!certificate) return certificate.error();
  if (stopped_.insert({header.epoch, header.track}).second) {
    Equivocation found;
    found.proof.assign(kept.header().raw.begin(), kept.header().raw.end());
    found.proof.insert(found.proof.end(), header.raw.begin(), header.raw.end());
    found.certificate = **certificate;
    found.track = header.track;
    equivocation_ = std::move(found);
  }
  return refuse(Wire::authentication, "expected the header that is kept of segment " + std::to_string(header.segment) +
                                          " part " + std::to_string(header.part) +
                                          ", came another one signed by the same key");
}

Status Verifier::check_epoch(const proto::ChunkHeader& header, ChunkSource source, const StreamStore& store) const {
  if (header.epoch >= highest_epoch_ || source == ChunkSource::fetch_answer) return {};
  // A track may finish the epoch before until its first chunk of the new one is here: tracks do not move on together.
  const TrackStore* old = store.find_track(header.epoch, header.track);
  const TrackStore* fresh = store.find_track(highest_epoch_, header.track);
  const bool moved_on = fresh && (!fresh->parts.empty() || !fresh->inits.empty());
  if (old && !old->parts.empty() && !old->ended && !moved_on) return {};
  return refuse(Wire::authentication, "expected a chunk of epoch " + std::to_string(highest_epoch_) +
                                          " or newer, came epoch " + std::to_string(header.epoch));
}

Result<ChunkCheck> Verifier::check_chunk(const proto::Chunk& frame, std::uint16_t track, ChunkSource source,
                                         const StreamStore& store, Now now) {
  const proto::ChunkHeader& header = frame.header;
  if (header.stream_id != stream_id_)
    return refuse(Wire::authentication, "expected a chunk of stream " + to_hex(stream_id_.view()) + ", came one of " +
                                            to_hex(header.stream_id.view()));
  if (header.track != track)
    return refuse(Wire::authentication, "expected a chunk of track " + std::to_string(track) + ", came track " +
                                            std::to_string(header.track));
  if (frame.leaves.size() != header.slice_count)
    return refuse(Wire::malformed, "expected " + std::to_string(header.slice_count) + " leaves, came " +
                                       std::to_string(frame.leaves.size()));

  if (const ChunkPtr kept = store.find(header.epoch, header.track, header.pos())) {
    if (kept->header().raw != header.raw) return on_other_bytes(*kept, header, now);
    return ChunkCheck{ChunkVerdict::known, std::nullopt, false};
  }
  if (track_stopped(header.epoch, header.track)) return ChunkCheck{ChunkVerdict::below_window, std::nullopt, false};
  if (Status epoch = check_epoch(header, source, store); !epoch) return epoch.error();
  if (source == ChunkSource::live && below_window(header, store))
    return ChunkCheck{ChunkVerdict::below_window, std::nullopt, false};

  auto certificate = certificate_for(header, source, now);
  if (!certificate) return certificate.error();
  if (crypto::merkle_root(hasher_, frame.leaves) != header.merkle_root)
    return refuse(Wire::bad_slice, "expected leaves that give the signed root, came others");
  if (source == ChunkSource::live) {
    RateWindow& rate = rates_[header.epoch];
    if (!rate.fits(header.media_time_us, header.payload_length, (*certificate)->max_kbps))
      return refuse(Wire::limit, "expected at most " +
                                     std::to_string(RateWindow::allowed_bytes((*certificate)->max_kbps)) +
                                     " octets in 10 s of media, came more");
    rate.add(header.media_time_us, header.payload_length);
  }

  ChunkCheck out;
  out.chain_broken = source == ChunkSource::live && breaks_chain(header, store);
  VerifiedChunk chunk;
  chunk.header_ = header;
  chunk.leaves_ = frame.leaves;
  chunk.certificate_ = *certificate;
  out.chunk = std::move(chunk);
  return out;
}

// ---- slices

Result<VerifiedSlice> Verifier::check_slice(const StoredChunk& chunk, std::uint16_t index, ByteView data) {
  const proto::ChunkHeader& header = chunk.header();
  if (index >= header.slice_count)
    return refuse(Wire::bad_slice,
                  "expected a slice below " + std::to_string(header.slice_count) + ", came " + std::to_string(index));
  if (data.size() != header.slice_bytes(index))
    return refuse(Wire::bad_slice, "expected a slice of " + std::to_string(header.slice_bytes(index)) +
                                       " octets, came " + std::to_string(data.size()));
  if (crypto::leaf_hash(hasher_, data) != chunk.leaves()[index])
    return refuse(Wire::bad_slice, "expected slice " + std::to_string(index) + " to give its leaf, came other octets");
  VerifiedSlice slice;
  slice.index_ = index;
  slice.data_ = data;
  return slice;
}

bool Verifier::is_void(const StoredChunk& chunk) const {
  const auto& certificate = chunk.certificate();
  return (certificate && revoked(*certificate)) || track_stopped(chunk.header().epoch, chunk.header().track);
}

std::optional<Verifier::Equivocation> Verifier::take_equivocation() {
  auto out = std::move(equivocation_);
  equivocation_.reset();
  return out;
}

}  // namespace streamr::core
