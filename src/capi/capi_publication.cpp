// streamr_publication_*: a stream that this node is the source of.
#include "capi/guard.hpp"
#include "capi/handles.hpp"
#include "capi/node_host.hpp"

using namespace streamr;
using namespace streamr::capi;

namespace {

Result<proto::Certificate> read_certificate(const streamr_publication_options_t& from) {
  if (!from.certificate) return invalid("certificate is missing");
  auto certificate = proto::parse_certificate({from.certificate, STREAMR_CERTIFICATE_BYTES});
  if (!certificate) return fail(STREAMR_E_INVALID, certificate.error().text);
  if (auto verified = proto::verify_certificate(*certificate); !verified)
    return fail(STREAMR_E_SIGNATURE, verified.error().text);
  return certificate;
}

Result<std::vector<proto::TrackInfo>> read_tracks(const streamr_publication_options_t& from) {
  std::vector<proto::TrackInfo> out;
  if (from.track_count == 0 || from.track_count > limits::tracks || !from.tracks)
    return invalid("1 to 32 tracks are expected");
  for (std::uint32_t i = 0; i < from.track_count; ++i) {
    const auto& track = from.tracks[i];
    if (track.track > STREAMR_TRACK_MAX || track.kind < STREAMR_TRACK_MUXED || track.kind > STREAMR_TRACK_OTHER)
      return invalid("a track has a number up to 31 and a kind");
    if (track.content_type < STREAMR_CONTENT_CMAF || track.content_type > STREAMR_CONTENT_OPAQUE)
      return invalid("a track's content_type is one of STREAMR_CONTENT_*");
    out.push_back({track.track, static_cast<proto::TrackKind>(track.kind),
                   static_cast<proto::ContentType>(track.content_type), track.kbps});
  }
  return out;
}

Result<core::PublishOptions> read_options(const streamr_publication_options_t& from) {
  if (!from.session_key) return invalid("session_key is missing");
  auto certificate = read_certificate(from);
  if (!certificate) return certificate.error();
  if (certificate->session_key != from.session_key->pair.public_key())
    return invalid("session_key is not the one that the certificate names");
  auto tracks = read_tracks(from);
  if (!tracks) return tracks.error();
  if (from.origin_url && !io::parse_ws_url(from.origin_url)) return invalid("origin_url is ws(s)://host:port/relay");
  if (from.target_duration_s > 255 || from.part_target_us > limits::chunk_duration_us)
    return invalid("part_target_us or target_duration_s is too long");
  core::PublishOptions out{.certificate = *certificate,
                           .session = from.session_key->pair,
                           .tracks = std::move(*tracks),
                           .alias = text_of(from.alias),
                           .title = text_of(from.title),
                           .pool = text_of(from.pool),
                           .origin_url = text_of(from.origin_url),
                           .bearer = text_of(from.bearer)};
  if (from.part_target_us) out.part_target_us = from.part_target_us;
  if (from.target_duration_s) out.target_duration_s = static_cast<std::uint8_t>(from.target_duration_s);
  out.first_segment = from.first_segment;
  if (out.title.empty()) out.title = out.alias;
  return out;
}

Status open(NodeHost& host, core::PublishOptions options, streamr_publication& handle) {
  return host.run([&](core::Node& node, Now now) -> Status {
    auto id = node.publish(std::move(options), now);
    if (!id) return id.error();
    handle.id = *id;
    host.published(*id, &handle);  // before the first event can name it
    return {};
  });
}

}  // namespace

streamr_status_t streamr_publication_open(streamr_node_t* node, const streamr_publication_options_t* options,
                                          streamr_publication_t** publication, streamr_error_t* error) {
  return guarded(error, [&]() -> Status {
    if (!node || !publication) return invalid("a node and a place for the publication are expected");
    *publication = nullptr;
    streamr_publication_options_t in;
    if (const auto status = read_struct(options, in); status != STREAMR_OK)
      return fail(status, "publication options: " + std::string(streamr_status_message(status)));
    auto read = read_options(in);
    if (!read) return read.error();
    auto handle = std::make_unique<streamr_publication>();
    handle->host = node->host;
    if (auto opened = open(*node->host, std::move(*read), *handle); !opened) return opened;
    *publication = handle.release();
    return {};
  });
}

streamr_status_t streamr_publication_push(streamr_publication_t* publication, const streamr_part_t* part) {
  return guarded([&]() -> streamr_status_t {
    streamr_part_t in;
    if (const auto status = read_struct(part, in); status != STREAMR_OK) return status;
    if (!publication || !is_view(in.bytes, in.len) || in.len > STREAMR_CHUNK_MAX_BYTES || in.flags > 0xFF)
      return STREAMR_E_INVALID;
    const core::PublicationPart made{in.track,
                                     static_cast<std::uint8_t>(in.flags),
                                     SharedBytes::copy({in.bytes, in.len}),
                                     in.media_time_us,
                                     in.capture_time_us,
                                     in.duration_us};
    NodeHost& host = *publication->host;
    const auto work = [&](core::Node& node, Now now) { return node.push(publication->id, made, now); };
    auto pushed = host.run(work);
    if (!pushed && pushed.error().status == STREAMR_E_AGAIN) {
      host.want_writable();  // then once more: the queue may have emptied in between
      pushed = host.run(work);
    }
    return pushed ? STREAMR_OK : pushed.error().status;
  });
}

streamr_status_t streamr_publication_end(streamr_publication_t* publication) {
  return guarded([&]() -> streamr_status_t {
    if (!publication) return STREAMR_E_INVALID;
    const auto ended =
        publication->host->run([&](core::Node& node, Now now) { return node.end(publication->id, now); });
    return ended ? STREAMR_OK : ended.error().status;
  });
}

void streamr_publication_close(streamr_publication_t* publication) {
  if (!publication) return;
  guarded([&]() -> streamr_status_t {
    const std::unique_ptr<streamr_publication> owned(publication);
    owned->host->unpublished(owned->id);
    owned->host->runtime().post([id = owned->id](core::Node& node, Now now) { node.close_publication(id, now); });
    return STREAMR_OK;
  });
}
