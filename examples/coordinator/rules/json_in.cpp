#include "coordinator/rules/json_in.hpp"

#include <cmath>
#include <cstring>

#include "coordinator/rules/errors.hpp"
#include "coordinator/rules/text.hpp"
#include "streamr/streamr.h"

namespace coordinator {
namespace {

constexpr uint32_t kMaxDepth = 16;

}  // namespace

JsonBody::JsonBody(const std::string& text, size_t max_bytes) {
  streamr_error_t error = STREAMR_ERROR_INIT;
  const auto status = streamr_control_check_json(text.data(), text.size(), max_bytes, kMaxDepth, &error);
  if (status != STREAMR_OK) {
    const std::string reason = error.text[0] != '\0' ? error.text : streamr_status_message(status);
    throw bad("malformed_json",
              "expected strict JSON (UTF-8, depth at most 16, no duplicate member, whole numbers): " + reason);
  }
  // A zero character would end a string early in every C library that reads it later.
  if (text.find("\\u0000") != std::string::npos) {
    throw bad("malformed_json", "expected text without the zero character, \\u0000 came");
  }
  tree_.reset(cJSON_ParseWithLength(text.data(), text.size()));
  if (!tree_) throw bad("malformed_json", "expected JSON, it could not be read");
  if (!cJSON_IsObject(tree_.get())) throw bad("wrong_type", "expected a JSON object, another value came");
}

const cJSON* JsonValue::find(const char* name) const {
  return cJSON_GetObjectItemCaseSensitive(node_, name);
}

std::string JsonValue::at(const char* name) const {
  return path_.empty() ? name : path_ + "." + name;
}

const cJSON* JsonValue::need(const char* name) const {
  const cJSON* found = find(name);
  if (found == nullptr) throw bad("missing_member", "expected the member \"" + at(name) + "\", it is missing");
  return found;
}

bool JsonValue::has(const char* name) const {
  return find(name) != nullptr;
}

std::string JsonValue::string_of(const cJSON* node, const std::string& where, size_t max_bytes) const {
  if (!cJSON_IsString(node)) throw bad("wrong_type", "expected text in \"" + where + "\", another type came");
  const std::string value(node->valuestring);
  if (value.size() > max_bytes) {
    throw out_of_range("expected at most " + std::to_string(max_bytes) + " bytes in \"" + where + "\", " +
                       std::to_string(value.size()) + " came");
  }
  return value;
}

int64_t JsonValue::integer_of(const cJSON* node, const std::string& where, int64_t low, int64_t high) const {
  if (!cJSON_IsNumber(node)) throw bad("wrong_type", "expected a whole number in \"" + where + "\", another type came");
  const double value = node->valuedouble;
  if (!(value >= static_cast<double>(low) && value <= static_cast<double>(high)) || std::floor(value) != value) {
    throw out_of_range("expected " + std::to_string(low) + " to " + std::to_string(high) + " in \"" + where +
                       "\", another number came");
  }
  return static_cast<int64_t>(value);
}

std::string JsonValue::text(const char* name, size_t max_bytes) const {
  return string_of(need(name), at(name), max_bytes);
}

std::optional<std::string> JsonValue::optional_text(const char* name, size_t max_bytes) const {
  if (!has(name)) return std::nullopt;
  return text(name, max_bytes);
}

int64_t JsonValue::integer(const char* name, int64_t low, int64_t high) const {
  return integer_of(need(name), at(name), low, high);
}

int64_t JsonValue::optional_integer(const char* name, int64_t low, int64_t high, int64_t otherwise) const {
  return has(name) ? integer(name, low, high) : otherwise;
}

std::string JsonValue::hex(const char* name, size_t bytes) const {
  const cJSON* node = need(name);
  if (!cJSON_IsString(node)) throw bad("wrong_type", "expected hex digits in \"" + at(name) + "\", another type came");
  auto value = from_hex(node->valuestring, bytes);
  if (!value) {
    throw out_of_range("expected " + std::to_string(bytes * 2) + " lower-case hex digits in \"" + at(name) + "\", " +
                       std::to_string(std::strlen(node->valuestring)) + " characters came");
  }
  return *value;
}

uint64_t JsonValue::decimal(const char* name) const {
  const auto value = parse_u64(string_of(need(name), at(name), 64));
  if (!value) throw out_of_range("expected a decimal number as text in \"" + at(name) + "\"");
  return *value;
}

JsonValue JsonValue::object(const char* name) const {
  const cJSON* node = need(name);
  if (!cJSON_IsObject(node)) throw bad("wrong_type", "expected an object in \"" + at(name) + "\", another type came");
  return JsonValue(node, at(name));
}

std::vector<JsonValue> JsonValue::array(const char* name, size_t max_items) const {
  const cJSON* node = need(name);
  if (!cJSON_IsArray(node)) throw bad("wrong_type", "expected a list in \"" + at(name) + "\", another type came");
  const auto count = static_cast<size_t>(cJSON_GetArraySize(node));
  if (count > max_items) {
    throw out_of_range("expected at most " + std::to_string(max_items) + " items in \"" + at(name) + "\", " +
                       std::to_string(count) + " came");
  }
  std::vector<JsonValue> items;
  items.reserve(count);
  const cJSON* item = nullptr;
  cJSON_ArrayForEach(item, node) items.emplace_back(item, at(name) + "[" + std::to_string(items.size()) + "]");
  return items;
}

std::string JsonValue::as_text(size_t max_bytes) const {
  return string_of(node_, path_, max_bytes);
}

void JsonValue::require_object() const {
  if (!cJSON_IsObject(node_)) throw bad("wrong_type", "expected an object in \"" + path_ + "\", another type came");
}

}  // namespace coordinator
