// Decides whether a certificate, a chunk or a slice may enter this node: signatures, times, rollback, equivocation, rate.
// Never stores media and never sends; a refusal names its wire code (protocol §4, "Must be refused").
// Called by core/node for everything that comes from a peer.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/rate_window.hpp"
#include "core/store.hpp"

namespace streamr::core {

// below_window: to be ignored, as is everything new on a track that an equivocation stopped.
enum class ChunkVerdict { fresh, known, below_window };

struct ChunkCheck {
  ChunkVerdict verdict = ChunkVerdict::fresh;
  std::optional<VerifiedChunk> chunk;        // with `fresh`
  bool chain_broken = false;                 // prev_header_hash does not follow; counted, missing parts are fetched
};

// Where a chunk came from: FETCH answers and repeats on join are free of the rate, window and deadline rules.
enum class ChunkSource { live, fetch_answer };

class Verifier {
 public:
  explicit Verifier(const StreamId& stream_id) : stream_id_(stream_id) {}

  // The highest epoch survives restarts: give the remembered one before the first certificate.
  void set_highest_epoch(std::uint64_t epoch) { highest_epoch_ = epoch; }
  std::uint64_t highest_epoch() const { return highest_epoch_; }

  // [5] root signature, over 24 h, other stream, lower epoch, past by the clock at the live edge; [12] revoked.
  // A certificate already known is fine. A higher serial supersedes from its min_segment.
  Result<std::shared_ptr<const proto::Certificate>> add_certificate(const proto::Certificate& certificate, Now now);
  std::shared_ptr<const proto::Certificate> find_certificate(const CertId& id) const;
  // None of these gives a revoked one.
  std::shared_ptr<const proto::Certificate> newest_certificate() const;   // null before the first, or when all are revoked
  std::vector<std::shared_ptr<const proto::Certificate>> certificates() const;

  // [5] signature. True: something new was revoked.
  Result<bool> add_revocation(const proto::Revocation& revocation);
  std::uint64_t revoked_serial_max() const { return revoked_serial_max_; }
  const std::optional<proto::Revocation>& revocation() const { return revocation_; }

  // All checks that are made once per chunk, in this order: known position (same bytes: known; other bytes: equivocation [5],
  // proof kept), window, certificate [5][12], form and signature, leaves → root [10], rate 1.25 x max_kbps in 10 s of media [4].
  // `track`: the subscription's track, [5] where the header names another.
  Result<ChunkCheck> check_chunk(const proto::Chunk& frame, std::uint16_t track, ChunkSource source,
                                 const StreamStore& store, Now now);
  // [10] index, length or hash.
  Result<VerifiedSlice> check_slice(const StoredChunk& chunk, std::uint16_t index, ByteView data);

  // 448-octet proof of the last equivocation and the certificate it belongs to, once.
  struct Equivocation { ByteVector proof; proto::Certificate certificate; std::uint16_t track = 0; };
  std::optional<Equivocation> take_equivocation();
  // An equivocation was proven there: nothing of it is forwarded any more.
  // Accepted once, but its certificate was revoked or its track stopped since.
  bool is_void(const StoredChunk& chunk) const;
  bool track_stopped(std::uint64_t epoch, std::uint16_t track) const { return stopped_.count({epoch, track}) != 0; }

 private:
  using CertificatePtr = std::shared_ptr<const proto::Certificate>;
  using TrackKey = std::pair<std::uint64_t, std::uint16_t>;                     // epoch, track
  using CertificateOrder = std::tuple<std::uint64_t, std::uint64_t, CertId>;    // epoch, serial, id

  bool revoked(const proto::Certificate& certificate) const;
  Result<CertificatePtr> certificate_for(const proto::ChunkHeader& header, ChunkSource source, Now now) const;
  bool superseded(const proto::ChunkHeader& header, const proto::Certificate& certificate) const;
  Error on_other_bytes(const StoredChunk& kept, const proto::ChunkHeader& header, Now now);
  Status check_epoch(const proto::ChunkHeader& header, ChunkSource source, const StreamStore& store) const;
  void forget_old();

  StreamId stream_id_;
  std::uint64_t highest_epoch_ = 0;
  std::uint64_t revoked_serial_max_ = 0;
  std::optional<proto::Revocation> revocation_;
  std::map<CertificateOrder, CertificatePtr> by_order_;
  std::unordered_map<CertId, CertificatePtr> by_id_;
  std::map<std::uint64_t, RateWindow> rates_;                                   // by epoch
  std::set<TrackKey> stopped_;
  std::optional<Equivocation> equivocation_;
  crypto::Hasher hasher_;
};

}  // namespace streamr::core
