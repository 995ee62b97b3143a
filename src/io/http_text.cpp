#include "io/http_text.hpp"

#include <ctime>

namespace streamr::io {
namespace {

std::string http_date() {
  static constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[40];
  std::snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[utc.tm_wday], utc.tm_mday,
                months[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
  return text;
}

}  // namespace

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 425: return "Too Early";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Status";
  }
}

bool status_has_body(int status) {
  return status >= 200 && status != 204 && status != 304;
}

std::string shared_answer_head(int status, const std::vector<std::pair<std::string, std::string>>& headers,
                               const AnswerForm& form) {
  std::string out = "HTTP/1.1 ";
  out += std::to_string(status);
  out += ' ';
  out += reason_phrase(status);
  for (const auto& [name, value] : headers) {
    out += "\r\n";
    out += name;
    out += ": ";
    out += value;
  }
  if (form.has_body && form.content_length)
    out += "\r\nContent-Length: " + std::to_string(*form.content_length);
  else if (form.has_body && form.http_1_1)
    out += "\r\nTransfer-Encoding: chunked";
  return out;
}

std::string answer_tail(const AnswerForm& form) {
  std::string out = "\r\nDate: ";
  out += http_date();
  if (!form.keep_alive)
    out += "\r\nConnection: close";
  else if (!form.http_1_1)
    out += "\r\nConnection: keep-alive";
  out += "\r\n\r\n";
  return out;
}

std::string answer_head(int status, const std::vector<std::pair<std::string, std::string>>& headers,
                        const AnswerForm& form) {
  return shared_answer_head(status, headers, form) + answer_tail(form);
}

std::string refusal_answer(const HttpRefusal& refusal, bool head_only) {
  std::vector<std::pair<std::string, std::string>> headers = {{"Content-Type", "text/plain; charset=utf-8"},
                                                              {"Cache-Control", "no-store"},
                                                              {"Access-Control-Allow-Origin", "*"}};
  if (refusal.status == 405) headers.emplace_back("Allow", "GET, HEAD, POST, OPTIONS");
  if (refusal.status == 503) headers.emplace_back("Retry-After", "2");
  if (refusal.status == 400 && refusal.text.starts_with("Sec-WebSocket-Version"))
    headers.emplace_back("Sec-WebSocket-Version", "13");
  if (refusal.status == 426) headers.emplace_back("Upgrade", "websocket");
  const std::string body = refusal.text + "\n";
  AnswerForm form;
  form.keep_alive = false;
  form.content_length = body.size();
  std::string out = answer_head(refusal.status, headers, form);
  if (!head_only) out += body;
  return out;
}

}  // namespace streamr::io
