// Decides how the kept HTTP parser is driven: llhttp (STREAMR_HTTP_LLHTTP) or http_parser (STREAMR_HTTP_PARSER),
// strict as far as the library was built so. Never judges what it collected; that is http_parser.cpp for requests and
// ws_client.cpp for answers, its only callers.
#pragma once

#include <string>
#include <utility>
#include <vector>

#if defined(STREAMR_HTTP_LLHTTP)
#include <llhttp.h>
#else
#include <http_parser.h>
#endif

#include "base/bytes.hpp"

namespace streamr::io {

struct HttpEngine {
  std::vector<std::pair<std::string, std::string>> fields;
  ByteVector* body = nullptr;
  std::size_t body_limit = 64 * 1024;
  bool keep_alive = false;
  bool head_done = false;
  bool complete = false;
  bool body_too_long = false;

  enum class Reads : std::uint8_t { requests, answers };
  void begin(Reads what = Reads::requests);
  // Stops after the last octet of a request; `taken` tells where.
  bool feed(const char* data, std::size_t size, std::size_t* taken = nullptr);
  const char* problem() const;

 private:
#if defined(STREAMR_HTTP_LLHTTP)
  using Parser = llhttp_t;
  using Settings = llhttp_settings_t;
#else
  using Parser = ::http_parser;
  using Settings = http_parser_settings;
#endif
  static HttpEngine& self(Parser* parser) {
    return *static_cast<HttpEngine*>(parser->data);
  }
  static int on_field(Parser* parser, const char* at, std::size_t size);
  static int on_value(Parser* parser, const char* at, std::size_t size);
  static int on_head(Parser* parser);
  static int on_body(Parser* parser, const char* at, std::size_t size);
  static int on_complete(Parser* parser);

  Parser parser_{};
  Settings settings_{};
  bool in_value_ = false;
  int error_ = 0;
};

}  // namespace streamr::io
