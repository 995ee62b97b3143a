#include "common/log.hpp"
#include "coordinator/http/routes.hpp"
#include "coordinator/http/signed.hpp"
#include "coordinator/rules/errors.hpp"
#include "coordinator/rules/json_in.hpp"
#include "coordinator/rules/json_out.hpp"
#include "coordinator/rules/receipts.hpp"
#include "coordinator/rules/slots.hpp"
#include "coordinator/rules/text.hpp"

namespace coordinator {
namespace {

constexpr int64_t kMinuteMs = 60'000;
constexpr int64_t kLateMinutes = 7 * 24 * 60;

struct Batch {
  std::string prev;
  std::string root;
  std::vector<std::string> receipts;
};

Batch read_batch(Context& context, const Request& request) {
  const JsonBody parsed(request.body, kBatchBytes);
  const JsonValue body = parsed.root();
  const int64_t minute = context.now_ms() / kMinuteMs;
  body.integer("interval", minute - kLateMinutes, minute + 2);
  Batch batch;
  batch.prev = body.hex("prev_batch_hash", 32);
  batch.root = body.hex("root", 32);
  for (const JsonValue& item : body.array("receipts", kBatchBytes)) {
    const auto bytes = from_hex(item.as_text(2 * STREAMR_RECEIPT_BYTES), STREAMR_RECEIPT_BYTES);
    if (!bytes) throw out_of_range("expected each of \"receipts\" as 544 lower-case hex digits");
    batch.receipts.push_back(*bytes);
  }
  return batch;
}

void check_batch(const Batch& batch, const std::string& chain) {
  const std::string expected = chain.empty() ? std::string(32, '\0') : chain;
  if (batch.prev != expected) {
    ApiError error = conflict("chain_broken", "expected prev_batch_hash " + to_hex(expected) + ", another one came");
    error.members = "\"expected_prev\":\"" + to_hex(expected) + "\"";
    throw error;
  }
  if (!strictly_ascending(batch.receipts)) {
    throw out_of_range("expected \"receipts\" in ascending order of session_id, one of a session");
  }
  std::string leaves;
  for (const std::string& receipt : batch.receipts) leaves += receipt;
  std::string root(32, '\0');
  streamr_control_merkle_root(octets(leaves), STREAMR_RECEIPT_BYTES, batch.receipts.size(),
                              reinterpret_cast<uint8_t*>(root.data()));
  if (root != batch.root) throw out_of_range("expected \"root\" of the tree over these receipts, another one came");
}

void keep(Context& context, const Judged& judged) {
  context.store->save_receipt(judged.record);
  if (judged.new_bytes > 0) context.store->add_delivered(judged.relay, context.now_ms() / kHourMs, judged.new_bytes);
}

}  // namespace

Response receipt_batch(Context& context, const Request& request) {
  return with_node(context, request, [&](SignedBy& by) {
    const std::string hash = hash_of(request.body);
    const BatchState chain = context.store->batch_state(by.node.key);
    if (!chain.hash.empty() && chain.hash == hash) return Response::json(chain.reply);
    const Batch batch = read_batch(context, request);
    check_batch(batch, chain.hash);

    int64_t settled = 0;
    int64_t stale = 0;
    JsonOut refused;
    refused.array();
    for (const std::string& receipt : batch.receipts) {
      const std::string id = session_named(receipt);
      const Judged judged = judge_receipt(receipt, {context.store->session(id), context.store->receipts_of(id)},
                                          by.node.key, context.now_us);
      switch (judged.verdict) {
        case ReceiptVerdict::settled:
          keep(context, judged);
          ++settled;
          break;
        case ReceiptVerdict::stale: ++stale; break;
        case ReceiptVerdict::refused:
          refused.object().member("session_id", to_hex(id)).member("code", judged.code).end_object();
          break;
      }
    }
    JsonOut out;
    out.object().member("batch_hash", to_hex(hash)).member("settled", settled).member("stale", stale);
    out.raw("refused", refused.end_array().str()).end_object();
    context.store->save_batch(by.node.key, {hash, out.str()}, request.body, context.now_ms());
    return Response::json(out.str());
  });
}

Response receipt_post(Context& context, const Request& request) {
  if (request.body.size() != STREAMR_RECEIPT_BYTES) {
    throw out_of_range("expected a receipt of 272 octets, " + std::to_string(request.body.size()) + " came");
  }
  const std::string id = session_named(request.body);
  const Judged judged =
      judge_receipt(request.body, {context.store->session(id), context.store->receipts_of(id)}, "", context.now_us);
  if (judged.verdict == ReceiptVerdict::refused) {
    throw forbidden(judged.code == "session_unknown" ? judged.code : "receipt_refused", judged.why);
  }
  if (!context.viewer_receipts.take(id + judged.relay, context.now_ms())) {
    throw too_many("expected a session's receipt at most once a minute", 60);
  }
  if (judged.verdict == ReceiptVerdict::settled) {
    Transaction transaction(*context.store);
    keep(context, judged);
    transaction.commit();
  }
  return {204, "", ""};
}

}  // namespace coordinator
