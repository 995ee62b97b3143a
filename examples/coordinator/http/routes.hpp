// Decides which functions answer which subject; one file a subject beside this one.
// Never parses HTTP.
// Called by http/router.
#pragma once

#include <string>

#include "coordinator/app/context.hpp"
#include "coordinator/http/message.hpp"

namespace coordinator {

constexpr size_t kBodyBytes = 64 * 1024;  // where nothing else stands (protocol §6)
constexpr size_t kHeartbeatBytes = 8 * 1024;
constexpr size_t kBatchBytes = 1024 * 1024;
constexpr size_t kEvidenceBytes = 256 * 1024;

// nodes
Response node_challenge(Context& context, const Request& request);
Response node_register(Context& context, const Request& request);
Response node_heartbeat(Context& context, const Request& request);

// streams
Response stream_post(Context& context, const Request& request);
Response stream_list(Context& context, const Request& request);
Response stream_get(Context& context, const Request& request, const std::string& stream);
Response revocation_post(Context& context, const Request& request);

// sessions
Response session_post(Context& context, const Request& request, const std::string& stream);
Response steering_get(Context& context, const Request& request, const std::string& stream);

// delivery
Response receipt_batch(Context& context, const Request& request);
Response receipt_post(Context& context, const Request& request);
Response evidence_post(Context& context, const Request& request);

// the first system's reading routes
Response old_dashboard(Context& context, const Request& request);
Response old_payouts(Context& context, const Request& request);
Response old_earnings(Context& context, const Request& request, const std::string& node);
Response old_leaderboard(Context& context, const Request& request);
Response old_streams(Context& context, const Request& request);
Response old_streams_live(Context& context, const Request& request);

// what the coordinator says about itself
Response well_known(Context& context, const Request& request);
Response front(Context& context, const Request& request);
Response health(Context& context, const Request& request);
Response status(Context& context, const Request& request);
Response page_file(const std::string& name);

}  // namespace coordinator
