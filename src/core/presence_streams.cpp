#include "core/presence_streams.hpp"

#include <algorithm>

namespace streamr::core {

namespace {

constexpr std::uint64_t no_origin_wait_us = 2'000'000;
constexpr std::uint64_t spread_us = 2'000'000;

SharedBytes body_of(const StreamAnnouncement& announcement) {
  const std::string id = to_hex(announcement.certificate.stream_id.view());
  // The coordinator asks for both names; a stream without one goes by the start of its id.
  const std::string alias = announcement.alias.empty() ? "stream-" + id.substr(0, 16) : announcement.alias;
  proto::JsonWriter json;
  json.begin_object()
      .member("stream_id", id)
      .member("alias", alias)
      .member("title", announcement.title.empty() ? alias : announcement.title)
      .member_hex("certificate", announcement.certificate.raw);
  if (!announcement.pool.empty()) json.member("pool", announcement.pool);
  json.end_object();
  return SharedBytes::copy(view_of(json.text()));
}

}  // namespace

void StreamAnnouncer::announce(const StreamAnnouncement& announcement, Now now) {
  const StreamId& stream = announcement.certificate.stream_id;
  const auto known = std::find_if(entries_.begin(), entries_.end(), [&stream](const Entry& entry) {
    return entry.announcement.certificate.stream_id == stream;
  });
  Entry entry{announcement, body_of(announcement), now.mono_us, 0, std::nullopt, {}};
  if (known == entries_.end()) {
    entries_.push_back(std::move(entry));
    return;
  }
  entry.signed_unix_us = known->signed_unix_us;
  *known = std::move(entry);
}

void StreamAnnouncer::announce_again(Now now) {
  for (Entry& entry : entries_)
    if (entry.told && !entry.told->empty()) entry.due_us = std::min(entry.due_us, now.mono_us + context_.prng.below(spread_us));
}

std::uint64_t StreamAnnouncer::deadline_us() const {
  if (under_way_ || !context_.key) return never_us;
  std::uint64_t earliest_us = never_us;
  for (const Entry& entry : entries_) earliest_us = std::min(earliest_us, entry.due_us);
  return earliest_us;
}

std::optional<HttpCall> StreamAnnouncer::poll(Now now) {
  if (now.mono_us < deadline_us()) return std::nullopt;
  for (Entry& entry : entries_)
    if (entry.due_us <= now.mono_us) return ask(entry, now);
  return std::nullopt;
}

HttpCall StreamAnnouncer::ask(Entry& entry, Now now) {
  under_way_ = entry.announcement.certificate.stream_id;
  entry.due_us = never_us;
  entry.signed_unix_us = std::max(now.unix_us, entry.signed_unix_us + 1);
  ByteVector bytes(context_.key->octets.begin(), context_.key->octets.end());
  bytes.resize(bytes.size() + 8);
  store_u64(bytes.data() + bytes.size() - 8, entry.signed_unix_us);
  const Hash body_hash = crypto::sha256(entry.body);
  bytes.insert(bytes.end(), body_hash.octets.begin(), body_hash.octets.end());
  const crypto::KeyPair& session = entry.announcement.session;
  const Signature signature = session.sign(crypto::prefix::stream, bytes);
  HttpCall call = context_.call(Route::stream, "POST", "/v1/streams", entry.body, "application/json");
  call.headers.emplace_back("Streamr-Sig", "v1;" + to_hex(session.public_key().view()) + ";" +
                                               std::to_string(entry.signed_unix_us) + ";" + to_hex(signature.view()));
  if (!entry.announcement.bearer.empty()) call.headers.emplace_back("Authorization", "Bearer " + entry.announcement.bearer);
  return call;
}

void StreamAnnouncer::on_answer(const Answer& answer, Now now) {
  if (!under_way_) return;
  const StreamId stream = *under_way_;
  under_way_.reset();
  const auto entry = std::find_if(entries_.begin(), entries_.end(), [&stream](const Entry& candidate) {
    return candidate.announcement.certificate.stream_id == stream;
  });
  if (entry == entries_.end()) return;
  if (entry->due_us != never_us) return;                  // announced anew meanwhile: the next answer counts
  if (answer.passing()) {
    context_.lost(answer);
    entry->due_us = context_.retry_at(answer, entry->backoff, now);
    return;
  }
  context_.reached();
  if (answer.good()) return on_origins(*entry, answer, now);
  const ApiError error = read_error(answer);
  context_.emit(StreamRefused{stream, answer.status, error.code, error.message});
  entries_.erase(entry);
}

void StreamAnnouncer::on_origins(Entry& entry, const Answer& answer, Now now) {
  const auto document = proto::parse_json(answer.text());
  const auto list = document ? document->root().get_array("origins") : Result<proto::JsonView>(document.error());
  if (!list) {
    entry.due_us = context_.retry_at(answer, entry.backoff, now);
    return;
  }
  entry.backoff.reset();
  std::vector<UpstreamOffer> origins = read_offers(*list);
  std::vector<std::string> urls;
  for (const UpstreamOffer& origin : origins) urls.push_back(origin.url + " " + to_hex(origin.relay_key.view()));
  if (origins.empty()) entry.due_us = now.mono_us + no_origin_wait_us;
  if (entry.told == urls) return;
  entry.told = std::move(urls);
  context_.emit(StreamAnnounced{entry.announcement.certificate.stream_id, std::move(origins)});
}

}  // namespace streamr::core
