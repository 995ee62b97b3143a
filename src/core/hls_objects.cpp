#include <algorithm>

#include "core/hls_state.hpp"

namespace streamr::core {
namespace {

constexpr std::string_view octet_type = "application/octet-stream";
constexpr std::uint64_t default_headers = 64;
constexpr std::uint64_t most_headers = 1024;

// The octets of `chunk` that can go out next: whole and without a gap from slice `next` on.
std::vector<SharedBytes> ready_slices(const StoredChunk& chunk, std::uint16_t& next) {
  std::vector<SharedBytes> out;
  while (next < chunk.header().slice_count && chunk.has_slice(next)) out.push_back(chunk.slice(next++));
  return out;
}

// Headers in the order of the signed chain: an INIT comes before the first part of its segment.
struct ChainPlace {
  ChunkPos pos;
  bool operator<(const ChainPlace& other) const { return key() < other.key(); }
  std::pair<std::uint64_t, std::uint32_t> key() const {
    return {pos.segment, pos.part == init_part ? 0 : pos.part + 1u};
  }
};

std::map<ChainPlace, ChunkPtr> chain_from(const TrackStore& track, ChunkPos from, std::uint64_t count) {
  std::map<ChainPlace, ChunkPtr> out;
  const std::uint64_t wanted_inits = count;
  for (auto at = track.inits.lower_bound(from.segment); at != track.inits.end() && out.size() < wanted_inits; ++at)
    if (!(ChainPlace{at->second->header().pos()} < ChainPlace{from}))
      out.emplace(ChainPlace{at->second->header().pos()}, at->second);
  std::uint64_t parts = 0;
  const ChunkPos first = from.part == init_part ? ChunkPos{from.segment, 0} : from;
  for (auto at = track.parts.lower_bound(first); at != track.parts.end() && parts < count; ++at, ++parts)
    out.emplace(ChainPlace{at->first}, at->second);
  while (out.size() > count) out.erase(std::prev(out.end()));
  return out;
}

}  // namespace

// header ‖ leaves ‖ payload; what is verified goes out at once, the rest as it verifies.
HttpResponse HlsStream::State::answer_chunk(const HttpAsk& ask, const ChunkPtr& chunk, Now now) {
  HttpResponse response = plain_response(200, octet_type, immutable_media, chunk->header_and_leaves());
  const std::string etag = '"' + to_hex(chunk->header_hash().view().first(16)) + "-chunk\"";
  if (chunk->whole()) {
    if (chunk->header().payload_length != 0) response.pieces.push_back(chunk->payload());
    return conditional_media(ask, std::move(response), etag);
  }
  response.open = true;
  response = conditional_media(ask, std::move(response), etag);
  if (response.status != 200) {
    response.open = false;
    return response;
  }
  if (ask.head) {
    pieces.push_back({ask.id, {}, true});
    return response;
  }
  std::uint16_t next = 0;
  for (SharedBytes& slice : ready_slices(*chunk, next)) response.pieces.push_back(std::move(slice));
  const EpochStore* epoch = store.find_epoch(chunk->header().epoch);
  const std::uint64_t patience_us = 3 * s_to_us(epoch == nullptr ? 2 : epoch->target_duration_s);
  open_bodies[chunk.get()].push_back({{ask.id, chunk, next}, now.mono_us + patience_us});
  return response;
}

void HlsStream::State::feed_open(const ChunkPtr& chunk) {
  const auto at = open_bodies.find(chunk.get());
  if (at == open_bodies.end()) return;
  bool all_done = true;
  for (Open& waiting : at->second) {
    std::vector<SharedBytes> ready = ready_slices(*chunk, waiting.body.next_slice);
    const bool done = waiting.body.next_slice == chunk->header().slice_count;
    if (!ready.empty() || done) pieces.push_back({waiting.body.id, std::move(ready), done});
    all_done = all_done && done;
  }
  if (all_done) open_bodies.erase(at);
}

// A chunk whose rest never comes: the client sees from the header that octets are missing.
void HlsStream::State::give_up_open(Now now) {
  for (auto at = open_bodies.begin(); at != open_bodies.end();) {
    std::erase_if(at->second, [&](const Open& waiting) {
      if (now.mono_us < waiting.until_mono_us) return false;
      pieces.push_back({waiting.body.id, {}, true});
      return true;
    });
    at = at->second.empty() ? open_bodies.erase(at) : std::next(at);
  }
}

HttpResponse HlsStream::State::answer_head(std::uint64_t epoch, std::uint16_t track) const {
  const TrackStore* held = store.find_track(epoch, track);
  ChunkPtr newest;
  if (held != nullptr && !held->parts.empty()) newest = held->parts.rbegin()->second;
  if (held != nullptr && !held->inits.empty()) {
    const ChunkPtr& init = held->inits.rbegin()->second;
    if (!newest || ChainPlace{newest->header().pos()} < ChainPlace{init->header().pos()}) newest = init;
  }
  if (!newest) return error_response(404, "this relay holds no chunk of that epoch and track");
  return plain_response(200, octet_type, "no-cache", newest->header_and_leaves().slice(0, proto::ChunkHeader::size));
}

HttpResponse HlsStream::State::answer_headers(std::string_view query, std::uint64_t epoch, std::uint16_t track) const {
  const auto from_text = query_value(query, "from");
  const auto dot = from_text ? from_text->find('.') : std::string_view::npos;
  if (dot == std::string_view::npos) return error_response(400, "expected from={segment}.{part} in the query");
  const auto segment = parse_decimal_u64(from_text->substr(0, dot));
  const auto part = parse_decimal_u16(from_text->substr(dot + 1));
  if (!segment || !part) return error_response(400, "expected from={segment}.{part} as two decimal numbers");
  std::uint64_t count = default_headers;
  if (const auto text = query_value(query, "n")) {
    const auto number = parse_decimal_u64(*text);
    if (!number || *number == 0) return error_response(400, "expected n to be a decimal number above 0");
    count = std::min(*number, most_headers);
  }
  const TrackStore* held = store.find_track(epoch, track);
  if (held == nullptr) return error_response(404, "this relay holds no chunk of that epoch and track");
  const auto run = chain_from(*held, {*segment, *part}, count);
  if (run.empty()) return error_response(404, "this relay holds no header from there on");
  HttpResponse response = plain_response(200, octet_type, "no-cache", {});
  for (const auto& [place, chunk] : run)
    response.pieces.push_back(chunk->header_and_leaves().slice(0, proto::ChunkHeader::size));
  return response;
}

HttpResponse HlsStream::State::answer_certificate(const HttpAsk& ask, std::uint64_t epoch, std::uint16_t track,
                                                  std::string_view id) const {
  const auto wanted = fixed_from_hex<CertId>(id);
  if (!wanted) return error_response(404, "expected a certificate id of 16 lower-case hex digits");
  std::shared_ptr<const proto::Certificate> found;
  const auto consider = [&](const std::shared_ptr<const proto::Certificate>& certificate) {
    if (certificate && certificate->epoch == epoch && certificate->allows_track(track) && certificate->id() == *wanted)
      found = certificate;
  };
  for (const auto& certificate : certificates) consider(certificate);
  if (const TrackStore* held = store.find_track(epoch, track); held != nullptr && !found) {
    const std::shared_ptr<const proto::Certificate>* last = nullptr;  // runs of chunks share one
    for (const auto& [pos, chunk] : held->parts) {
      if (found) break;
      if (last != nullptr && *last == chunk->certificate()) continue;
      last = &chunk->certificate();
      consider(*last);
    }
    for (const auto& [segment, chunk] : held->inits)
      if (!found) consider(chunk->certificate());
  }
  if (!found) return error_response(404, "this relay holds no such certificate of that epoch and track");
  HttpResponse response = plain_response(200, octet_type, immutable_media, SharedBytes::copy(found->raw));
  return conditional_media(ask, std::move(response), '"' + to_hex(wanted->view()) + '"');
}

}  // namespace streamr::core
