#include "core/presence_context.hpp"

#include <algorithm>

namespace streamr::core {

namespace {

std::string path_of(const std::string& url) {
  const auto scheme = url.find("://");
  const auto slash = url.find('/', scheme == std::string::npos ? 0 : scheme + 3);
  return slash == std::string::npos ? std::string{} : url.substr(slash);
}

void append_u64(ByteVector& out, std::uint64_t value) {
  std::uint8_t octets[8];
  store_u64(octets, value);
  out.insert(out.end(), octets, octets + 8);
}

template <class Octets>
void append(ByteVector& out, const Octets& octets) {
  const auto* begin = reinterpret_cast<const std::uint8_t*>(octets.data());
  out.insert(out.end(), begin, begin + octets.size());
}

std::optional<UpstreamOffer> read_offer(const proto::JsonView& entry) {
  const auto url = entry.get_string("url");
  const auto relay_key = entry.get_fixed<Key>("relay_key");
  if (!url || url->empty() || !relay_key) return std::nullopt;
  UpstreamOffer offer{std::string(*url), *relay_key, std::nullopt};
  if (const auto bytes = entry.get_hex("ticket", proto::Ticket::size))
    if (auto ticket = proto::parse_ticket(*bytes)) offer.ticket = *ticket;
  return offer;
}

}  // namespace

ApiError read_error(const Answer& answer) {
  ApiError out;
  const auto document = proto::parse_json(answer.text());
  if (!document) return out;
  const auto error = document->root().get_object("error");
  if (!error) return out;
  if (const auto code = error->get_string("code")) out.code = std::string(*code).substr(0, 64);
  if (const auto message = error->get_string("message")) out.message = std::string(*message).substr(0, 200);
  return out;
}

std::string describe(const Answer& answer) {
  if (answer.status == 0) return std::string(answer.failure);
  const ApiError error = read_error(answer);
  std::string out = "status " + std::to_string(answer.status);
  if (!error.code.empty()) out += " " + error.code;
  if (!error.message.empty()) out += ": " + error.message;
  return out;
}

std::vector<UpstreamOffer> read_offers(const proto::JsonView& list) {
  std::vector<UpstreamOffer> offers;
  for (const proto::JsonView entry : list)
    if (auto offer = read_offer(entry)) offers.push_back(std::move(*offer));
  return offers;
}

std::uint64_t Backoff::next_us(Prng& prng) {
  const std::uint64_t drawn = prng.between(step_us_ / 2, step_us_ + step_us_ / 2);
  step_us_ = std::min(step_us_ * 2, last_us);
  return std::min(drawn, last_us);
}

PresenceContext::PresenceContext(PresenceConfig given, const crypto::KeyPair& pair)
    : config(std::move(given)), identity(pair), prng(config.seed) {
  while (!config.coordinator_url.empty() && config.coordinator_url.back() == '/') config.coordinator_url.pop_back();
  target_prefix_ = path_of(config.coordinator_url);
  key = config.coordinator_key;
}

HttpCall PresenceContext::call(Route route, std::string_view method, std::string_view path, SharedBytes body,
                               std::string_view type) {
  HttpCall out;
  out.call = next_call_++;
  out.method = method;
  out.url = config.coordinator_url + std::string(path);
  if (!type.empty()) out.headers.emplace_back("Content-Type", type);
  out.body = std::move(body);
  calls_.emplace(out.call, route);
  return out;
}

HttpCall PresenceContext::signed_call(Route route, std::string_view method, std::string_view path, SharedBytes body, Now now) {
  HttpCall out = call(route, method, path, std::move(body), "application/json");
  signed_under_way_ = out.call;
  const std::uint64_t counter = ++counter_;
  ByteVector bytes;
  append(bytes, method);
  bytes.push_back(0);
  append(bytes, target_prefix_);
  append(bytes, path);
  bytes.push_back(0);
  append_u64(bytes, now.unix_us);
  append_u64(bytes, counter);
  append(bytes, config.boot_id);
  append(bytes, lease->octets);
  append(bytes, crypto::sha256(out.body).octets);
  const Signature signature = identity.sign(crypto::prefix::request, bytes);
  out.headers.emplace_back("Streamr-Sig", "v1;" + to_hex(identity.public_key().view()) + ";" + std::to_string(now.unix_us) +
                                              ";" + std::to_string(counter) + ";" + to_hex(config.boot_id) + ";" +
                                              to_hex(signature.view()));
  return out;
}

std::optional<Route> PresenceContext::finish(CallId id) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return std::nullopt;
  const Route route = found->second;
  calls_.erase(found);
  if (signed_under_way_ == id) signed_under_way_ = 0;
  return route;
}

std::uint64_t PresenceContext::retry_at(const Answer& answer, Backoff& backoff, Now now) {
  const std::uint64_t wait_us = backoff.next_us(prng);
  if (!answer.retry_after_s || answer.status == 0) return now.mono_us + wait_us;
  // Up to a quarter of a second more than was asked for, so that many nodes do not come back in one instant.
  const std::uint64_t asked_s = std::min<std::uint64_t>(*answer.retry_after_s, 3600);
  return now.mono_us + s_to_us(asked_s) + prng.below(250'000);
}

bool PresenceContext::accept_key(const Key& told) {
  if (!crypto::is_sound_key(told)) return false;
  if (key && *key == told) {
    if (!key_told_) { key_told_ = true; emit(CoordinatorKey{told}); }
    return true;
  }
  const bool announced = next_key && *next_key == told;
  if (key && !announced) return false;
  key = told;
  key_told_ = true;
  if (announced) next_key.reset();
  emit(CoordinatorKey{told});
  return true;
}

void PresenceContext::say(bool reachable, std::string why) {
  if (reachable_ == reachable) return;
  if (reachable_ == false && reachable) ++recoveries_;
  reachable_ = reachable;
  emit(Reachable{reachable, std::move(why)});
}

void PresenceContext::reached() {
  if (refusal_.empty()) say(true, "the coordinator at " + config.coordinator_url + " answers");
}

void PresenceContext::lost(const Answer& answer) {
  const std::string why = describe(answer);
  if (answer.status == 425) return refused("clock_off", why);
  say(false, "no answer from the coordinator at " + config.coordinator_url + " (" + why + "); trying again");
}

void PresenceContext::refused(const std::string& code, const std::string& why) {
  if (refusal_ == code) return;
  refusal_ = code;
  reachable_ = false;
  emit(Reachable{false, "the coordinator at " + config.coordinator_url + " refuses this node (" + why + "); trying again"});
}

}  // namespace streamr::core
