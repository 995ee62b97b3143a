#include "coordinator/http/old_query.hpp"

#include <algorithm>

#include "coordinator/rules/errors.hpp"
#include "coordinator/rules/json_out.hpp"
#include "coordinator/rules/text.hpp"

namespace coordinator {
namespace {

[[noreturn]] void refuse(const std::string& type, const std::string& name, const std::string& message,
                         const std::string& input) {
  ApiError error{422, type == "int_parsing" ? "wrong_type" : "out_of_range", message};
  JsonOut detail;
  detail.array().object().member("type", type).array("loc").text("query").text(name).end_array();
  detail.member("msg", message).member("input", input).end_object().end_array();
  error.detail = detail.str();
  throw error;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

}  // namespace

int64_t query_number(const Request& request, const std::string& name, int64_t otherwise, int64_t low, int64_t high) {
  const auto text = request.argument(name);
  if (!text) return otherwise;
  const auto value = parse_i64(*text);
  if (!value) refuse("int_parsing", name, "expected a whole number in \"" + name + "\"", *text);
  if (*value < low || *value > high) {
    refuse(*value < low ? "greater_than_equal" : "less_than_equal", name,
           "expected " + std::to_string(low) + " to " + std::to_string(high) + " in \"" + name + "\"", *text);
  }
  return *value;
}

std::string query_word(const Request& request, const std::string& name, const std::string& otherwise,
                       const std::vector<std::string>& allowed) {
  const std::string word = request.argument(name).value_or(otherwise);
  if (std::find(allowed.begin(), allowed.end(), word) == allowed.end()) {
    refuse("enum", name, "expected one of " + joined(allowed) + " in \"" + name + "\"", word);
  }
  return word;
}

std::vector<std::string> query_words(const Request& request, const std::string& name, const std::string& otherwise,
                                     const std::vector<std::string>& allowed) {
  std::vector<std::string> words;
  for (const auto& [key, value] : request.query) {
    if (key != name) continue;
    if (std::find(allowed.begin(), allowed.end(), value) == allowed.end()) {
      refuse("enum", name, "expected one of " + joined(allowed) + " in \"" + name + "\"", value);
    }
    words.push_back(value);
  }
  if (words.empty()) words.push_back(otherwise);
  return words;
}

}  // namespace coordinator
