// Decides whether a body is JSON that the protocol allows and whether each member is there, of its type and in range.
// Never keeps the body; never guesses a missing member.
// Called by the routes; a refusal is thrown as ApiError with the protocol's word.
#pragma once

#include <cJSON.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace coordinator {

constexpr int64_t kMaxInteger = 9'007'199'254'740'991;  // 2^53 - 1: integers beyond travel as text

class JsonValue {
 public:
  explicit JsonValue(const cJSON* node, std::string path) : node_(node), path_(std::move(path)) {}

  bool has(const char* name) const;
  std::string text(const char* name, size_t max_bytes) const;
  std::optional<std::string> optional_text(const char* name, size_t max_bytes) const;
  int64_t integer(const char* name, int64_t low, int64_t high) const;
  int64_t optional_integer(const char* name, int64_t low, int64_t high, int64_t otherwise) const;
  std::string hex(const char* name, size_t bytes) const;
  uint64_t decimal(const char* name) const;  // a u64 as text
  JsonValue object(const char* name) const;
  std::vector<JsonValue> array(const char* name, size_t max_items) const;

  // The value itself, as an item of an array.
  std::string as_text(size_t max_bytes) const;
  void require_object() const;

 private:
  const cJSON* find(const char* name) const;
  const cJSON* need(const char* name) const;
  std::string at(const char* name) const;
  std::string string_of(const cJSON* node, const std::string& where, size_t max_bytes) const;
  int64_t integer_of(const cJSON* node, const std::string& where, int64_t low, int64_t high) const;

  const cJSON* node_;
  std::string path_;
};

class JsonBody {
 public:
  // Throws 400 malformed_json or wrong_type (the outermost value must be an object).
  JsonBody(const std::string& text, size_t max_bytes);
  JsonValue root() const { return JsonValue(tree_.get(), ""); }

 private:
  struct Free {
    void operator()(cJSON* node) const { cJSON_Delete(node); }
  };
  std::unique_ptr<cJSON, Free> tree_;
};

}  // namespace coordinator
