#include "core/presence_register.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace streamr::core {

namespace {

constexpr std::uint64_t herd_us = 30'000'000;              // nodes that lost their leases together come back one by one
constexpr std::uint64_t key_every_us = 300'000'000;
constexpr std::uint64_t key_every_while_rotating_us = 10'000'000;
constexpr std::uint64_t refused_wait_us = 30'000'000;
constexpr std::size_t name_bytes = 64;
constexpr std::uint32_t default_heartbeat_ms = 10'000;

}  // namespace

void write_addresses(proto::JsonWriter& json, const std::string& advertise_url) {
  json.begin_array("addresses");
  if (!advertise_url.empty())
    json.begin_object().member("kind", "public").member("url", advertise_url).member("priority", 0).end_object();
  json.end_array();
}

void Registration::start(Now now) {
  if (step_ == Step::idle) go(Step::ask_key, now.mono_us);
}

void Registration::lose_lease(Now now) {
  if (step_ != Step::registered) return;
  context_.lease.reset();
  go(Step::ask_key, now.mono_us + context_.prng.below(herd_us));
}

std::uint64_t Registration::deadline_us() const { return under_way_ ? never_us : std::min(due_us_, key_due_us_); }

std::optional<HttpCall> Registration::poll(Now now) {
  if (under_way_ || now.mono_us < deadline_us()) return std::nullopt;
  under_way_ = true;
  refreshing_ = now.mono_us < due_us_;
  if (refreshing_ || step_ == Step::ask_key) {
    key_due_us_ = never_us;
    return context_.call(Route::well_known, "GET", "/.well-known/streamr.json", {}, "");
  }
  due_us_ = never_us;
  if (step_ == Step::ask_registration) return ask_registration();
  proto::JsonWriter json;
  json.begin_object().member_hex("public_key", context_.identity.public_key().view()).end_object();
  return context_.call(Route::challenge, "POST", "/v1/nodes/challenge", SharedBytes::copy(view_of(json.text())),
                       "application/json");
}

void Registration::look_for_key_later(Now now) {
  const std::uint64_t every_us = context_.next_key ? key_every_while_rotating_us : key_every_us;
  key_due_us_ = now.mono_us + every_us - context_.prng.below(every_us / 5);
}

void Registration::on_key(const Answer& answer, Now now) {
  under_way_ = false;
  const bool refreshed = refreshing_;
  look_for_key_later(now);
  if (answer.passing()) {
    context_.lost(answer);
    if (!refreshed) due_us_ = context_.retry_at(answer, backoff_, now);
    return;
  }
  std::optional<Key> told;
  if (const auto document = proto::parse_json(answer.text()); answer.good() && document) {
    if (const auto key = document->root().get_fixed<Key>("coordinator_key")) told = *key;
    const auto next = document->root().get_fixed<Key>("next_key");
    // Only the coordinator that we trust may name its successor.
    if (told && next && (!context_.key || *context_.key == *told)) context_.next_key = *next;
  }
  if (told && !context_.accept_key(*told)) {
    context_.refused("coordinator_key", "its key " + to_hex(told->view()) + " is not the one that was pinned or known before");
    if (!refreshed) due_us_ = now.mono_us + refused_wait_us;
    return;
  }
  if (told) context_.reached();
  if (told) look_for_key_later(now);
  if (refreshed) return;
  if (viewer()) {
    if (!told) return go(Step::ask_key, context_.retry_at(answer, backoff_, now));
    backoff_.reset();
    return go(Step::key_known, never_us);
  }
  go(Step::ask_challenge, now.mono_us);           // the challenge names the key too
}

void Registration::on_challenge(const Answer& answer, Now now) {
  under_way_ = false;
  if (!answer.good()) return again(answer, now);
  const auto document = proto::parse_json(answer.text());
  if (!document) return again(Answer{0, {}, {}, "its challenge is not JSON"}, now);
  const auto id = document->root().get_string("challenge_id");
  const auto nonce = document->root().get_fixed<Nonce>("nonce");
  const auto key = document->root().get_fixed<Key>("coordinator_key");
  if (!id || !nonce || !key) return again(Answer{0, {}, {}, "its challenge lacks challenge_id, nonce or coordinator_key"}, now);
  if (!context_.accept_key(*key)) {
    context_.refused("coordinator_key", "its key " + to_hex(key->view()) + " is not the one that was pinned or known before");
    return go(Step::ask_key, now.mono_us + refused_wait_us);
  }
  challenge_id_ = *id;
  nonce_ = *nonce;
  go(Step::ask_registration, now.mono_us);
}

HttpCall Registration::ask_registration() {
  const PresenceConfig& config = context_.config;
  proto::JsonWriter json;
  json.begin_object()
      .member("challenge_id", challenge_id_)
      .member_hex("public_key", context_.identity.public_key().view())
      .member("role", config.role)
      .member("name", utf8_prefix(config.name, name_bytes))
      .member("software", utf8_prefix(config.software, name_bytes));
  write_addresses(json, config.advertise_url);
  context_.addresses_told = config.advertise_url;
  json.member("capacity_kbps", config.capacity_kbps).end_object();
  const SharedBytes body = SharedBytes::copy(view_of(json.text()));

  ByteVector bytes;
  const auto append = [&bytes](ByteView octets) { bytes.insert(bytes.end(), octets.begin(), octets.end()); };
  append(nonce_.view());
  append(context_.key->view());
  append(context_.identity.public_key().view());
  append(crypto::sha256(body).view());
  const Signature signature = context_.identity.sign(crypto::prefix::registration, bytes);
  HttpCall call = context_.call(Route::registration, "POST", "/v1/nodes/register", body, "application/json");
  call.headers.emplace_back("Streamr-Sig",
                            "v1;" + to_hex(context_.identity.public_key().view()) + ";" + to_hex(signature.view()));
  return call;
}

std::optional<std::uint32_t> Registration::on_registered(const Answer& answer, Now now) {
  under_way_ = false;
  if (!answer.good()) {
    again(answer, now);
    return std::nullopt;
  }
  const auto document = proto::parse_json(answer.text());
  const auto lease = document ? document->root().get_fixed<Lease>("lease") : Result<Lease>(document.error());
  const auto node_id = document ? document->root().get_string("node_id") : Result<std::string_view>(document.error());
  if (!lease || !node_id) {
    again(Answer{0, {}, {}, "its answer to the registration lacks node_id or lease"}, now);
    return std::nullopt;
  }
  backoff_.reset();
  context_.lease = *lease;
  context_.refusal_over();
  context_.reached();
  context_.emit(Registered{std::string(*node_id)});
  go(Step::registered, never_us);
  const auto heartbeat_ms = document->root().get_u64("heartbeat_ms", 3'600'000);
  return heartbeat_ms && *heartbeat_ms > 0 ? static_cast<std::uint32_t>(*heartbeat_ms) : default_heartbeat_ms;
}

void Registration::again(const Answer& answer, Now now) {
  if (answer.passing()) {
    context_.lost(answer);
    return go(Step::ask_challenge, context_.retry_at(answer, backoff_, now));
  }
  const ApiError error = read_error(answer);
  if (answer.status == 401) return go(Step::ask_key, context_.retry_at(answer, backoff_, now));   // a stale challenge, a new key
  context_.refused(error.code.empty() ? std::to_string(answer.status) : error.code, describe(answer));
  go(Step::ask_challenge, now.mono_us + refused_wait_us);
}

}  // namespace streamr::core
