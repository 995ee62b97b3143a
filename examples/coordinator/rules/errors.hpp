// Decides nothing: the one shape in which a rule or a route refuses a request (protocol §6, JSON).
// Never carries secrets: the message is shown to whoever asked.
// Thrown by rules and routes, turned into an answer by http/router.
#pragma once

#include <string>
#include <utility>

namespace coordinator {

struct ApiError {
  int status;
  std::string code;
  std::string message;
  int retry_after_s = 0;     // 0: no Retry-After header
  std::string members = {};  // further JSON members, ready to print after a comma
  std::string allow = {};    // Allow header of a 405
  std::string detail = {};   // JSON of the member `detail`; empty: the message
};

inline ApiError bad(std::string code, std::string message) {
  return {400, std::move(code), std::move(message)};
}
inline ApiError out_of_range(std::string message) {
  return {400, "out_of_range", std::move(message)};
}
inline ApiError unauthorized(std::string code, std::string message) {
  return {401, std::move(code), std::move(message)};
}
inline ApiError forbidden(std::string code, std::string message) {
  return {403, std::move(code), std::move(message)};
}
inline ApiError conflict(std::string code, std::string message) {
  return {409, std::move(code), std::move(message)};
}
inline ApiError stream_unknown() {
  return {404, "stream_unknown", "expected the id or alias of a registered stream, no stream has this one"};
}
inline ApiError too_many(std::string message, int retry_after_s) {
  return {429, "too_many_requests", std::move(message), retry_after_s};
}
inline ApiError unavailable(std::string message, int retry_after_s) {
  return {503, "unavailable", std::move(message), retry_after_s};
}

}  // namespace coordinator
