#include "common/log.hpp"
#include "coordinator/http/routes.hpp"
#include "coordinator/http/signed.hpp"
#include "coordinator/rules/errors.hpp"
#include "coordinator/rules/evidence.hpp"
#include "coordinator/rules/json_in.hpp"
#include "coordinator/rules/json_out.hpp"
#include "coordinator/rules/text.hpp"

namespace coordinator {
namespace {

constexpr int64_t kHourSpanMs = 3'600'000;
constexpr int64_t kMostAnHour = 60;

}  // namespace

Response evidence_post(Context& context, const Request& request) {
  return with_node(context, request, [&](SignedBy& by) {
    const JsonBody parsed(request.body, kEvidenceBytes);
    const JsonValue body = parsed.root();
    const std::string kind = body.text("kind", 32);
    const std::string relay = body.hex("relay_key", 32);
    std::vector<std::string> objects;
    std::string whole = by.node.key + kind + std::string(1, '\0') + relay;
    for (const JsonValue& item : body.array("objects", 8)) {
      const auto bytes = from_hex_any(item.as_text(kEvidenceBytes));
      if (!bytes) throw out_of_range("expected each of \"objects\" in lower-case hex digits");
      objects.push_back(*bytes);
      whole += be64(bytes->size()) + *bytes;
    }
    const std::string id = to_hex(hash_of(whole)).substr(0, 32);
    JsonOut out;
    out.object().member("evidence_id", id).end_object();
    if (context.store->has_evidence(id)) return Response::json(out.str());

    if (context.store->evidence_since(by.node.key, context.now_ms() - kHourSpanMs) >= kMostAnHour) {
      throw too_many("expected at most 60 pieces of evidence an hour from a node", 60);
    }
    check_evidence(kind, objects);
    context.store->add_evidence(id, by.node.key, kind, relay, request.body, context.now_ms());
    streamr::programs::log_warn("evidence", "a node sent evidence",
                                {{"id", id}, {"kind", kind}, {"node", by.node.node_id}, {"against", to_hex(relay)}});
    return Response::json(out.str());
  });
}

}  // namespace coordinator
