#include "io/http_parser.hpp"

#include <algorithm>
#include <cstring>

#include "io/http_engine.hpp"

namespace streamr::io {
namespace {

bool is_token_char(unsigned char c) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  return c != 0 && std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos;
}

bool is_token(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_token_char(static_cast<unsigned char>(c)); });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

bool is_version(std::string_view text) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return text.size() == 8 && text.starts_with("HTTP/") && digit(text[5]) && text[6] == '.' && digit(text[7]);
}

// A host with an optional port: no path, user name, list or blank inside.
bool is_host_value(std::string_view value) {
  return value.find_first_of(" \t/@,?#\\") == std::string_view::npos;
}

}  // namespace

std::string_view HttpHead::header(std::string_view lower_case_name) const {
  for (const auto& [name, value] : headers)
    if (name == lower_case_name) return value;
  return {};
}

struct HttpParser::Engine : HttpEngine {};

HttpParser::HttpParser() : engine_(std::make_unique<Engine>()) {}
HttpParser::~HttpParser() = default;

void HttpParser::reset() {
  head_ = {};
  refusal_ = {};
  raw_head_.clear();
  line_start_ = fields_start_ = 0;
  empty_line_ = in_body_ = chunked_ = false;
  framing_ = {};
  body_.clear();
  body_wire_bytes_ = 0;
}

HttpParser::Step HttpParser::refuse(int status, std::string text) {
  refusal_ = {status, std::move(text)};
  return Step::refused;
}

HttpParser::Step HttpParser::feed(ByteView& bytes) {
  if (refusal_.text.size()) return Step::refused;
  return in_body_ ? feed_body(bytes) : feed_head(bytes);
}

HttpParser::Step HttpParser::feed_head(ByteView& bytes) {
  while (!bytes.empty()) {
    const auto* const line_feed = static_cast<const std::uint8_t*>(std::memchr(bytes.data(), '\n', bytes.size()));
    const std::size_t size = line_feed != nullptr ? static_cast<std::size_t>(line_feed - bytes.data()) + 1 : bytes.size();
    const ByteView taken = bytes.first(size);
    bytes = bytes.subspan(size);
    if (!take_head(taken)) return Step::refused;
    if (fields_start_ != 0 && line_start_ == raw_head_.size() && raw_head_.ends_with("\r\n\r\n")) return parse_head();
  }
  return Step::more;
}

// Keeps the head line by line and refuses early what can only get worse. A line feed can only be the last octet here.
bool HttpParser::take_head(ByteView octets) {
  const bool after_cr = raw_head_.ends_with('\r');
  const bool line_ends = octets.back() == '\n';
  std::size_t inside = octets.size() - (line_ends ? 1 : 0);
  const bool cr_last = inside == 0 ? after_cr : octets[inside - 1] == '\r';
  bool framed = (!after_cr || inside == 0) && (!line_ends || cr_last);
  if (inside != 0 && cr_last) --inside;
  bool control = false;
  for (const std::uint8_t octet : octets.first(inside)) {
    framed &= octet != '\r';
    control |= (octet < 0x20 && octet != '\t' && octet != '\r') || octet == 0x7F;
  }
  if (!framed) {
    refuse(400, "every line of a request ends with CR LF, and neither stands anywhere else");
    return false;
  }
  if (control) {
    refuse(400, "a control character stands in the head of the request");
    return false;
  }
  if (raw_head_.size() == line_start_ && fields_start_ != 0 && (octets[0] == ' ' || octets[0] == '\t')) {
    refuse(400, "folded header lines are not accepted");
    return false;
  }
  raw_head_.append(reinterpret_cast<const char*>(octets.data()), octets.size());
  if (!check_head_size()) return false;
  if (line_ends) end_line();
  return true;
}

bool HttpParser::check_head_size() {
  if (fields_start_ == 0 && raw_head_.size() > http_limits::target_bytes + 64) {
    refuse(414, "the request target is longer than 8192 bytes");
    return false;
  }
  if (fields_start_ != 0 && raw_head_.size() - fields_start_ > http_limits::header_bytes) {
    refuse(431, "the header fields are longer than 16384 bytes");
    return false;
  }
  return true;
}

void HttpParser::end_line() {
  line_start_ = raw_head_.size();
  if (raw_head_ == "\r\n" && !empty_line_) {  // one empty line before a request is forgiven (RFC 9112 §2.2)
    empty_line_ = true;
    raw_head_.clear();
    line_start_ = 0;
  } else if (fields_start_ == 0) {
    fields_start_ = line_start_;
  }
}

HttpParser::Step HttpParser::parse_head() {
  if (!check_request_line()) return Step::refused;
  std::string method = std::move(head_.method), target = std::move(head_.target);
  const bool http_1_1 = head_.http_1_1;
  engine_->begin();
  const bool readable = engine_->feed(raw_head_.data(), raw_head_.size());
  head_ = {};
  head_.method = std::move(method);
  head_.target = std::move(target);
  head_.http_1_1 = http_1_1;
  for (auto& [name, value] : engine_->fields) {
    if (!is_token(name)) return refuse(400, "a header name holds a character that is not allowed there");
    head_.headers.emplace_back(lower(name), trimmed(value));
  }
  // Our own judgement comes first: it names the fault, and the status that belongs to it.
  if (!check_fields() || !check_lengths()) return Step::refused;
  if (!readable) return refuse(400, std::string("the request cannot be read: ") + engine_->problem());
  head_.keep_alive = engine_->keep_alive;
  if (engine_->complete) return Step::complete;
  in_body_ = true;
  chunked_ = !head_.header("transfer-encoding").empty();
  return Step::head;
}

bool HttpParser::check_request_line() {
  const std::string_view line = std::string_view(raw_head_).substr(0, fields_start_ - 2);
  const auto first = line.find(' '), last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) {
    refuse(400, "the request line is METHOD TARGET HTTP/1.1");
    return false;
  }
  const auto method = line.substr(0, first), version = line.substr(last + 1);
  const auto target = line.substr(first + 1, last - first - 1);
  const auto printable = [](char c) { return c > 0x20 && c < 0x7F; };
  if (!is_token(method) || !is_version(version) || target.empty() ||
      !std::all_of(target.begin(), target.end(), printable)) {
    refuse(400, "the request line is METHOD TARGET HTTP/1.1, each in its own characters");
    return false;
  }
  if (target.size() > http_limits::target_bytes) {
    refuse(414, "the request target is longer than 8192 bytes");
    return false;
  }
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    refuse(505, "HTTP/1.1 and HTTP/1.0 are spoken here, not " + std::string(version));
    return false;
  }
  head_.method = method;
  head_.http_1_1 = version == "HTTP/1.1";
  return check_method(method) && check_target(target);
}

bool HttpParser::check_method(std::string_view method) {
  static constexpr std::string_view answered[] = {"GET", "HEAD", "POST", "OPTIONS"};
  static constexpr std::string_view known[] = {"PUT", "DELETE", "PATCH", "TRACE", "CONNECT"};
  if (std::find(std::begin(answered), std::end(answered), method) != std::end(answered)) return true;
  if (std::find(std::begin(known), std::end(known), method) != std::end(known))
    refuse(405, "GET, HEAD, POST and OPTIONS are answered here");
  else
    refuse(501, "this method is not known here");
  return false;
}

bool HttpParser::check_target(std::string_view target) {
  if (target.starts_with("http://") || target.starts_with("https://")) {
    const auto slash = target.find('/', target.find("//") + 2);
    target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
  } else if (target.front() != '/' && !(target == "*" && head_.method == "OPTIONS")) {
    refuse(400, "the request target begins with /");
    return false;
  }
  head_.target = target;
  return true;
}

bool HttpParser::check_fields() {
  if (head_.headers.size() > http_limits::fields) {
    refuse(431, "more than 64 header fields");
    return false;
  }
  std::size_t hosts = 0;
  for (const auto& [name, value] : head_.headers) {
    if (name == "host" && (++hosts > 1 || !is_host_value(value))) {
      refuse(400, "exactly one Host field with a host and perhaps a port is expected");
      return false;
    }
  }
  if (hosts == 0 && head_.http_1_1) {
    refuse(400, "HTTP/1.1 requires a Host field");
    return false;
  }
  const auto expect = lower(head_.header("expect"));
  head_.expects_continue = head_.http_1_1 && expect == "100-continue";
  if (!expect.empty() && expect != "100-continue") {
    refuse(417, "100-continue is the only expectation that is met here");
    return false;
  }
  return true;
}

// Whoever reads the end of a body differently from a front before us can be made to smuggle requests: one length, one
// form.
bool HttpParser::check_lengths() {
  std::size_t lengths = 0, encodings = 0;
  for (const auto& [name, value] : head_.headers) {
    lengths += name == "content-length";
    encodings += name == "transfer-encoding";
  }
  if (lengths > 1 || encodings > 1 || (lengths && encodings)) {
    refuse(400, "the length of a body is told once, by Content-Length or by Transfer-Encoding");
    return false;
  }
  if (encodings) {
    if (!head_.http_1_1) {
      refuse(400, "HTTP/1.0 has no Transfer-Encoding");
      return false;
    }
    if (lower(head_.header("transfer-encoding")) != "chunked") {
      refuse(501, "chunked is the only Transfer-Encoding that is read here");
      return false;
    }
  }
  if (lengths) {
    const auto digits = head_.header("content-length");
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    if (digits.empty() || !std::all_of(digits.begin(), digits.end(), digit)) {
      refuse(400, "Content-Length is a decimal number");
      return false;
    }
    const auto significant = digits.substr(std::min(digits.find_first_not_of('0'), digits.size()));
    if (significant.size() > 6 ||
        (!significant.empty() && std::stoul(std::string(significant)) > http_limits::body_bytes)) {
      refuse(413, "the body is longer than 65536 bytes");
      return false;
    }
  }
  return true;
}

HttpParser::Step HttpParser::feed_body(ByteView& bytes) {
  engine_->body = &body_;
  if (chunked_ && !framing_.take(bytes)) return refuse(400, "the chunks of the body are not framed as RFC 9112 asks");
  const std::size_t before = bytes.size();
  std::size_t taken = 0;
  const bool ok = engine_->feed(reinterpret_cast<const char*>(bytes.data()), before, &taken);
  bytes = bytes.subspan(std::min(taken, before));
  body_wire_bytes_ += taken;
  if (engine_->body_too_long || body_wire_bytes_ > http_limits::body_bytes + http_limits::framing_bytes)
    return refuse(413, "the body is longer than 65536 bytes");
  if (!ok) return refuse(400, std::string("the body cannot be read: ") + engine_->problem());
  if (engine_->complete) {
    in_body_ = false;
    return Step::complete;
  }
  return Step::more;
}

}  // namespace streamr::io
