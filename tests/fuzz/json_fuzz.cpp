// Any octets as JSON: what is accepted is written again and reads alike; the scanner and cJSON never disagree.
#include <cstdlib>

#include "base/text.hpp"
#include "proto/json.hpp"

using namespace streamr;
using namespace streamr::proto;

namespace {

void require(bool held) {
  if (!held) std::abort();
}

void write_scalar(JsonWriter& out, JsonView view) {
  if (view.is_string()) {
    const auto text = view.as_string("text");
    require(is_utf8(*text) && text->find('\0') == std::string_view::npos);
    out.element(*text);
  } else if (view.is_number()) {
    // Above 64 bits there is nothing exact to write; 0 stands for it in both rounds.
    if (const auto small = view.as_i64("number"))
      out.element(*small);
    else if (const auto large = view.as_u64("number"))
      out.element(*large);
    else
      out.element(0);
  } else if (view.is_bool()) {
    out.element_raw(*view.as_bool("bool") ? "true" : "false");
  } else {
    require(view.is_null());
    out.element_raw("null");
  }
}

// Every object becomes an array of names and values, so that one routine writes all.
void write(JsonWriter& out, JsonView view, int depth) {
  require(depth <= 16);
  if (!view.is_object() && !view.is_array()) return write_scalar(out, view);
  out.begin_array();
  for (const JsonView child : view) {
    if (view.is_object()) {
      out.element(child.name());
      const auto found = view.find(child.name());
      require(found.has_value());
      require(found->is_string() == child.is_string() && found->size() == child.size());
    }
    write(out, child, depth + 1);
  }
  out.end_array();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  JsonLimits limits;
  limits.max_bytes = 1 << 20;
  const auto document = parse_json(text, limits);
  if (!document) {
    require(document.error().status == STREAMR_E_MALFORMED || document.error().status == STREAMR_E_LIMIT);
    require(is_utf8(document.error().text) && document.error().text.size() < 400);
    return 0;
  }
  require(is_utf8(text));
  JsonWriter first;
  write(first, document->root(), 0);
  limits.max_bytes = SIZE_MAX;
  limits.max_nodes = SIZE_MAX;
  const auto again = parse_json(first.text(), limits);
  require(again.ok());
  JsonWriter second;
  write(second, again->root(), 0);
  require(second.text() == first.text());
  return 0;
}
