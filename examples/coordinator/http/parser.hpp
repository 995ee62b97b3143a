// Decides where one HTTP/1.1 request ends and the next begins, within limits of its own.
// Never answers: it hands over whole requests or one refusal.
// Called by http/server with the octets of one connection.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "coordinator/http/message.hpp"

namespace coordinator {

struct ParserEvents {
  // The head is complete: the largest body that this request may bring.
  std::function<size_t(const std::string& method, const std::string& path)> body_limit;
  std::function<void(bool keep_alive)> expects_continue;
  std::function<void(Request&& request, bool keep_alive)> request;
};

class HttpParser {
 public:
  static constexpr size_t kMaxHeadBytes = 16 * 1024;

  explicit HttpParser(ParserEvents events);
  ~HttpParser();
  HttpParser(const HttpParser&) = delete;
  HttpParser& operator=(const HttpParser&) = delete;

  // False when the connection cannot go on; then refusal() says why (status 0: nothing to say).
  bool feed(const char* bytes, size_t len);

  struct Refusal {
    int status = 0;
    std::string code;
    std::string message;
  };
  const Refusal& refusal() const;
  // Whether a request has begun and is not complete.
  bool in_request() const;
  bool in_body() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace coordinator
