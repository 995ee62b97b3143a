#include <algorithm>

#include "common/log.hpp"
#include "coordinator/app/network.hpp"
#include "coordinator/http/addresses.hpp"
#include "coordinator/http/assignments.hpp"
#include "coordinator/http/routes.hpp"
#include "coordinator/http/signed.hpp"
#include "coordinator/rules/errors.hpp"
#include "coordinator/rules/json_in.hpp"
#include "coordinator/rules/json_out.hpp"
#include "coordinator/rules/text.hpp"

namespace coordinator {
namespace {

constexpr size_t kTextBytes = 64;
constexpr int64_t kMaxKbps = 100'000'000;

std::string key_of(const JsonValue& body, const char* name) {
  const std::string key = body.hex(name, STREAMR_KEY_BYTES);
  if (streamr_control_key_check(octets(key)) != STREAMR_OK) {
    throw bad("key_weak", std::string("expected a public key that may be trusted in \"") + name +
                              "\": this one is of small order or not on the curve");
  }
  return key;
}

// The same for ever for a key: made from it, longer where another key has the short one.
std::string node_id_for(Context& context, const std::string& key) {
  const std::string hex = to_hex(key);
  for (size_t digits = 16; digits < 60; digits += 8) {
    std::string id = "n-" + hex.substr(0, digits);
    if (!context.store->node_by_id(id)) return id;
  }
  return hex;
}

void check_registration(Context& context, const Request& request, const std::string& key, const std::string& nonce) {
  const auto fields = signature_fields(request, 2);
  const auto signer = from_hex(fields[0], 32);
  const auto signature = from_hex(fields[1], 64);
  const bool good =
      signer && signature && *signer == key &&
      streamr_control_check_registration(octets(key), octets(nonce), octets(context.public_key), octets(request.body),
                                         request.body.size(), octets(*signature)) == STREAMR_OK;
  if (!good) {
    throw unauthorized("signature_wrong",
                       "expected Streamr-Sig: v1;{public_key};{signature} over nonce, coordinator_key, public_key and "
                       "H(body), it does not hold");
  }
}

struct Registration {
  std::string challenge_id, key, role, name, software;
  std::vector<Address> addresses;
  int64_t capacity_kbps = 0;
};

Registration read_registration(const JsonValue& body) {
  Registration r;
  r.challenge_id = body.text("challenge_id", kTextBytes);
  r.key = key_of(body, "public_key");
  r.role = body.text("role", kTextBytes);
  if (r.role != "relay" && r.role != "origin" && r.role != "publisher") {
    throw out_of_range("expected \"role\" relay, origin or publisher, another word came");
  }
  r.name = body.text("name", kTextBytes);
  r.software = body.text("software", kTextBytes);
  r.addresses = read_addresses(body);
  r.capacity_kbps = body.integer("capacity_kbps", 0, kMaxKbps);
  body.optional_text("invite", 512);
  return r;
}

std::string policy(const Context& context) {
  JsonOut out;
  out.object()
      .member("pay", "uptime_v0")
      .member("silent_ms", context.silent_ms())
      .member("max_hops", int64_t{kMaxHops});
  return out.member("max_streams", int64_t{24}).end_object().str();
}

}  // namespace

Response node_challenge(Context& context, const Request& request) {
  const JsonBody body(request.body, kBodyBytes);
  const std::string key = key_of(body.root(), "public_key");
  if (!context.challenges.may_open(request.address, context.now_ms())) {
    const int64_t wait_ms = context.challenges.wait_ms(request.address, context.now_ms());
    throw too_many("expected at most 8 open challenges an address, use one of them or wait",
                   static_cast<int>(wait_ms / 1000 + 1));
  }
  const std::string id = to_hex(random_bytes(16));
  Challenge challenge{key, random_bytes(32), request.address, context.now_ms() + ChallengeBook::kLifeMs};
  JsonOut out;
  out.object().member("challenge_id", id).member("nonce", to_hex(challenge.nonce));
  out.member("coordinator_key", to_hex(context.public_key)).member("expires_at_ms", challenge.expires_ms);
  context.challenges.open(id, std::move(challenge));
  return Response::json(out.end_object().str());
}

Response node_register(Context& context, const Request& request) {
  const JsonBody body(request.body, kBodyBytes);
  const Registration r = read_registration(body.root());
  Challenge challenge;
  switch (context.challenges.find(r.challenge_id, r.key, context.now_ms(), challenge)) {
    case ChallengeBook::Verdict::unknown:
      throw unauthorized("challenge_unknown",
                         "expected a challenge_id given to this key and not yet used, this is none");
    case ChallengeBook::Verdict::expired:
      throw unauthorized("challenge_expired",
                         "expected a challenge of the last 60 s, this one is past: ask for a new one");
    case ChallengeBook::Verdict::open: break;
  }
  check_registration(context, request, r.key, challenge.nonce);
  if (r.role == "origin" &&
      std::find(context.config.origins.begin(), context.config.origins.end(), r.key) == context.config.origins.end()) {
    throw forbidden("not_owner",
                    "expected a key that the operator named with --origin for the role origin, this is none");
  }

  NodeRecord node = context.store->node_by_key(r.key).value_or(NodeRecord{});
  const bool fresh = node.key.empty();
  if (fresh) {
    node.key = r.key;
    node.node_id = node_id_for(context, r.key);
    node.created_ms = context.now_ms();
  }
  node.role = r.role;
  node.name = r.name;
  node.software = r.software;
  node.addresses = r.addresses;
  node.capacity_kbps = r.capacity_kbps;
  node.seen_from = request.address;
  node.registered_ms = context.now_ms();
  if (node.free_kbps == 0) node.free_kbps = r.capacity_kbps;
  grant_lease(node.lease, random_bytes(16));
  Transaction transaction(*context.store);
  context.store->save_node(node);
  transaction.commit();
  context.challenges.use(r.challenge_id);
  context.network->addresses_changed(node);
  streamr::programs::log_info(
      "node_registered", "a node registered",
      {{"node", node.node_id}, {"role", node.role}, {"name", node.name}, {"new", fresh ? 1 : 0}});

  JsonOut out;
  out.object().member("node_id", node.node_id).member("lease", to_hex(node.lease.current));
  out.member("heartbeat_ms", context.config.heartbeat_ms);
  out.member("server_time_us", static_cast<int64_t>(context.now_us)).raw("policy", policy(context));
  return Response::json(out.end_object().str());
}

}  // namespace coordinator
