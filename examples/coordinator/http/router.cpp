#include "coordinator/http/router.hpp"

#include <algorithm>
#include <chrono>
#include <functional>

#include "common/log.hpp"
#include "coordinator/app/hours.hpp"
#include "coordinator/app/network.hpp"
#include "coordinator/http/routes.hpp"
#include "coordinator/rules/errors.hpp"
#include "coordinator/rules/json_out.hpp"

namespace coordinator {
namespace {

using Handler = std::function<Response(Context&, const Request&, const std::string& name)>;

struct Route {
  const char* method;
  const char* before;  // the path, or what stands before a name in it
  const char* after;   // what stands behind the name; nullptr: the path has no name
  size_t body_bytes;
  Handler handler;
};

template <Response (*Function)(Context&, const Request&)>
Response plain(Context& context, const Request& request, const std::string&) {
  return Function(context, request);
}

const std::vector<Route>& routes() {
  static const std::vector<Route> all{
      {"GET", "/.well-known/streamr.json", nullptr, 0, plain<well_known>},
      {"POST", "/v1/nodes/challenge", nullptr, kBodyBytes, plain<node_challenge>},
      {"POST", "/v1/nodes/register", nullptr, kBodyBytes, plain<node_register>},
      {"POST", "/v1/nodes/heartbeat", nullptr, kHeartbeatBytes, plain<node_heartbeat>},
      {"POST", "/v1/streams", nullptr, kBodyBytes, plain<stream_post>},
      {"GET", "/v1/streams", nullptr, 0, plain<stream_list>},
      {"POST", "/v1/streams/", "/sessions", kBodyBytes, session_post},
      {"GET", "/v1/streams/", "", 0, stream_get},
      {"POST", "/v1/revocations", nullptr, kBodyBytes, plain<revocation_post>},
      {"GET", "/steering/", "", 0, steering_get},
      {"POST", "/v1/receipts/batch", nullptr, kBatchBytes, plain<receipt_batch>},
      {"POST", "/v1/receipts", nullptr, kBodyBytes, plain<receipt_post>},
      {"POST", "/v1/evidence", nullptr, kEvidenceBytes, plain<evidence_post>},
      {"GET", "/v1/status", nullptr, 0, plain<status>},
      {"GET", "/", nullptr, 0, plain<front>},
      {"GET", "/health", nullptr, 0, plain<health>},
      {"GET", "/dashboard", nullptr, 0, plain<old_dashboard>},
      {"GET", "/payouts", nullptr, 0, plain<old_payouts>},
      {"GET", "/nodes/", "/earnings", 0, old_earnings},
      {"GET", "/leaderboard", nullptr, 0, plain<old_leaderboard>},
      {"GET", "/streams", nullptr, 0, plain<old_streams>},
      {"GET", "/streams/live", nullptr, 0, plain<old_streams_live>},
      {"GET", "/page/", "", 0, [](Context&, const Request&, const std::string& name) { return page_file(name); }},
  };
  return all;
}

bool matches(const Route& route, const std::string& path, std::string& name) {
  const std::string before = route.before;
  if (route.after == nullptr) return path == before;
  const std::string after = route.after;
  if (path.size() <= before.size() + after.size() || !path.starts_with(before) || !path.ends_with(after)) return false;
  name = path.substr(before.size(), path.size() - before.size() - after.size());
  return name.find('/') == std::string::npos;
}

Response error_answer(const ApiError& error) {
  JsonOut out;
  out.object().object("error").member("code", error.code).member("message", error.message);
  if (!error.members.empty()) out.raw(error.members);
  out.end_object();
  // RFC 9457's member, which clients of the first system read too.
  if (error.detail.empty())
    out.member("detail", error.message);
  else
    out.raw("detail", error.detail);
  if (!error.members.empty()) out.raw(error.members);
  Response response = Response::json(out.end_object().str(), error.status);
  if (error.retry_after_s > 0) response.headers.emplace_back("Retry-After", std::to_string(error.retry_after_s));
  if (!error.allow.empty()) response.headers.emplace_back("Allow", error.allow);
  return response;
}

uint64_t wall_us() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count());
}

void add_common_headers(const Request* request, Response& response) {
  response.headers.emplace_back("Access-Control-Allow-Origin", "*");
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  const bool said = std::any_of(response.headers.begin(), response.headers.end(),
                                [](const auto& header) { return header.first == "Cache-Control"; });
  if (!said) response.headers.emplace_back("Cache-Control", "no-store");
  if (request != nullptr && request->method == "OPTIONS") {
    response.headers.emplace_back("Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS");
    response.headers.emplace_back("Access-Control-Allow-Headers", "Authorization, Content-Type, Streamr-Sig");
    response.headers.emplace_back("Access-Control-Max-Age", "86400");
  }
}

}  // namespace

size_t Router::body_limit(const std::string& method, const std::string& path) {
  std::string name;
  for (const Route& route : routes()) {
    if (method == route.method && matches(route, path, name)) return std::max(route.body_bytes, size_t{1024});
  }
  return kBodyBytes;
}

Response Router::dispatch(const Request& request) {
  const bool reads = request.method == "GET" || request.method == "HEAD";
  std::string allow;
  for (const Route& route : routes()) {
    std::string name;
    if (!matches(route, request.path, name)) continue;
    if (request.method == route.method || (reads && std::string_view(route.method) == "GET")) {
      return route.handler(context_, request, name);
    }
    allow +=
        std::string(allow.empty() ? "" : ", ") + (std::string_view(route.method) == "GET" ? "GET, HEAD" : route.method);
  }
  if (request.method == "OPTIONS" && (!allow.empty() || request.target == "*")) {
    return {204, "", "", {{"Allow", allow.empty() ? "GET, HEAD, POST, OPTIONS" : allow + ", OPTIONS"}}};
  }
  if (allow.empty())
    throw ApiError{404, "not_found", "expected a path of this coordinator, there is nothing at this one"};
  ApiError error{405, "method_not_allowed", "expected " + allow + " or OPTIONS here, " + request.method + " came"};
  error.allow = allow + ", OPTIONS";
  throw error;
}

void Router::see_storage(bool good, const std::string& why) {
  if (good == context_.storage_good) return;
  context_.storage_good = good;
  context_.storage_trouble = why;
  if (good)
    streamr::programs::log_info("storage_recovered", "the database can be written again");
  else
    streamr::programs::log_error("storage_failed",
                                 "the database cannot be written, requests that must write get 503: " + why);
}

Response Router::answer(Request& request) {
  context_.now_us = wall_us();
  const auto& proxies = context_.config.proxies;
  if (std::find(proxies.begin(), proxies.end(), request.address) != proxies.end()) {
    const std::string forwarded = request.header("x-forwarded-for");
    const size_t comma = forwarded.rfind(',');
    std::string last = comma == std::string::npos ? forwarded : forwarded.substr(comma + 1);
    last.erase(0, last.find_first_not_of(' '));
    if (!last.empty()) request.address = normal_address(last);
  }
  Response response;
  try {
    const bool steering = request.path.starts_with("/steering/");
    if (!steering && !context_.requests.take(request.address, context_.now_ms())) {
      throw too_many("expected at most 200 requests a second from an address, more came", 1);
    }
    response = dispatch(request);
  } catch (const ApiError& error) {
    response = error_answer(error);
  } catch (const StoreUnavailable& error) {
    see_storage(false, error.what());
    response =
        error_answer(unavailable("expected a database that can be written, it cannot at the moment: try again", 5));
  } catch (const std::exception& error) {
    streamr::programs::log_error("request_failed", error.what(), {{"path", request.path}});
    response = error_answer({500, "internal", "the coordinator met a state that should not exist; please report it"});
  }
  add_common_headers(&request, response);
  return response;
}

Response Router::refuse(int status, const std::string& code, const std::string& message) {
  ApiError error{status, code, message};
  if (status == 503) error.retry_after_s = 2;
  if (status == 405) error.allow = "GET, HEAD, POST, OPTIONS";
  Response response = error_answer(error);
  add_common_headers(nullptr, response);
  return response;
}

void Router::every_second() {
  context_.now_us = wall_us();
  try {
    context_.network->every_second();
    refresh_live_states(context_);
    close_due_hours(context_);
    if (!context_.storage_good) {
      context_.store->set_setting("last_good_ms", std::to_string(context_.now_ms()));
      see_storage(true, "");
    }
  } catch (const StoreUnavailable& error) {
    see_storage(false, error.what());
  } catch (const std::exception& error) {
    streamr::programs::log_error("work_failed", error.what());
  }
  if (context_.now_ms() - swept_ms_ > 60'000) {
    swept_ms_ = context_.now_ms();
    context_.requests.forget_idle(swept_ms_);
    context_.heartbeats.forget_idle(swept_ms_);
    context_.viewer_receipts.forget_idle(swept_ms_);
  }
}

void Router::woken() {
  context_.now_us = wall_us();
  try {
    context_.network->collect_proofs();
  } catch (const StoreUnavailable& error) {
    see_storage(false, error.what());
  }
}

}  // namespace coordinator
