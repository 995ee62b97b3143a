// Decides whether octets are one acceptable HTTP/1.1 request, behind one adapter over llhttp or http_parser; what the
// kept parser lets pass and we do not is refused here too (lengths named twice, bad bytes, folded lines, limits). Never
// answers, never keeps a socket, never buffers more than its limits. Called by io/connection and the HTTP fuzzer.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "io/chunk_framing.hpp"

namespace streamr::io {

namespace http_limits {
constexpr std::size_t target_bytes = 8 * 1024;
constexpr std::size_t header_bytes = 16 * 1024;  // all field lines together
constexpr std::size_t fields = 64;
constexpr std::size_t body_bytes = 64 * 1024;
constexpr std::size_t framing_bytes = 64 * 1024;  // chunk sizes and trailers around a body
}  // namespace http_limits

struct HttpHead {
  std::string method;
  std::string target;  // origin-form; the authority of an absolute-form is cut off
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case, values trimmed
  bool http_1_1 = false;
  bool keep_alive = false;
  bool expects_continue = false;

  std::string_view header(std::string_view lower_case_name) const;
};

struct HttpRefusal {
  int status = 400;
  std::string text;
};

class HttpParser {
 public:
  enum class Step {
    more,      // all octets were taken, the request is not whole
    head,      // head() is ready, a body follows
    complete,  // head() and body are ready; octets that follow were not taken
    refused,   // refusal() says what to answer; the connection is of no more use
  };

  HttpParser();
  ~HttpParser();

  // Takes octets from the front of `bytes`.
  Step feed(ByteView& bytes);
  const HttpHead& head() const { return head_; }
  HttpHead& head() { return head_; }
  SharedBytes take_body() { return SharedBytes::take(std::move(body_)); }
  const HttpRefusal& refusal() const { return refusal_; }
  // Nothing of a next request has come.
  bool idle() const { return !in_body_ && raw_head_.empty() && !empty_line_; }
  bool in_body() const { return in_body_; }
  // Ready for the next request on the same connection.
  void reset();

 private:
  struct Engine;

  Step refuse(int status, std::string text);
  Step feed_head(ByteView& bytes);
  Step feed_body(ByteView& bytes);
  bool take_head(ByteView octets);
  bool check_head_size();
  void end_line();
  Step parse_head();
  bool check_request_line();
  bool check_method(std::string_view method);
  bool check_target(std::string_view target);
  bool check_fields();
  bool check_lengths();

  std::unique_ptr<Engine> engine_;
  HttpHead head_;
  HttpRefusal refusal_;
  std::string raw_head_;
  std::size_t line_start_ = 0;    // of the line that is coming in
  std::size_t fields_start_ = 0;  // 0 until the request line ended
  bool empty_line_ = false;       // one stood before the request
  bool in_body_ = false;
  bool chunked_ = false;
  ChunkFraming framing_;
  ByteVector body_;
  std::size_t body_wire_bytes_ = 0;
};

}  // namespace streamr::io
