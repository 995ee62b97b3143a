// Decides a small world for HLS tests: a signing publication, and a relay's store fed from it through the verifier, as
// much of each chunk as a test wants. Never reads a clock: tests move `now`. Called by tests/core/hls_*_test.cpp.
#pragma once

#include <doctest/doctest.h>
#include <zlib.h>

#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "core/hls.hpp"
#include "core/publication.hpp"
#include "core/verifier.hpp"

namespace streamr::test {

inline crypto::KeyPair hls_key(std::uint8_t number) {
  std::array<std::uint8_t, 32> seed{};
  seed.fill(number);
  return crypto::KeyPair::from_seed(seed);
}

inline SharedBytes init_section(const std::string& name) {
  std::ifstream file(std::string(STREAMR_SOURCE_DIR) + "/tests/core/init_sections/" + name + ".init.mp4",
                     std::ios::binary);
  REQUIRE(file.good());
  return SharedBytes::take(ByteVector(std::istreambuf_iterator<char>(file), {}));
}

inline std::string text_of(const core::HttpResponse& response) {
  std::string out;
  for (const SharedBytes& piece : response.pieces)
    out.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  return out;
}

inline std::string header_of(const core::HttpResponse& response, const std::string& name) {
  for (const auto& [key, value] : response.headers)
    if (key == name) return value;
  return {};
}

inline std::string unzip(const std::string& zipped) {
  z_stream stream{};
  REQUIRE(inflateInit2(&stream, MAX_WBITS + 16) == Z_OK);
  std::string out(1 << 20, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(zipped.data()));
  stream.avail_in = static_cast<uInt>(zipped.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int done = inflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  REQUIRE(done == Z_STREAM_END);
  return out;
}

struct HlsWorld {
  static constexpr std::uint64_t first_epoch = (1'790'000'000'000ull << 16) | 7;
  static constexpr std::uint64_t first_segment = 100;

  crypto::KeyPair root = hls_key(1);
  crypto::KeyPair session = hls_key(2);
  Now now{1'000'000'000, 1'790'000'000'000'000};
  core::StreamStore source{root.public_key(), {}};  // what the publisher signed
  core::StreamStore store;                          // what the relay verified
  core::Verifier verifier{root.public_key()};
  std::unique_ptr<core::Publication> publication;
  core::HlsStream hls;
  std::map<std::uint16_t, std::uint64_t> media_us;
  std::uint64_t serial = 1;
  HttpId next_id = 1;

  explicit HlsWorld(core::StoreLimits limits = {},
                    core::HlsConfig config = {"https://coordinator/steering/x", "00112233aabbccdd"})
      : store(root.public_key(), limits), hls(store, std::move(config)) {}

  static proto::TrackInfo track_info(std::uint16_t track, proto::TrackKind kind, std::uint32_t kbps = 0,
                                     proto::ContentType content = proto::ContentType::cmaf) {
    return {track, kind, content, kbps};
  }

  // Opens an epoch; the relay learns of it as SUB_OK would tell.
  void open(std::vector<proto::TrackInfo> tracks, std::uint64_t epoch = first_epoch,
            std::uint64_t segment = first_segment, std::uint32_t discontinuity = 0,
            std::uint8_t target_duration_s = 2) {
    proto::Certificate fields;
    fields.session_key = session.public_key();
    fields.epoch = epoch;
    fields.not_before_s = now.unix_us / 1'000'000 - 60;
    fields.not_after_s = fields.not_before_s + 20 * 3600;
    fields.track_mask = 0xFFFFFFFF;
    fields.max_kbps = 50'000;
    fields.serial = serial++;
    core::PublicationConfig config;
    config.certificate = proto::issue_certificate(fields, root);
    config.tracks = tracks;
    config.first_segment = segment;
    config.target_duration_s = target_duration_s;
    auto opened = core::Publication::open(config, session);
    REQUIRE(opened);
    publication = std::make_unique<core::Publication>(std::move(*opened));
    REQUIRE(verifier.add_certificate(config.certificate, now));
    hls.set_certificates(verifier.certificates());
    core::EpochStore& known = store.open_epoch(epoch);
    known.target_duration_s = target_duration_s;
    known.discontinuity = discontinuity;
    known.discontinuity_segment = segment;
    for (const auto& track : tracks) store.set_track(epoch, track);
    media_us.clear();
  }

  core::ChunkPtr sign(std::uint16_t track, int flags, SharedBytes payload, std::uint32_t duration_us = 500'000) {
    core::PublicationPart part;
    part.track = track;
    part.flags = static_cast<std::uint8_t>(flags);
    part.payload = std::move(payload);
    part.media_time_us = media_us[track];
    part.capture_time_us = 1'790'000'000'000'000 + media_us[track];
    part.duration_us = (flags & proto::init) != 0 ? 0 : duration_us;
    auto pushed = publication->push(part, source, now);
    if (!pushed) FAIL(pushed.error().text);
    if ((flags & proto::init) == 0) media_us[track] += duration_us;
    return *pushed;
  }
  static SharedBytes octets(std::size_t size, std::uint8_t fill) { return SharedBytes::take(ByteVector(size, fill)); }

  // The header reaches the relay.
  core::ChunkPtr announce(const core::ChunkPtr& signed_chunk) {
    proto::Chunk frame{1, signed_chunk->header(), signed_chunk->leaves()};
    auto checked =
        verifier.check_chunk(frame, signed_chunk->header().track, core::ChunkSource::fetch_answer, store, now);
    if (!checked) FAIL(checked.error().text);
    REQUIRE(checked->chunk);
    core::ChunkPtr kept = store.put(*checked->chunk, now);
    hls.on_chunk(kept, now);
    return kept;
  }
  void give_slice(const core::ChunkPtr& kept, const core::ChunkPtr& signed_chunk, std::uint16_t index) {
    const SharedBytes data = signed_chunk->slice(index);
    auto slice = verifier.check_slice(*kept, index, data.view());
    REQUIRE(slice);
    REQUIRE(store.put_slice(kept, *slice, now));
    hls.on_slice(kept, index, now);
    if (kept->whole()) hls.on_whole(kept, now);
  }
  core::ChunkPtr deliver(const core::ChunkPtr& signed_chunk) {
    core::ChunkPtr kept = announce(signed_chunk);
    for (std::uint16_t i = 0; i < signed_chunk->header().slice_count; ++i) give_slice(kept, signed_chunk, i);
    return kept;
  }
  core::ChunkPtr push(std::uint16_t track, int flags, SharedBytes payload, std::uint32_t duration_us = 500'000) {
    return deliver(sign(track, flags, std::move(payload), duration_us));
  }
  void push_init(std::uint16_t track, const std::string& name) { push(track, proto::init, init_section(name)); }
  // Four parts of half a second; octets are the segment's running number so that joined answers can be checked.
  void push_segment(std::uint16_t track, std::uint8_t fill, int extra_flags = 0, std::size_t part_bytes = 1000) {
    for (int part = 0; part < 4; ++part) {
      int flags = part == 0 ? proto::independent | extra_flags : 0;
      if (part == 3) flags |= proto::last_in_segment;
      push(track, flags, octets(part_bytes, static_cast<std::uint8_t>(fill + part)));
    }
  }
  void push_segments(std::uint16_t track, int count) {
    for (int i = 0; i < count; ++i) push_segment(track, static_cast<std::uint8_t>(10 * i));
  }
  void end() {
    auto ended = publication->end(source, now);
    REQUIRE(ended);
    for (const auto& chunk : *ended) announce(chunk);
  }
  void pass_ms(std::uint64_t ms) {
    now.mono_us += ms * 1000;
    now.unix_us += ms * 1000;
    hls.on_time(now);
  }

  // ---- asking
  std::string word = "talk";
  std::optional<core::HttpResponse> ask(const std::string& rest,
                                        std::vector<std::pair<std::string, std::string>> headers = {},
                                        const std::string& method = "GET") {
    core::HttpRequest request;
    request.id = next_id++;
    request.method = method;
    request.target = "/live/" + word + rest;
    request.headers = std::move(headers);
    return hls.get(request, std::string_view(request.path()).substr(6 + word.size()), now);
  }
  core::HttpResponse get(const std::string& rest, std::vector<std::pair<std::string, std::string>> headers = {},
                         const std::string& method = "GET") {
    auto answer = ask(rest, std::move(headers), method);
    REQUIRE(answer.has_value());
    return *answer;
  }
  std::string playlist(std::uint16_t track = 0) {
    const auto answer = get("/" + std::to_string(track) + ".m3u8");
    REQUIRE(answer.status == 200);
    return text_of(answer);
  }
  std::string place(std::uint16_t track = 0, std::uint64_t epoch = first_epoch) const {
    return "/" + std::to_string(epoch) + "/" + std::to_string(track) + "/";
  }
};

inline std::size_t count_of(const std::string& text, const std::string& word) {
  std::size_t count = 0;
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + word.size())) ++count;
  return count;
}
inline bool holds(const std::string& text, const std::string& word) {
  return text.find(word) != std::string::npos;
}

}  // namespace streamr::test
