#include "proto/json.hpp"

#include <cjson/cJSON.h>
#include <algorithm>

#include "base/text.hpp"
#include "proto/json_scan.hpp"

namespace streamr::proto {

struct JsonTree {
  explicit JsonTree(cJSON* tree) : root(tree) {}
  ~JsonTree() { cJSON_Delete(root); }
  JsonTree(const JsonTree&) = delete;
  JsonTree& operator=(const JsonTree&) = delete;

  const JsonNumber& number(const cJSON* node) const { return numbers[static_cast<std::size_t>(node->valueint)]; }

  cJSON* root;
  std::vector<JsonNumber> numbers;  // cJSON's own double is never read; a node's valueint is its place here
};

namespace {

Error json_error(std::string text) {
  return fail(STREAMR_E_MALFORMED, std::move(text));
}

std::string quoted(std::string_view name) {
  std::string out(1, '"');
  out.append(utf8_prefix(name, 64)).push_back('"');
  return out;
}

// cJSON copied and unescaped the names, so two spellings of one name are equal here.
Status check_names(const cJSON* object) {
  std::vector<std::string_view> names;
  for (const cJSON* member = object->child; member != nullptr; member = member->next)
    names.emplace_back(member->string);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) return json_error("JSON: expected one member " + quoted(*twice) + ", came two");
  return {};
}

// Walks in the order of the text, which is the order in which the scanner met the numbers.
Status finish_tree(cJSON* node, std::size_t& next_number) {
  if (cJSON_IsNumber(node)) node->valueint = static_cast<int>(next_number++);
  if (cJSON_IsObject(node)) {
    if (Status names = check_names(node); !names) return names;
  }
  for (cJSON* child = node->child; child != nullptr; child = child->next) {
    if (Status done = finish_tree(child, next_number); !done) return done;
  }
  return {};
}

}  // namespace

JsonDocument::JsonDocument(std::unique_ptr<JsonTree> tree) : tree_(std::move(tree)) {}
JsonDocument::JsonDocument(JsonDocument&&) noexcept = default;
JsonDocument& JsonDocument::operator=(JsonDocument&&) noexcept = default;
JsonDocument::~JsonDocument() = default;

JsonView JsonDocument::root() const {
  return {tree_->root, tree_.get()};
}

Result<JsonDocument> parse_json(std::string_view text, const JsonLimits& limits) {
  auto numbers = scan_json(text, limits);
  if (!numbers) return numbers.error();
  auto tree = std::make_unique<JsonTree>(cJSON_ParseWithLengthOpts(text.data(), text.size(), nullptr, 0));
  if (tree->root == nullptr) {
    return fail(STREAMR_E_NOMEM, "JSON: no memory for the values of a text that was found sound");
  }
  tree->numbers = std::move(*numbers);
  std::size_t met = 0;
  if (Status done = finish_tree(tree->root, met); !done) return done.error();
  if (met != tree->numbers.size()) return fail(STREAMR_E_INTERNAL, "JSON: tree and text disagree about the numbers");
  return JsonDocument(std::move(tree));
}

Status check_json(std::string_view text, std::size_t max_bytes, std::uint32_t max_depth) {
  JsonLimits limits;
  if (max_bytes != 0) limits.max_bytes = max_bytes;
  if (max_depth != 0) limits.max_depth = max_depth;
  // A caller that allows longer texts means more values, not longer strings.
  limits.max_nodes = std::max(limits.max_nodes, limits.max_bytes / 8);
  auto document = parse_json(text, limits);
  if (!document) return document.error();
  return {};
}

bool JsonView::is_object() const {
  return cJSON_IsObject(node_) != 0;
}
bool JsonView::is_array() const {
  return cJSON_IsArray(node_) != 0;
}
bool JsonView::is_string() const {
  return cJSON_IsString(node_) != 0;
}
bool JsonView::is_number() const {
  return cJSON_IsNumber(node_) != 0;
}
bool JsonView::is_bool() const {
  return cJSON_IsBool(node_) != 0;
}
bool JsonView::is_null() const {
  return cJSON_IsNull(node_) != 0;
}

Error JsonView::missing(std::string_view name) {
  return json_error("expected a member " + quoted(name) + ", none came");
}

Result<std::string_view> JsonView::as_string(std::string_view what) const {
  if (!is_string()) return json_error("expected a string as " + quoted(what) + ", came another type");
  return std::string_view(node_->valuestring);
}

Result<std::uint64_t> JsonView::as_u64(std::string_view what, std::uint64_t max) const {
  if (!is_number()) return json_error("expected a whole number as " + quoted(what) + ", came another type");
  const JsonNumber& number = tree_->number(node_);
  const bool below_zero = number.negative && number.magnitude != 0;
  if (!number.fits || below_zero || number.magnitude > max) {
    return json_error("expected " + quoted(what) + " from 0 to " + std::to_string(max) + ", came a number outside");
  }
  return number.magnitude;
}

Result<std::int64_t> JsonView::as_i64(std::string_view what, std::int64_t min, std::int64_t max) const {
  if (!is_number()) return json_error("expected a whole number as " + quoted(what) + ", came another type");
  const JsonNumber& number = tree_->number(node_);
  constexpr std::uint64_t lowest = std::uint64_t{1} << 63;
  const bool representable = number.fits && number.magnitude <= (number.negative ? lowest : lowest - 1);
  const std::uint64_t bits = number.negative ? 0 - number.magnitude : number.magnitude;
  const std::int64_t value = static_cast<std::int64_t>(bits);
  if (!representable || value < min || value > max) {
    return json_error("expected " + quoted(what) + " from " + std::to_string(min) + " to " + std::to_string(max) +
                     ", came a number outside");
  }
  return value;
}

Result<bool> JsonView::as_bool(std::string_view what) const {
  if (!is_bool()) return json_error("expected true or false as " + quoted(what) + ", came another type");
  return cJSON_IsTrue(node_) != 0;
}

Result<ByteVector> JsonView::as_hex(std::string_view what, std::size_t max_bytes) const {
  const auto text = as_string(what);
  if (!text) return text.error();
  if (text->size() / 2 > max_bytes) {
    return json_error("expected " + quoted(what) + " of at most " + std::to_string(max_bytes) + " octets, came " +
                     std::to_string(text->size() / 2));
  }
  ByteVector bytes(text->size() / 2);
  if (!from_hex(*text, bytes))
    return json_error("expected lower-case hex as " + quoted(what) + ", came other characters");
  return bytes;
}

Status JsonView::read_fixed(std::string_view what, std::span<std::uint8_t> out) const {
  const auto text = as_string(what);
  if (!text) return text.error();
  if (from_hex(*text, out)) return {};
  return json_error("expected " + std::to_string(out.size() * 2) + " lower-case hex digits as " + quoted(what) +
                   ", came " + std::to_string(text->size()) + " characters that are not");
}

std::optional<JsonView> JsonView::find(std::string_view name) const {
  if (!is_object()) return std::nullopt;
  for (const cJSON* member = node_->child; member != nullptr; member = member->next) {
    if (name == member->string) return JsonView(member, tree_);
  }
  return std::nullopt;
}

Result<JsonView> JsonView::get(std::string_view name) const {
  const auto member = find(name);
  if (!member) return missing(name);
  return *member;
}

Result<JsonView> JsonView::get_object(std::string_view name) const {
  const auto member = get(name);
  if (member && !member->is_object()) return json_error("expected an object as " + quoted(name) + ", came another type");
  return member;
}

Result<JsonView> JsonView::get_array(std::string_view name) const {
  const auto member = get(name);
  if (member && !member->is_array()) return json_error("expected an array as " + quoted(name) + ", came another type");
  return member;
}

Result<std::string_view> JsonView::get_string(std::string_view name) const {
  const auto member = get(name);
  if (!member) return member.error();
  return member->as_string(name);
}

Result<std::uint64_t> JsonView::get_u64(std::string_view name, std::uint64_t max) const {
  const auto member = get(name);
  if (!member) return member.error();
  return member->as_u64(name, max);
}

Result<std::int64_t> JsonView::get_i64(std::string_view name, std::int64_t min, std::int64_t max) const {
  const auto member = get(name);
  if (!member) return member.error();
  return member->as_i64(name, min, max);
}

Result<bool> JsonView::get_bool(std::string_view name) const {
  const auto member = get(name);
  if (!member) return member.error();
  return member->as_bool(name);
}

Result<std::uint64_t> JsonView::get_decimal_u64(std::string_view name) const {
  const auto text = get_string(name);
  if (!text) return text.error();
  const auto value = parse_u64(*text);
  if (!value) return json_error("expected a decimal string of 64 bits as " + quoted(name) + ", came other text");
  return *value;
}

Result<std::int64_t> JsonView::get_decimal_i64(std::string_view name) const {
  const auto text = get_string(name);
  if (!text) return text.error();
  const auto value = parse_i64(*text);
  if (!value) return json_error("expected a decimal string of 64 bits as " + quoted(name) + ", came other text");
  return *value;
}

Result<ByteVector> JsonView::get_hex(std::string_view name, std::size_t max_bytes) const {
  const auto member = get(name);
  if (!member) return member.error();
  return member->as_hex(name, max_bytes);
}

std::size_t JsonView::size() const {
  std::size_t count = 0;
  for (auto at = begin(); at != end(); ++at) ++count;
  return count;
}

std::string_view JsonView::name() const {
  return node_->string != nullptr ? std::string_view(node_->string) : std::string_view();
}

JsonView::Iterator JsonView::begin() const {
  return {node_->child, tree_};
}
JsonView::Iterator JsonView::end() const {
  return {nullptr, tree_};
}

JsonView::Iterator& JsonView::Iterator::operator++() {
  node_ = node_->next;
  return *this;
}

}  // namespace streamr::proto
