#include "coordinator/http/parser.hpp"

#include <algorithm>
#include <cctype>

#include "coordinator/rules/text.hpp"

#if defined(STREAMR_HTTP_LLHTTP)
#include <llhttp.h>
using RawParser = llhttp_t;
using RawSettings = llhttp_settings_t;
static const char* method_name(const RawParser* p) {
  return llhttp_method_name(static_cast<llhttp_method_t>(p->method));
}
static bool keeps_alive(const RawParser* p) {
  return llhttp_should_keep_alive(p) != 0;
}
#else
#include <http_parser.h>
using RawParser = http_parser;
using RawSettings = http_parser_settings;
static const char* method_name(const RawParser* p) {
  return http_method_str(static_cast<http_method>(p->method));
}
static bool keeps_alive(const RawParser* p) {
  return http_should_keep_alive(p) != 0;
}
#endif

namespace coordinator {
namespace {

constexpr size_t kMaxHeaders = 64;

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string plain(std::string text) {
  std::replace(text.begin(), text.end(), '+', ' ');
  return percent_decode(text).value_or(text);
}

// path and query of an origin-form target; false where it has another form.
bool split_target(Request& request) {
  if (request.target.empty() || request.target[0] != '/') return request.target == "*";
  const size_t mark = request.target.find('?');
  const auto path = percent_decode(std::string_view(request.target).substr(0, mark));
  if (!path || path->find('\0') != std::string::npos) return false;
  request.path = *path;
  if (mark == std::string::npos) return true;
  const std::string query = request.target.substr(mark + 1);
  for (size_t at = 0; at <= query.size();) {
    const size_t end = std::min(query.find('&', at), query.size());
    const std::string pair = query.substr(at, end - at);
    const size_t equals = pair.find('=');
    if (!pair.empty()) {
      request.query.emplace_back(plain(pair.substr(0, equals)),
                                 equals == std::string::npos ? "" : plain(pair.substr(equals + 1)));
    }
    at = end + 1;
  }
  return true;
}

}  // namespace

struct HttpParser::State {
  ParserEvents events;
  RawParser parser{};
  RawSettings settings{};
  Request request;
  std::string name;
  std::string value;
  bool reading_value = false;
  bool begun = false;
  bool body = false;
  size_t head_bytes = 0;
  size_t headers = 0;
  size_t body_limit = 0;
  Refusal refusal;

  int refuse(int status, std::string code, std::string message) {
    if (refusal.status == 0) refusal = {status, std::move(code), std::move(message)};
    return -1;
  }

  int count_head(size_t len) {
    head_bytes += len;
    if (head_bytes > kMaxHeadBytes) {
      return refuse(431, "too_large", "expected at most 16 KiB of request line and headers, more came");
    }
    return 0;
  }

  int keep_header() {
    if (name.empty()) return 0;
    if (++headers > kMaxHeaders) return refuse(431, "too_large", "expected at most 64 headers, more came");
    const std::string key = lower(name);
    const bool fresh = request.headers.emplace(key, value).second;
    const bool single = key == "content-length" || key == "host" || key == "streamr-sig" || key == "authorization";
    if (!fresh && single)
      return refuse(400, "malformed_request", "expected the header " + key + " once, it came twice");
    name.clear();
    value.clear();
    return 0;
  }

  int on_begin() {
    request = Request{};
    name.clear();
    value.clear();
    reading_value = false;
    begun = true;
    body = false;
    head_bytes = 0;
    headers = 0;
    return 0;
  }
  int on_url(const char* at, size_t len) {
    request.target.append(at, len);
    return count_head(len);
  }
  int on_field(const char* at, size_t len) {
    if (reading_value) {
      if (keep_header() != 0) return -1;
      reading_value = false;
    }
    name.append(at, len);
    return count_head(len);
  }
  int on_value(const char* at, size_t len) {
    reading_value = true;
    value.append(at, len);
    return count_head(len);
  }
  int on_head();
  int on_body(const char* at, size_t len) {
    if (request.body.size() + len > body_limit) return too_large();
    request.body.append(at, len);
    return 0;
  }
  int too_large() {
    return refuse(413, "too_large",
                  "expected a body of at most " + std::to_string(body_limit) + " bytes, a larger one came");
  }
  int on_complete() {
    begun = false;
    body = false;
    events.request(std::move(request), keeps_alive(&parser));
    request = Request{};
    return 0;
  }
};

int HttpParser::State::on_head() {
  if (keep_header() != 0) return -1;
  request.method = method_name(&parser);
  if (!split_target(request))
    return refuse(400, "malformed_request", "expected a path that begins with /, another form came");
  const bool has_length = request.headers.contains("content-length");
  if (has_length && request.headers.contains("transfer-encoding")) {
    return refuse(400, "malformed_request", "expected Content-Length or Transfer-Encoding, both came");
  }
  if (request.method == "CONNECT")
    return refuse(405, "method_not_allowed", "expected a request to this server, CONNECT came");
  body_limit = events.body_limit(request.method, request.path);
  if (has_length) {
    const auto length = parse_i64(request.header("content-length"));
    if (!length || *length < 0) return refuse(400, "malformed_request", "expected a decimal Content-Length");
    if (static_cast<uint64_t>(*length) > body_limit) return too_large();
  }
  body = true;
  if (lower(request.header("expect")) == "100-continue") events.expects_continue(true);
  return 0;
}

namespace {

template <typename State, int (State::*Member)()>
int call(RawParser* p) {
  return (static_cast<State*>(p->data)->*Member)();
}
template <typename State, int (State::*Member)(const char*, size_t)>
int call_data(RawParser* p, const char* at, size_t len) {
  return (static_cast<State*>(p->data)->*Member)(at, len);
}

}  // namespace

HttpParser::HttpParser(ParserEvents events) : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.events = std::move(events);
#if defined(STREAMR_HTTP_LLHTTP)
  llhttp_settings_init(&s.settings);
#else
  http_parser_settings_init(&s.settings);
#endif
  s.settings.on_message_begin = call<State, &State::on_begin>;
  s.settings.on_url = call_data<State, &State::on_url>;
  s.settings.on_header_field = call_data<State, &State::on_field>;
  s.settings.on_header_value = call_data<State, &State::on_value>;
  s.settings.on_headers_complete = call<State, &State::on_head>;
  s.settings.on_body = call_data<State, &State::on_body>;
  s.settings.on_message_complete = call<State, &State::on_complete>;
#if defined(STREAMR_HTTP_LLHTTP)
  llhttp_init(&s.parser, HTTP_REQUEST, &s.settings);
#else
  http_parser_init(&s.parser, HTTP_REQUEST);
#endif
  s.parser.data = &s;
}

HttpParser::~HttpParser() = default;

// A wish to upgrade the protocol is passed over, as HTTP allows: what follows is the next request.
bool HttpParser::feed(const char* bytes, size_t len) {
  State& s = *state_;
#if defined(STREAMR_HTTP_LLHTTP)
  auto result = llhttp_execute(&s.parser, bytes, len);
  while (result == HPE_PAUSED_UPGRADE) {
    const char* rest = llhttp_get_error_pos(&s.parser);
    llhttp_resume_after_upgrade(&s.parser);
    result = llhttp_execute(&s.parser, rest, static_cast<size_t>(bytes + len - rest));
  }
  const bool good = result == HPE_OK;
#else
  size_t read = http_parser_execute(&s.parser, &s.settings, bytes, len);
  while (s.parser.upgrade != 0 && s.parser.http_errno == HPE_OK && !s.begun) {
    http_parser_init(&s.parser, HTTP_REQUEST);
    read += http_parser_execute(&s.parser, &s.settings, bytes + read, len - read);
  }
  const bool good = read == len && s.parser.http_errno == HPE_OK;
#endif
  if (good) return true;
  if (s.refusal.status == 0) {
#if !defined(STREAMR_HTTP_LLHTTP)
    if (s.parser.http_errno == HPE_INVALID_METHOD) {
      s.refuse(405, "method_not_allowed", "expected GET, HEAD, POST or OPTIONS, another method came");
      return false;
    }
#else
    if (llhttp_get_errno(&s.parser) == HPE_INVALID_METHOD) {
      s.refuse(405, "method_not_allowed", "expected GET, HEAD, POST or OPTIONS, another method came");
      return false;
    }
#endif
    s.refuse(400, "malformed_request", "expected an HTTP/1.1 request, its form is wrong");
  }
  return false;
}

const HttpParser::Refusal& HttpParser::refusal() const {
  return state_->refusal;
}
bool HttpParser::in_request() const {
  return state_->begun;
}
bool HttpParser::in_body() const {
  return state_->body;
}

}  // namespace coordinator
