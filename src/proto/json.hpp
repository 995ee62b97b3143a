// Decides which JSON text the library accepts (protocol §6) and how it reads and writes it; cJSON builds the tree.
// Never guesses: no double, no member in other case, no second member of the same name, no character after the value.
// Called by core/presence, io and capi.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

struct cJSON;

namespace streamr::proto {

struct JsonLimits {
  std::size_t max_bytes = 64 * 1024;
  std::uint32_t max_depth = 16;       // arrays and objects inside one another; never more than 256
  std::size_t max_nodes = 16 * 1024;  // values of every kind: bounds the memory that a small text can ask for
};

struct JsonTree;  // the cJSON tree and the exact integers of one document

// A value inside a JsonDocument; valid as long as the document lives, also after it was moved. Cheap to copy.
// Errors have status E_MALFORMED and a sentence that names the member. An integer may be anything that fits 64 bits;
// a larger one is no error until somebody reads it.
class JsonView {
 public:
  bool is_object() const;
  bool is_array() const;
  bool is_string() const;
  bool is_number() const;
  bool is_bool() const;
  bool is_null() const;

  // The value itself; `what` names it in the error.
  Result<std::string_view> as_string(std::string_view what) const;
  Result<std::uint64_t> as_u64(std::string_view what, std::uint64_t max = UINT64_MAX) const;
  Result<std::int64_t> as_i64(std::string_view what, std::int64_t min = INT64_MIN, std::int64_t max = INT64_MAX) const;
  Result<bool> as_bool(std::string_view what) const;
  Result<ByteVector> as_hex(std::string_view what, std::size_t max_bytes) const;
  template <class Fixed>
  Result<Fixed> as_fixed(std::string_view what) const {
    Fixed out;
    if (Status read = read_fixed(what, out.octets); !read) return read.error();
    return out;
  }

  // Members of an object; anything else has none.
  bool has(std::string_view name) const { return find(name).has_value(); }
  std::optional<JsonView> find(std::string_view name) const;
  Result<JsonView> get(std::string_view name) const;  // any type
  Result<JsonView> get_object(std::string_view name) const;
  Result<JsonView> get_array(std::string_view name) const;
  Result<std::string_view> get_string(std::string_view name) const;
  Result<std::uint64_t> get_u64(std::string_view name, std::uint64_t max = UINT64_MAX) const;
  Result<std::int64_t> get_i64(std::string_view name, std::int64_t min = INT64_MIN, std::int64_t max = INT64_MAX) const;
  Result<bool> get_bool(std::string_view name) const;
  Result<std::uint64_t> get_decimal_u64(std::string_view name) const;  // an epoch: a string of digits
  Result<std::int64_t> get_decimal_i64(std::string_view name) const;  // money: a string of digits, perhaps with a minus
  Result<ByteVector> get_hex(std::string_view name, std::size_t max_bytes) const;
  template <class Fixed>
  Result<Fixed> get_fixed(std::string_view name) const {  // lower-case hex of exactly that size
    const auto member = find(name);
    if (!member) return missing(name);
    return member->as_fixed<Fixed>(name);
  }

  // Elements of an array, members of an object, in the order of the text; 0 for anything else.
  std::size_t size() const;
  std::string_view name() const;  // as a member; empty otherwise
  class Iterator;
  Iterator begin() const;
  Iterator end() const;

 private:
  friend class JsonDocument;
  JsonView(const cJSON* node, const JsonTree* tree) : node_(node), tree_(tree) {}
  static Error missing(std::string_view name);
  Status read_fixed(std::string_view what, std::span<std::uint8_t> out) const;

  const cJSON* node_;
  const JsonTree* tree_;
};

class JsonView::Iterator {
 public:
  Iterator(const cJSON* node, const JsonTree* tree) : node_(node), tree_(tree) {}
  JsonView operator*() const { return {node_, tree_}; }
  Iterator& operator++();
  bool operator==(const Iterator& other) const { return node_ == other.node_; }

 private:
  const cJSON* node_;
  const JsonTree* tree_;
};

class JsonDocument {
 public:
  JsonDocument(JsonDocument&&) noexcept;
  JsonDocument& operator=(JsonDocument&&) noexcept;
  ~JsonDocument();
  JsonView root() const;

 private:
  friend Result<JsonDocument> parse_json(std::string_view text, const JsonLimits& limits);
  explicit JsonDocument(std::unique_ptr<JsonTree> tree);

  std::unique_ptr<JsonTree> tree_;
};

// E_LIMIT: longer than max_bytes; E_MALFORMED: everything else, with place and reason.
Result<JsonDocument> parse_json(std::string_view text, const JsonLimits& limits = {});
// The same judgement for streamr_control_check_json; 0 asks for the defaults.
Status check_json(std::string_view text, std::size_t max_bytes, std::uint32_t max_depth);

template <class T>
concept JsonInteger = std::integral<T> && !std::same_as<T, bool> && !std::same_as<T, char>;

// Writes compact JSON: exact integers, escaped strings, always valid UTF-8. Calls nest as the text does.
//   JsonWriter json; json.begin_object().member("seq", 1u).member("alias", alias).end_object(); send(json.take());
class JsonWriter {
 public:
  JsonWriter& begin_object();  // as the value, or an element of the open array
  JsonWriter& begin_array();
  JsonWriter& begin_object(std::string_view name);  // as a member
  JsonWriter& begin_array(std::string_view name);
  JsonWriter& end_object();
  JsonWriter& end_array();

  JsonWriter& member(std::string_view name, std::string_view text);
  JsonWriter& member(std::string_view name, const char* text) { return member(name, std::string_view(text)); }
  JsonWriter& member(std::string_view name, bool value);
  template <JsonInteger T>
  JsonWriter& member(std::string_view name, T value) {
    key(name);
    return raw(std::to_string(value));
  }
  JsonWriter& member_null(std::string_view name);
  JsonWriter& member_hex(std::string_view name, ByteView bytes);
  template <JsonInteger T>
  JsonWriter& member_decimal(std::string_view name, T value) {
    return member(name, std::string_view(std::to_string(value)));
  }
  JsonWriter& member_raw(std::string_view name, std::string_view json);  // already valid JSON

  JsonWriter& element(std::string_view text);
  JsonWriter& element(const char* text) { return element(std::string_view(text)); }
  template <JsonInteger T>
  JsonWriter& element(T value) {
    separate();
    return raw(std::to_string(value));
  }
  JsonWriter& element_hex(ByteView bytes);
  JsonWriter& element_raw(std::string_view json);

  const std::string& text() const { return text_; }
  std::string take() { return std::move(text_); }

 private:
  void separate();
  void key(std::string_view name);
  void quote(std::string_view text);
  JsonWriter& raw(std::string_view json) {
    text_ += json;
    return *this;
  }

  std::string text_;
};

}  // namespace streamr::proto
