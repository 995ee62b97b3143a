#include <algorithm>

#include "coordinator/app/network.hpp"
#include "coordinator/http/assignments.hpp"
#include "coordinator/http/find.hpp"
#include "coordinator/http/routes.hpp"
#include "coordinator/rules/draw.hpp"
#include "coordinator/rules/errors.hpp"
#include "coordinator/rules/json_in.hpp"
#include "coordinator/rules/json_out.hpp"
#include "coordinator/rules/slots.hpp"
#include "coordinator/rules/text.hpp"

namespace coordinator {
namespace {

constexpr int64_t kSeatMs = 600'000;
constexpr int64_t kHoursAWeek = 168;
constexpr int kRetryS = 2;

struct Wish {
  std::string viewer;
  std::vector<std::string> kinds;
  int64_t max_kbps = 0;
};

Wish read_wish(const Request& request) {
  const JsonBody parsed(request.body, kBodyBytes);
  const JsonValue body = parsed.root();
  Wish wish;
  wish.viewer = body.hex("viewer_key", 32);
  if (streamr_control_key_check(octets(wish.viewer)) != STREAMR_OK) {
    throw bad("key_weak",
              "expected a \"viewer_key\" that may be trusted: this one is of small order or not on the curve");
  }
  for (const JsonValue& item : body.array("kinds", 16)) {
    wish.kinds.push_back(item.as_text(16));
    if (!address_kind_known(wish.kinds.back())) {
      throw out_of_range("expected \"kinds\" of public, lan, vpn, tunnel and webrtc, another word came");
    }
  }
  if (wish.kinds.empty()) wish.kinds.push_back("public");
  body.optional_text("region", 64);
  wish.max_kbps = body.optional_integer("max_kbps", 1, kMaxInteger, kMaxInteger);
  return wish;
}

// Neither the viewer itself nor one of its network.
bool is_stranger(const NodeRecord& node, const Wish& wish, const std::string& viewer_address) {
  const std::string prefix = prefix_of(viewer_address);
  return node.key != wish.viewer && (prefix.empty() || prefix != prefix_of(node.seen_from));
}

uint64_t random_number() {
  uint64_t value = 0;
  for (const char c : random_bytes(8)) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

std::vector<std::string> draw(Context& context, const std::vector<Holder>& relays) {
  const int64_t since = context.now_ms() / kHourMs - kHoursAWeek;
  std::vector<Candidate> candidates;
  for (const Holder& relay : relays) {
    const uint64_t best_kbps = context.store->best_hour_bytes(relay.node.key, since) * 8 / 3600 / 1000;
    Candidate candidate;
    candidate.key = relay.node.key;
    candidate.capacity_kbps = draw_capacity(static_cast<uint64_t>(relay.node.capacity_kbps), best_kbps);
    candidate.free_kbps = static_cast<uint64_t>(relay.node.free_kbps);
    candidates.push_back(std::move(candidate));
  }
  return draw_two(candidates, random_number(), random_number());
}

bool is_free(const Holder& relay) {
  return relay.node.load_pct < 100;
}

// The relays of the answer in their places: those of the seat while its first one lives, else a new draw.
std::vector<Holder> relays_for(Context& context, const StreamRecord& stream, const std::vector<Holder>& eligible,
                               const std::string& seat, int64_t& drawn_ms) {
  const auto find = [&](const std::string& key) {
    return std::find_if(eligible.begin(), eligible.end(), [&](const Holder& h) { return h.node.key == key; });
  };
  const auto standing = context.store->seat_answer(stream.id, seat, context.now_ms() - kSeatMs);
  std::vector<std::string> keys;
  for (const std::string& key : standing.relays) {
    if (find(key) != eligible.end()) keys.push_back(key);
  }
  const bool first_lives = !standing.relays.empty() && !keys.empty() && keys[0] == standing.relays[0];
  drawn_ms = standing.drawn_ms;
  if (!first_lives) {
    std::vector<Holder> free_ones;
    std::copy_if(eligible.begin(), eligible.end(), std::back_inserter(free_ones), is_free);
    keys = draw(context, free_ones.empty() ? eligible : free_ones);
    drawn_ms = context.now_ms();
  }
  // A seat whose second relay went, or that was drawn when there was only one, gets a standby.
  for (const Holder& relay : eligible) {
    if (keys.size() >= 2) break;
    if (std::find(keys.begin(), keys.end(), relay.node.key) == keys.end()) keys.push_back(relay.node.key);
  }
  std::vector<Holder> out;
  for (const std::string& key : keys) out.push_back(*find(key));
  return out;
}

std::string hls_url(const Holder& origin, const StreamRecord& stream) {
  const auto url = parse_url(origin.address.url);
  return url ? http_base(*url) + "/live/" + to_hex(stream.id) + ".m3u8" : "";
}

}  // namespace

Response session_post(Context& context, const Request& request, const std::string& name) {
  const Wish wish = read_wish(request);
  const StreamRecord stream = need_stream(context, name);
  if (stream.certificate_void()) {
    throw unavailable("expected a stream with a valid certificate, this one was revoked", kRetryS);
  }
  const Holders holders = holders_of(context, stream, {request.address, wish.kinds});
  std::vector<Holder> eligible;
  for (const Holder& relay : holders.relays) {
    if (is_stranger(relay.node, wish, request.address)) eligible.push_back(relay);
  }
  if (eligible.empty() && !holders.origin) {
    throw unavailable("expected a relay or origin that serves this stream now, none does", kRetryS);
  }

  const std::string seat = seat_of(context.secret, group_of(request.address), wish.viewer);
  const std::string session_id = random_bytes(STREAMR_SESSION_ID_BYTES);
  JsonOut out;
  out.object().member("session_id", to_hex(session_id)).member("stream_id", to_hex(stream.id)).array("relays");
  if (!eligible.empty()) {
    int64_t drawn_ms = 0;
    const auto relays = relays_for(context, stream, eligible, seat, drawn_ms);
    Transaction transaction(*context.store);
    int64_t place = 0;
    for (const Holder& relay : relays) {
      const TicketWish ticket{session_id,
                              relay.node.key,
                              wish.viewer,
                              seat,
                              place++,
                              drawn_ms,
                              std::min(stream.max_kbps, wish.max_kbps),
                              request.address};
      out.object().member("url", relay.address.url).member("relay_key", to_hex(relay.node.key));
      out.member("ticket", issue_ticket(context, stream, ticket)).end_object();
    }
    transaction.commit();
    // Whoever asks may have lost a relay: look whether the first one still answers.
    context.network->check_soon(relays[0].node);
  }
  out.end_array().member("steering_url", own_url(context, request) + "/steering/" + to_hex(stream.id));
  if (holders.origin)
    out.member("origin_url", hls_url(*holders.origin, stream));
  else
    out.null("origin_url");
  return Response::json(out.end_object().str());
}

namespace {

std::string pathway_id(const std::string& key) {
  return to_hex(key).substr(0, 16);
}

std::string host_of(const Holder& holder) {
  const auto url = parse_url(holder.address.url);
  return url ? authority(*url) : "";
}

void write_clone(JsonOut& out, const std::string& base, const std::string& id, const std::string& host) {
  out.object().member("BASE-ID", base).member("ID", id);
  out.object("URI-REPLACEMENT").member("HOST", host).end_object().end_object();
}

}  // namespace

Response steering_get(Context& context, const Request& request, const std::string& name) {
  const StreamRecord stream = need_stream(context, name);
  const Holders holders = holders_of(context, stream, {request.address, {"public"}});
  std::vector<std::string> ids;
  for (const Holder& relay : holders.relays) ids.push_back(pathway_id(relay.node.key));
  const std::string origin_id = holders.origin ? pathway_id(holders.origin->node.key) : "";
  if (ids.empty() && !holders.origin)
    throw unavailable("expected a relay or origin that serves this stream now, none does", 10);

  // A playlist names its own relay's pathway only; the others are made from it.
  const auto current = request.argument("_HLS_pathway");
  std::string base = ids.empty() ? origin_id : ids[0];
  if (current && (*current == origin_id || std::find(ids.begin(), ids.end(), *current) != ids.end())) base = *current;

  JsonOut out;
  out.object().member("VERSION", int64_t{1}).member("TTL", int64_t{10});
  out.member("RELOAD-URI", own_url(context, request) + "/steering/" + to_hex(stream.id)).array("PATHWAY-PRIORITY");
  for (const std::string& id : ids) out.text(id);
  if (holders.origin) out.text("origin");
  out.end_array().array("PATHWAY-CLONES");
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] != base) write_clone(out, base, ids[i], host_of(holders.relays[i]));
  }
  if (holders.origin) write_clone(out, base, "origin", host_of(*holders.origin));
  out.end_array().end_object();
  Response response = Response::json(out.str());
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

}  // namespace coordinator
