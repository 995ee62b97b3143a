#include "coordinator/http/signed.hpp"

#include <algorithm>
#include <cstdlib>

#include "coordinator/rules/errors.hpp"
#include "coordinator/rules/text.hpp"

namespace coordinator {
namespace {

constexpr int64_t kWarnUs = 120'000'000;
constexpr int64_t kRefuseUs = 600'000'000;

struct Header {
  std::string key;
  uint64_t unix_us = 0;
  uint64_t counter = 0;
  std::string boot_id;
  std::string signature;
};

ApiError signature_wrong(const std::string& message) {
  return unauthorized("signature_wrong", message);
}

Header read_header(const Request& request) {
  const auto fields = signature_fields(request, 5);
  const auto key = from_hex(fields[0], 32);
  const auto time = parse_u64(fields[1]);
  const auto counter = parse_u64(fields[2]);
  const auto boot = from_hex(fields[3], 16);
  const auto signature = from_hex(fields[4], 64);
  if (!key || !time || !counter || !boot || !signature) {
    throw signature_wrong(
        "expected Streamr-Sig: v1;{public_key};{unix_us};{counter};{boot_id};{signature} in lower-case hex and "
        "decimals");
  }
  return {*key, *time, *counter, *boot, *signature};
}

bool holds(const Request& request, const Header& header, const std::string& lease) {
  streamr_request_t fields{};
  fields.struct_size = sizeof fields;
  fields.method = request.method.c_str();
  fields.target = request.target.c_str();
  fields.body = octets(request.body);
  fields.body_len = request.body.size();
  fields.unix_us = header.unix_us;
  fields.counter = header.counter;
  std::copy_n(header.key.begin(), 32, fields.public_key);
  std::copy_n(header.boot_id.begin(), 16, fields.boot_id);
  std::copy_n(lease.begin(), 16, fields.lease);
  std::copy_n(header.signature.begin(), 64, fields.signature);
  return streamr_control_check_request(&fields) == STREAMR_OK;
}

LeaseMatch check_signature(const Request& request, const Header& header, const NodeRecord& node) {
  const LeaseMatch match =
      match_lease(node.lease, [&](const std::string& lease) { return holds(request, header, lease); });
  if (match == LeaseMatch::none)
    throw signature_wrong("expected a signature by this key over this request, it does not hold");
  if (match == LeaseMatch::voided) {
    throw unauthorized("lease_unknown",
                       "expected the newest lease or the one before, an older one came: register again");
  }
  return match;
}

// A counter that was spent while the disk was full counts too.
void recall_spent(Context& context, NodeRecord& node) {
  const auto found = context.spent.find(node.key);
  if (found == context.spent.end()) return;
  if (found->second.boot_id == node.lease.boot_id) {
    node.lease.counter = std::max(node.lease.counter, found->second.counter);
  }
}

void check_fresh(Context& context, const Header& header, const NodeRecord& node) {
  const bool earlier = context.store->is_earlier_boot(node.key, header.boot_id);
  switch (check_counter(node.lease, header.boot_id, header.counter, earlier)) {
    case CounterVerdict::fresh: return;
    case CounterVerdict::replayed:
      throw unauthorized("counter_replayed", "expected a counter above " + std::to_string(node.lease.counter) + ", " +
                                                 std::to_string(header.counter) + " came");
    case CounterVerdict::boot_old:
      throw unauthorized("boot_old", "expected the newest boot_id of this node, an earlier one came");
  }
}

void check_clock(Context& context, const Header& header, SignedBy& by) {
  const auto off = static_cast<int64_t>(header.unix_us - context.now_us);
  if (off > kRefuseUs || off < -kRefuseUs) {
    throw ApiError{425, "clock_off", "expected a clock within 10 minutes of ours, yours differs more", 0,
                   "\"server_time_us\":" + std::to_string(context.now_us)};
  }
  by.clock_warning = off > kWarnUs || off < -kWarnUs;
}

}  // namespace

std::vector<std::string> signature_fields(const Request& request, size_t count) {
  const std::string header = request.header("streamr-sig");
  std::vector<std::string> fields;
  for (size_t at = 0; at <= header.size();) {
    const size_t end = std::min(header.find(';', at), header.size());
    fields.push_back(header.substr(at, end - at));
    at = end + 1;
  }
  if (fields.size() != count + 1 || fields[0] != "v1") {
    throw signature_wrong(header.empty() ? "expected the header Streamr-Sig, it is missing"
                                         : "expected Streamr-Sig: v1 with " + std::to_string(count) +
                                               " fields after it, another form came");
  }
  fields.erase(fields.begin());
  return fields;
}

Response with_node(Context& context, const Request& request, const std::function<Response(SignedBy& by)>& work) {
  const Header header = read_header(request);
  const auto known = context.store->node_by_key(header.key);
  if (!known)
    throw unauthorized("node_unknown", "expected the key of a registered node, this one is not: register first");
  SignedBy by{*known, LeaseMatch::none, false};
  recall_spent(context, by.node);
  by.lease = check_signature(request, header, by.node);
  check_fresh(context, header, by.node);

  const std::string boot_before = by.node.lease.boot_id;
  spend_counter(by.node.lease, header.boot_id, header.counter);
  context.spent[header.key] = {header.boot_id, header.counter};

  Transaction transaction(*context.store);
  if (!boot_before.empty() && boot_before != header.boot_id) context.store->add_earlier_boot(header.key, boot_before);
  context.store->save_lease(by.node);
  context.store->savepoint();
  try {
    check_clock(context, header, by);
    Response response = work(by);
    transaction.commit();
    context.spent.erase(header.key);
    return response;
  } catch (const ApiError&) {
    context.store->rollback_to_savepoint();
    transaction.commit();
    context.spent.erase(header.key);
    throw;
  }
}

}  // namespace coordinator
