#include "io/http_engine.hpp"

namespace streamr::io {

void HttpEngine::begin(Reads what) {
  fields.clear();
  body = nullptr;
  keep_alive = head_done = complete = body_too_long = in_value_ = false;
  error_ = 0;
#if defined(STREAMR_HTTP_LLHTTP)
  llhttp_settings_init(&settings_);
#else
  http_parser_settings_init(&settings_);
#endif
  settings_.on_header_field = &on_field;
  settings_.on_header_value = &on_value;
  settings_.on_headers_complete = &on_head;
  settings_.on_body = &on_body;
  settings_.on_message_complete = &on_complete;
#if defined(STREAMR_HTTP_LLHTTP)
  settings_.on_header_value_complete = [](llhttp_t* parser) {
    self(parser).in_value_ = true;
    return 0;
  };
  llhttp_init(&parser_, what == Reads::requests ? HTTP_REQUEST : HTTP_RESPONSE, &settings_);
#else
  http_parser_init(&parser_, what == Reads::requests ? HTTP_REQUEST : HTTP_RESPONSE);
#endif
  parser_.data = this;
}

int HttpEngine::on_field(Parser* parser, const char* at, std::size_t size) {
  HttpEngine& me = self(parser);
  if (me.head_done) return 0;  // trailers are read over
  if (me.in_value_ || me.fields.empty()) me.fields.emplace_back();
  me.in_value_ = false;
  me.fields.back().first.append(at, size);
  return 0;
}

int HttpEngine::on_value(Parser* parser, const char* at, std::size_t size) {
  HttpEngine& me = self(parser);
  if (me.head_done || me.fields.empty()) return 0;
  me.in_value_ = true;
  me.fields.back().second.append(at, size);
  return 0;
}

int HttpEngine::on_head(Parser* parser) {
  HttpEngine& me = self(parser);
  me.head_done = true;
#if defined(STREAMR_HTTP_LLHTTP)
  me.keep_alive = llhttp_should_keep_alive(parser) != 0;
#else
  me.keep_alive = http_should_keep_alive(parser) != 0;
#endif
  return 0;
}

int HttpEngine::on_body(Parser* parser, const char* at, std::size_t size) {
  HttpEngine& me = self(parser);
  if (!me.body || me.body->size() + size > me.body_limit) {
    me.body_too_long = true;
    return 1;
  }
  me.body->insert(me.body->end(), at, at + size);
  return 0;
}

int HttpEngine::on_complete(Parser* parser) {
  self(parser).complete = true;
#if defined(STREAMR_HTTP_LLHTTP)
  return HPE_PAUSED;
#else
  http_parser_pause(parser, 1);
  return 0;
#endif
}

bool HttpEngine::feed(const char* data, std::size_t size, std::size_t* taken) {
  std::size_t count = size;
#if defined(STREAMR_HTTP_LLHTTP)
  const llhttp_errno_t code = llhttp_execute(&parser_, data, size);
  if (code != HPE_OK) count = static_cast<std::size_t>(llhttp_get_error_pos(&parser_) - data);
  error_ = static_cast<int>(code);
  const bool ok = code == HPE_OK || (complete && (code == HPE_PAUSED || code == HPE_PAUSED_UPGRADE));
#else
  count = http_parser_execute(&parser_, &settings_, data, size);
  error_ = static_cast<int>(HTTP_PARSER_ERRNO(&parser_));
  const bool ok = error_ == HPE_OK || (complete && error_ == HPE_PAUSED);
#endif
  if (taken) *taken = count;
  return ok;
}

const char* HttpEngine::problem() const {
#if defined(STREAMR_HTTP_LLHTTP)
  const char* reason = llhttp_get_error_reason(&parser_);
  return reason && *reason ? reason : llhttp_errno_name(static_cast<llhttp_errno_t>(error_));
#else
  return http_errno_description(static_cast<http_errno>(error_));
#endif
}

}  // namespace streamr::io
