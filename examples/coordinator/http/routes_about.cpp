#include <algorithm>

#include "coordinator/http/page.hpp"
#include "coordinator/http/routes.hpp"
#include "coordinator/rules/errors.hpp"
#include "coordinator/rules/json_out.hpp"
#include "coordinator/rules/text.hpp"

namespace coordinator {
namespace {

// The quality that an Accept header gives a type, in thousandths; 0 where it does not name it.
int quality(const std::string& accept, const std::string& type) {
  const size_t at = accept.find(type);
  if (at == std::string::npos) return 0;
  const size_t end = std::min(accept.find(',', at), accept.size());
  const std::string item = accept.substr(at, end - at);
  const size_t q = item.find("q=");
  if (q == std::string::npos) return 1000;
  return item.compare(q + 2, 1, "1") == 0 ? 1000 : item.size() > q + 4 ? (item[q + 4] - '0') * 100 : 0;
}

bool wants_page(const Request& request) {
  const std::string accept = request.header("accept");
  return quality(accept, "text/html") > quality(accept, "application/json");
}

}  // namespace

Response well_known(Context& context, const Request&) {
  JsonOut out;
  out.object().member("coordinator_key", to_hex(context.public_key)).member("version", int64_t{1});
  out.member("time_us", static_cast<int64_t>(context.now_us)).end_object();
  return Response::json(out.str());
}

Response front(Context&, const Request& request) {
  if (wants_page(request)) {
    Response page = page_file("index.html");
    page.headers.emplace_back("Vary", "Accept");
    return page;
  }
  JsonOut out;
  out.object().member("message", "streamr coordinator").member("version", STREAMR_VERSION_STRING).end_object();
  Response response = Response::json(out.str());
  response.headers.emplace_back("Vary", "Accept");
  return response;
}

Response health(Context& context, const Request&) {
  JsonOut out;
  out.object().member("status", context.storage_good ? "healthy" : "unhealthy").member("service", "coordinator");
  out.object("checks")
      .member("database", context.storage_good ? "healthy" : "cannot be written")
      .end_object()
      .end_object();
  Response response = Response::json(out.str(), context.storage_good ? 200 : 503);
  if (!context.storage_good) response.headers.emplace_back("Retry-After", "5");
  return response;
}

Response page_file(const std::string& name) {
  for (const PageFile& file : page_files()) {
    if (name != file.name) continue;
    Response response{200, file.type, std::string(file.bytes, file.size)};
    response.headers.emplace_back("Cache-Control", "no-cache");
    response.headers.emplace_back(
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:");
    return response;
  }
  throw ApiError{404, "not_found", "expected a file of the status page, there is none of this name"};
}

}  // namespace coordinator
