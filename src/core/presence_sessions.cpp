#include "core/presence_sessions.hpp"

#include <algorithm>

namespace streamr::core {

namespace {

constexpr std::size_t relays_named = 3;

// A stream is an id or an alias; anything else that a person typed must not bend the request-target.
std::string path_segment(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto octet = static_cast<std::uint8_t>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
    if (plain) { out += c; continue; }
    out += '%';
    out += digits[octet >> 4];
    out += digits[octet & 15];
  }
  return out;
}

}  // namespace

void Sessions::request(const SessionRequest& request, Now now) {
  cancel(request.request);
  entries_.push_back({request, now.mono_us, {}});
}

void Sessions::cancel(std::uint64_t request) {
  std::erase_if(entries_, [request](const Entry& entry) { return entry.request.request == request; });
}

std::uint64_t Sessions::deadline_us() const {
  if (under_way_) return never_us;
  std::uint64_t earliest_us = never_us;
  for (const Entry& entry : entries_) earliest_us = std::min(earliest_us, entry.due_us);
  return earliest_us;
}

std::optional<HttpCall> Sessions::poll(Now now) {
  if (now.mono_us < deadline_us()) return std::nullopt;
  const auto entry = std::find_if(entries_.begin(), entries_.end(), [&now](const Entry& e) { return e.due_us <= now.mono_us; });
  if (entry == entries_.end()) return std::nullopt;
  under_way_ = entry->request.request;
  entry->due_us = never_us;
  proto::JsonWriter json;
  json.begin_object().member_hex("viewer_key", entry->request.viewer_key.view());
  json.begin_array("kinds").element("public").element("lan").end_array();
  if (entry->request.max_kbps > 0) json.member("max_kbps", entry->request.max_kbps);
  json.end_object();
  return context_.call(Route::session, "POST", "/v1/streams/" + path_segment(entry->request.stream) + "/sessions",
                       SharedBytes::copy(view_of(json.text())), "application/json");
}

void Sessions::on_answer(const Answer& answer, Now now) {
  if (!under_way_) return;
  const std::uint64_t asked = *under_way_;
  under_way_.reset();
  const auto entry = std::find_if(entries_.begin(), entries_.end(), [asked](const Entry& e) { return e.request.request == asked; });
  if (entry == entries_.end() || entry->due_us != never_us) return;   // cancelled, or asked anew meanwhile
  // 503 and 429 are answers of a coordinator that lives: no relay has the stream yet, or too many ask. Whoever asked says
  // so to its user and asks again.
  if (answer.passing() && answer.status != 503 && answer.status != 429) {
    context_.lost(answer);
    entry->due_us = context_.retry_at(answer, entry->backoff, now);
    return;
  }
  context_.reached();
  const SessionRequest request = entry->request;
  entries_.erase(entry);
  if (answer.good()) return on_granted(request, answer);
  const ApiError error = read_error(answer);
  context_.emit(SessionRefused{request.request, answer.status, error.code, error.message, answer.retry_after_s.value_or(0)});
}

void Sessions::on_granted(const SessionRequest& request, const Answer& answer) {
  const auto document = proto::parse_json(answer.text());
  if (!document)
    return context_.emit(SessionRefused{request.request, answer.status, "malformed_answer", document.error().text, 2});
  const proto::JsonView root = document->root();
  SessionGranted granted{};
  granted.request = request.request;
  if (const auto session = root.get_fixed<SessionId>("session_id")) granted.session = *session;
  const auto stream = root.get_fixed<StreamId>("stream_id");
  const auto relays = root.get_array("relays");
  if (!stream || !relays)
    return context_.emit(SessionRefused{request.request, answer.status, "malformed_answer",
                                        "expected stream_id and relays in the coordinator's answer", 2});
  granted.stream = *stream;
  granted.relays = read_offers(*relays);
  if (granted.relays.size() > relays_named) granted.relays.resize(relays_named);
  if (const auto url = root.get_string("steering_url")) granted.steering_url = *url;
  if (const auto url = root.get_string("origin_url")) granted.origin_url = *url;
  context_.emit(std::move(granted));
}

}  // namespace streamr::core
