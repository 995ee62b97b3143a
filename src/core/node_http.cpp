#include <algorithm>

#include "core/http_pages.hpp"
#include "core/http_routes.hpp"
#include "core/node_state.hpp"

namespace streamr::core {

namespace {

constexpr std::string_view live_prefix = "/live/";
constexpr std::string_view playlist_content = "application/vnd.apple.mpegurl";

const char* kind_of(const HttpRequest& request) {
  if (request.path().ends_with(".m3u8")) return "http_playlist";
  return request.path().starts_with(live_prefix) ? "http_media" : "http_other";
}

// A held answer comes without its request.
bool is_playlist(const HttpResponse& response) {
  return std::any_of(response.headers.begin(), response.headers.end(),
                     [](const auto& header) { return header.second == playlist_content; });
}

}  // namespace

void Node::State::on_http(const HttpRequest& request, Now now) {
  auto answer = answer_http(request, now);
  if (!answer) return;
  ++counters.http_requests[answer->status];
  if (request.method != "HEAD") counters.bytes_out[kind_of(request)] += total_bytes(answer->pieces);
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
    // A player begins with the multivariant playlist: who has it already is served on.
    if (const auto full = admission.refusal(false); full && rest == ".m3u8") {
      ++counters.admission_refused[full->limit];
      auto refused = error_response(503, full->text);
      refused.headers.emplace_back("Retry-After", "5");
      return refused;
    }
    auto answer = stream->hls->get(request, rest, now);
    if (!answer || answer->open) held_http[request.id] = stream->store.id();
    // What an open answer starts with may be followed at once by slices that are here already.
    if (answer && request.method != "HEAD") stream->sent_bytes += total_bytes(answer->pieces);
    if (answer && answer->open) {
      ++counters.http_requests[answer->status];
      counters.bytes_out["http_media"] += total_bytes(answer->pieces);
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
    RelayPage page{to_hex(identity.public_key().view()), std::string(role_name(config.role)), config.software, {},
                   page_origin(config.advertise_url, request.header("host"))};
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
    event(STREAMR_EVENT_RECEIPT, static_cast<int>(ack.error().wire), request.peer_address + " " + ack.error().text, now)
        .stream = receipt->stream_id;
    return error_response(403, ack.error().text);
  }
  ++counters.receipts_ok;
  for (const auto link : session->second->links)
    if (Peer* peer = find_peer(link)) mark_dirty(*peer);
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

// Answers under an alias that changes hands are not those of its new stream.
void Node::State::set_alias(const std::string& alias, const StreamId& id) {
  const auto [at, fresh] = aliases.try_emplace(alias, id);
  if (fresh || at->second == id) return;
  if (Stream* before = find_stream(at->second); before != nullptr && before->hls) before->hls->forget_shared();
  at->second = id;
}

void Node::State::drain_hls(Stream& stream) {
  if (!stream.hls) return;
  while (auto reply = stream.hls->poll_reply()) {
    ++counters.http_requests[reply->response.status];
    const std::uint64_t bytes = total_bytes(reply->response.pieces);
    counters.bytes_out[is_playlist(reply->response) ? "http_playlist" : "http_media"] += bytes;
    stream.sent_bytes += bytes;
    if (!reply->response.open) held_http.erase(reply->id);
    emit(ReplyHttp{reply->id, std::move(reply->response)});
  }
  while (auto more = stream.hls->poll_pieces()) {
    counters.bytes_out["http_media"] += total_bytes(more->pieces);
    stream.sent_bytes += total_bytes(more->pieces);
    if (more->end) held_http.erase(more->id);
    emit(HttpPieces{more->id, std::move(more->pieces), more->end});
  }
}

}  // namespace streamr::core
