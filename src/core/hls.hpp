// Decides the HTTP face of one stream (protocol §5): playlists derived from signed headers, media, .chunk, head,
// headers, cert. Never serves a slice that the store has not got verified; never copies payloads. Called by core/node:
// told of every change, asked for every request below /live/.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/http.hpp"
#include "core/store.hpp"

namespace streamr::core {

struct HlsConfig {
  std::string steering_url;               // coordinator's /steering/{stream}; empty: no EXT-X-CONTENT-STEERING
  std::string pathway_id;                 // first 16 hex digits of the relay's key
  std::uint32_t min_segments = 12;
  bool low_latency = true;                // parts, blocking reload and hints; else plain HLS by whole segments
};

// A chunk that a .chunk request still waits for: the node sends slices to `id` as they verify.
struct HlsOpenBody { HttpId id; ChunkPtr chunk; std::uint16_t next_slice; };

class HlsStream {
 public:
  HlsStream(const StreamStore& store, HlsConfig config);
  ~HlsStream();

  void on_chunk(const ChunkPtr& chunk, Now now);     // CHUNK accepted
  void on_whole(const ChunkPtr& chunk, Now now);     // its last slice verified
  void on_slice(const ChunkPtr& chunk, std::uint16_t index, Now now);
  void on_time(Now now);                             // holes, ENDLIST, held requests
  std::uint64_t deadline_us() const;

  // `rest` is what follows /live/{stream}: ".m3u8", "/0.m3u8", "/{epoch}/0/5.1.m4s", … nullopt: held, the answer comes
  // by poll_reply.
  std::optional<HttpResponse> get(const HttpRequest& request, std::string_view rest, Now now);
  void on_closed(HttpId id);                         // the client of a held or open answer went away
  void give_up();                                    // the stream goes: answers all that wait, ends what is open
  std::uint64_t retired_bytes() const;               // of segments that left playlist and store, fetchable still
  void forget_retired();                             // memory is short: they are not fetchable any more
  void forget_shared();                              // no answer holds any longer: an address means another stream now

  struct Reply { HttpId id; HttpResponse response; };
  struct Pieces { HttpId id; std::vector<SharedBytes> pieces; bool end; };
  std::optional<Reply> poll_reply();
  std::optional<Pieces> poll_pieces();
  void set_certificates(std::vector<std::shared_ptr<const proto::Certificate>> certificates);  // for …/cert/{cert_id}

  // Discontinuity number of a segment, as SUB_OK tells it of the live one: the epoch's, and one more with each
  // DISCONTINUITY.
  std::uint32_t discontinuity_number(std::uint64_t epoch, std::uint64_t segment) const;
  struct Counters { std::uint64_t renders = 0, gzips = 0; };
  const Counters& counters() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace streamr::core
