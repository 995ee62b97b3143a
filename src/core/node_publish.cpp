#include <algorithm>

#include "core/node_state.hpp"

namespace streamr::core {

namespace {

// Parts wait this long for an origin to tell the next segment number; then unix seconds, above any used, take its
// place.
constexpr std::uint64_t number_wait_us = 5'000'000;
constexpr std::uint64_t pending_most_bytes = 64ull << 20;

}  // namespace

Stream* Node::State::find_publication(PublicationId id) {
  for (auto& [stream_id, stream] : streams)
    if (stream->publication && stream->publication->id == id) return stream.get();
  return nullptr;
}

Result<PublicationId> Node::State::publish(PublishOptions options, Now now) {
  if (auto valid = proto::verify_certificate(options.certificate); !valid) return valid.error();
  if (options.session.public_key() != options.certificate.session_key)
    return fail(STREAMR_E_INVALID, "session_key is not the key that the certificate names");
  if (options.tracks.empty()) return fail(STREAMR_E_INVALID, "a publication needs at least one track");
  for (const auto& track : options.tracks)
    if (!options.certificate.allows_track(track.track))
      return fail(STREAMR_E_INVALID, "the certificate does not allow track " + std::to_string(track.track));
  Stream& stream = open_stream(options.certificate.stream_id);
  const bool continues = stream.publication.has_value() && stream.store.newest_epoch() != nullptr;
  if (stream.publication && stream.publication->options.certificate.epoch >= options.certificate.epoch)
    return fail(STREAMR_E_INVALID, "a new epoch must be higher than the one before");
  auto added = stream.verifier.add_certificate(options.certificate, now);
  if (!added) return added.error();
  stream.configured = true;
  stream.alias = options.alias;
  if (!options.alias.empty()) set_alias(options.alias, stream.store.id());
  auto& publication = stream.publication.emplace(next_id++, std::move(options));
  publication.opened_us = now.mono_us;
  if (continues) number_publication(stream, stream.next_segment, now);
  if (publication.options.first_segment != 0) number_publication(stream, publication.options.first_segment, now);
  if (!publication.options.origin_url.empty()) {
    set_offers(stream, {UpstreamOffer{publication.options.origin_url, Key{}, std::nullopt}}, now);
  } else if (!presence) {
    stream.is_origin = true;  // nobody to dial: this node serves it
    number_publication(stream, 0, now);
  }
  if (presence) {
    const auto& given = publication.options;
    presence->announce({given.certificate, given.session, given.alias, given.title, given.pool, given.bearer}, now);
    presence_due = true;
  }
  announce_to_all(stream);
  if (!stream.followers.empty()) publication.ready = true;
  if (publication.ready)
    event(STREAMR_EVENT_READY, 1, "the origin follows into the new epoch", now).publication = publication.id;
  return publication.id;
}

// Opens the epoch once the number of its first segment is known; until then parts wait.
void Node::State::number_publication(Stream& stream, std::uint64_t asked_segment, Now now) {
  auto& local = *stream.publication;
  if (local.publication) return;
  PublicationConfig opened;
  opened.certificate = local.options.certificate;
  opened.tracks = local.options.tracks;
  opened.part_target_us = local.options.part_target_us;
  opened.target_duration_s = local.options.target_duration_s;
  opened.first_segment = local.options.first_segment != 0 ? local.options.first_segment
                         : asked_segment != 0             ? std::max(asked_segment, stream.next_segment)
                                                          : std::max(now.unix_us / 1'000'000, stream.next_segment);
  opened.first_segment = std::max(opened.first_segment, opened.certificate.min_segment);
  auto publication = Publication::open(opened, local.options.session);
  if (!publication) {
    event(STREAMR_EVENT_ERROR, publication.error().status, publication.error().text, now).publication = local.id;
    return;
  }
  local.publication.emplace(std::move(*publication));
  proto::SubOk told;
  told.part_target_us = opened.part_target_us;
  told.target_duration_s = opened.target_duration_s;
  told.live_segment = opened.first_segment;
  note_epoch(stream, opened.certificate.epoch, &told, now);
  for (const auto& track : opened.tracks) stream.store.set_track(opened.certificate.epoch, track);
  if (stream.hls) stream.hls->set_certificates(stream.verifier.certificates());
  stream.next_segment = opened.first_segment;
  flush_publication(stream, now);
}

void Node::State::flush_publication(Stream& stream, Now now) {
  auto& local = *stream.publication;
  if (!local.publication) return;
  while (!local.pending.empty()) {
    const auto part = std::move(local.pending.front());
    local.pending.pop_front();
    auto pushed = local.publication->push(part, stream.store, now);
    if (!pushed) {
      event(STREAMR_EVENT_ERROR, pushed.error().status, pushed.error().text, now).publication = local.id;
      continue;
    }
    const auto& header = (*pushed)->header();
    stream.next_segment = std::max(stream.next_segment, header.segment + (header.has(proto::init) ? 0 : 1));
    on_new_chunk(stream, *pushed, now);
  }
  local.pending_bytes = 0;
  if (local.refused_full) {
    local.refused_full = false;
    event(STREAMR_EVENT_WRITABLE, 0, "", now).publication = local.id;
  }
  if (local.end_wanted && !local.publication->ended()) {
    auto ended = local.publication->end(stream.store, now);
    if (ended)
      for (const auto& chunk : *ended) on_new_chunk(stream, chunk, now);
  }
}

Status Node::State::push(PublicationId id, const PublicationPart& part, Now now) {
  Stream* stream = find_publication(id);
  if (stream == nullptr) return fail(STREAMR_E_STATE, "the publication is closed, or a newer epoch took its place");
  auto& local = *stream->publication;
  if (local.end_wanted) return fail(STREAMR_E_STATE, "the publication has ended");
  if (local.publication) {
    auto pushed = local.publication->push(part, stream->store, now);
    if (!pushed) return pushed.error();
    const auto& header = (*pushed)->header();
    stream->next_segment = std::max(stream->next_segment, header.segment + (header.has(proto::init) ? 0 : 1));
    on_new_chunk(*stream, *pushed, now);
    return {};
  }
  if (local.pending_bytes + part.payload.size() > pending_most_bytes) {
    local.refused_full = true;
    return fail(STREAMR_E_AGAIN, "no origin has answered yet and 64 MiB wait");
  }
  local.pending_bytes += part.payload.size();
  local.pending.push_back(part);
  return {};
}

Status Node::State::end_publication(PublicationId id, Now now) {
  Stream* stream = find_publication(id);
  if (stream == nullptr || stream->publication->end_wanted)
    return fail(STREAMR_E_STATE, "the publication has ended already");
  stream->publication->end_wanted = true;
  flush_publication(*stream, now);
  return {};
}

void Node::State::close_publication(PublicationId id, Now) {
  Stream* stream = find_publication(id);
  if (stream != nullptr) stream->publication->closed = true;  // the store keeps serving what was signed
}

void Node::State::run_publication(Stream& stream, Now now) {
  if (!stream.publication) return;
  auto& local = *stream.publication;
  if (!local.publication && !local.pending.empty() && now.mono_us >= local.opened_us + number_wait_us)
    number_publication(stream, 0, now);
}

}  // namespace streamr::core
