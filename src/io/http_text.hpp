// Decides the head of an HTTP answer: status line, Date, lengths, Connection; and the short text of a refusal.
// Never decides what is answered.
// Called by io/connection and io/answer_table.
#pragma once

#include <optional>
#include <string>

#include "core/http.hpp"
#include "io/http_parser.hpp"

namespace streamr::io {

std::string_view reason_phrase(int status);
bool status_has_body(int status);

struct AnswerForm {
  bool http_1_1 = true;
  bool keep_alive = true;
  std::optional<std::uint64_t> content_length;  // none: chunked on 1.1, until close on 1.0
  bool has_body = true;                         // false for 1xx, 204 and 304: no length is told
};
// Status line and fields up to and with the empty line.
std::string answer_head(int status, const std::vector<std::pair<std::string, std::string>>& headers,
                        const AnswerForm& form);
// The same without Date, Connection and the empty line, which differ from client to client: answer_tail has them.
std::string shared_answer_head(int status, const std::vector<std::pair<std::string, std::string>>& headers,
                               const AnswerForm& form);
std::string answer_tail(const AnswerForm& form);
// A whole answer with a line of text that ends the connection.
std::string refusal_answer(const HttpRefusal& refusal, bool head_only = false);

}  // namespace streamr::io
