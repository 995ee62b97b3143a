#include <algorithm>

#include "core/http_pages.hpp"
#include "core/http_routes.hpp"
#include "core/node_state.hpp"

namespace streamr::core {

namespace {

constexpr std::string_view live_prefix = "/live/";

std::string_view role_name(std::uint32_t role) {
  switch (role) {
    case STREAMR_ROLE_RELAY: return "relay";
    case STREAMR_ROLE_PUBLISHER: return "publisher";
    case STREAMR_ROLE_ORIGIN: return "origin";
    default: return "viewer";
  }
}

std::string_view state_name(const Source& source, bool active) {
  switch (source.state) {
    case SourceState::waiting: return "waiting";
    case SourceState::dialing: return "dialing";
    case SourceState::open: return "open";
    case SourceState::subscribed: return active ? "live" : "open";
  }
  return "closed";
}

}  // namespace

void Node::State::on_http(const HttpRequest& request, Now now) {
  auto answer = answer_http(request, now);
  if (!answer) return;
  ++counters.http_requests[answer->status];
  std::uint64_t bytes = 0;
  for (const auto& piece : answer->pieces) bytes += piece.size();
  counters.bytes_out[request.path().ends_with(".m3u8")         ? "http_playlist"
                     : request.path().starts_with(live_prefix) ? "http_media"
                                                               : "http_other"] += bytes;
  emit(ReplyHttp{request.id, std::move(*answer)});
}

std::optional<HttpResponse> Node::State::answer_http(const HttpRequest& request, Now now) {
  const auto path = request.path();
  if (path.starts_with(live_prefix)) {
    auto rest = path.substr(live_prefix.size());
    auto name = rest.substr(0, rest.find('/'));
    if (name.size() == rest.size() && name.ends_with(".m3u8")) name.remove_suffix(5);
    rest.remove_prefix(name.size());
    Stream* stream = nullptr;
    if (const auto id = fixed_from_hex<StreamId>(name))
      stream = find_stream(*id);
    else if (const auto alias = aliases.find(std::string(name)); alias != aliases.end())
      stream = find_stream(alias->second);
    if (stream == nullptr || !stream->hls) {
      if (auto other = answer_method(request)) return other;
      return error_response(404, "no stream of this name is carried here");
    }
    auto answer = stream->hls->get(request, rest, now);
    if (!answer || answer->open) held_http[request.id] = stream->store.id();
    // What an open answer starts with may be followed at once by slices that are here already.
    if (answer && answer->open) {
      ++counters.http_requests[answer->status];
      emit(ReplyHttp{request.id, std::move(*answer)});
      drain_hls(*stream);
      return std::nullopt;
    }
    return answer;
  }
  if (path == "/v1/receipts") {
    if (request.method == "POST") return answer_receipt(request, now);
    auto refused = error_response(405, "expected POST with the 272 octets of a receipt");
    refused.headers.emplace_back("Allow", "POST");
    return refused;
  }
  if (auto other = answer_method(request)) return other;
  if (path == "/healthz") {
    return plain_response(stopping ? 503 : 200, "text/plain; charset=utf-8", "no-store",
                          SharedBytes::copy(view_of(stopping ? "stopping\n" : "ok\n")));
  }
  if (path == "/metrics")
    return plain_response(200, "text/plain; version=0.0.4; charset=utf-8", "no-store",
                          SharedBytes::copy(view_of(render_metrics(stats(now)))));
  if (path == "/stats.json") {
    auto answer =
        plain_response(200, "application/json", "no-store", SharedBytes::copy(view_of(render_stats_json(stats(now)))));
    add_cors(answer);
    return answer;
  }
  if (path == "/") {
    RelayPage page{to_hex(identity.public_key().view()), std::string(role_name(config.role)), config.software, {}};
    for (const auto& [id, stream] : streams)
      if (stream->held()) {
        const auto row = stream_stats(*stream, now);
        page.streams.push_back({row.stream, row.alias, row.live, row.viewers});
      }
    return plain_response(200, html_type, "no-store", SharedBytes::copy(view_of(relay_index_html(page))));
  }
  return error_response(404, "nothing stands at this address; streams are below /live/");
}

HttpResponse Node::State::answer_receipt(const HttpRequest& request, Now now) {
  const auto receipt = proto::parse_receipt(request.body.view());
  if (!receipt) return error_response(400, receipt.error().text);
  const auto session = sessions.find(receipt->session_id);
  if (session == sessions.end()) return error_response(404, "no session of this id is known here");
  auto ack = session->second->window.check(*receipt, now);
  if (!ack) {
    ++counters.receipts_refused;
    return error_response(403, ack.error().text);
  }
  ++counters.receipts_ok;
  for (const auto link : session->second->links) dirty_peers.insert(link);
  if (presence) {
    presence->report_receipt(*receipt, (receipt->flags & 1) != 0, now);
    presence_due = true;
  }
  const auto frame = proto::encode(*ack);
  auto answer = plain_response(200, "application/octet-stream", "no-store",
                               SharedBytes::copy(ByteView(frame).subspan(proto::frame_header_bytes)));
  add_cors(answer);
  return answer;
}

void Node::State::drain_hls(Stream& stream) {
  if (!stream.hls) return;
  while (auto reply = stream.hls->poll_reply()) {
    ++counters.http_requests[reply->response.status];
    if (!reply->response.open) held_http.erase(reply->id);
    emit(ReplyHttp{reply->id, std::move(reply->response)});
  }
  while (auto more = stream.hls->poll_pieces()) {
    for (const auto& piece : more->pieces) counters.bytes_out["http_media"] += piece.size();
    if (more->end) held_http.erase(more->id);
    emit(HttpPieces{more->id, std::move(more->pieces), more->end});
  }
}

StreamStats Node::State::stream_stats(const Stream& stream, Now now) const {
  StreamStats row;
  row.stream = to_hex(stream.store.id().view());
  row.alias = stream.alias;
  row.hop = static_cast<std::uint32_t>(stream.path.size() + (stream.publication ? 0 : 1));
  if (const auto* epoch = stream.store.newest_epoch()) {
    row.epoch = epoch->epoch;
    row.live = !epoch->ended();
    for (const auto& [number, track] : epoch->tracks) {
      const auto newest = track.newest();
      if (!newest) continue;
      const auto pos = newest->header().pos();
      if (ChunkPos{row.newest_segment, row.newest_part} < pos) {
        row.newest_segment = pos.segment;
        row.newest_part = pos.part;
        const auto captured_us = newest->header().capture_time_us;
        row.lag_ms = now.unix_us > captured_us ? (now.unix_us - captured_us) / 1000 : 0;
      }
      row.oldest_segment =
          row.oldest_segment == 0 ? track.oldest_segment() : std::min(row.oldest_segment, track.oldest_segment());
    }
  }
  row.chunks = stream.chunks;
  row.slices_verified = stream.slices_verified;
  row.verified_bytes = stream.verified_bytes;
  row.slices_rejected = stream.slices_rejected;
  row.chain_breaks = stream.chain_breaks;
  row.store_bytes = stream.store.memory_bytes();
  row.slice_latency_us = stream.slice_latency_us;
  row.chunk_latency_us = stream.chunk_latency_us;
  std::set<LinkId> viewers;
  for (const auto& [link_id, peer] : peers)
    for (const auto& [sub, out] : peer.out)
      if (out.stream == stream.store.id()) viewers.insert(link_id);
  row.viewers = static_cast<std::uint32_t>(viewers.size());
  for (const auto& source : stream.sources) {
    UpstreamStats up;
    const auto peer = peers.find(source.link);
    up.url = !source.offer.url.empty() ? source.offer.url : peer != peers.end() ? peer->second.link->address() : "";
    up.state = state_name(source, source.link != 0 && source.link == stream.active);
    up.standby = source.link == 0 || source.link != stream.active;
    up.slices = source.slices;
    up.rejected = source.rejected;
    row.upstreams.push_back(std::move(up));
  }
  return row;
}

NodeStats Node::State::stats(Now now) const {
  NodeStats told = counters;
  told.node_key = to_hex(identity.public_key().view());
  told.role = role_name(config.role);
  told.software = config.software;
  told.uptime_us = now.mono_us - std::min(now.mono_us, started_mono_us);
  told.memory_limit_bytes = config.memory_bytes;
  told.sessions = sessions.size();
  for (const auto& [id, peer] : peers) {
    told.bytes_in["srw"] += peer.link->bytes_in();
    told.bytes_out["srw"] += peer.link->bytes_out();
    told.subscriptions += peer.out.size();
    told.queue_bytes += peer.link->outstanding_bytes();
    for (const auto& [sub, out] : peer.out) {
      told.queue_bytes += out.delivery->queued_bytes();
      told.queue_oldest_us = std::max(told.queue_oldest_us, out.delivery->oldest_queued_age_us(now));
    }
    if (peer.link->is_client())
      ++told.links["upstream"];
    else
      ++told.links[peer.link->peer_role() == proto::Role::viewer  ? "viewer"
                   : peer.link->peer_role() == proto::Role::relay ? "relay"
                                                                  : "publisher"];
  }
  for (const auto& [id, stream] : streams) told.streams.push_back(stream_stats(*stream, now));
  return told;
}

}  // namespace streamr::core
