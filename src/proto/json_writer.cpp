#include "base/text.hpp"
#include "proto/json.hpp"

namespace streamr::proto {

// A value follows another one unless a container or a member was just opened.
void JsonWriter::separate() {
  if (text_.empty()) return;
  const char last = text_.back();
  if (last != '{' && last != '[' && last != ':') text_ += ',';
}

void JsonWriter::key(std::string_view name) {
  separate();
  quote(name);
  text_ += ':';
}

void JsonWriter::quote(std::string_view text) {
  static constexpr char digits[] = "0123456789abcdef";
  const std::string repaired = is_utf8(text) ? std::string() : utf8_repaired(text);
  if (!repaired.empty()) text = repaired;
  text_ += '"';
  for (const char c : text) {
    switch (c) {
      case '"': text_ += "\\\""; break;
      case '\\': text_ += "\\\\"; break;
      case '\n': text_ += "\\n"; break;
      case '\r': text_ += "\\r"; break;
      case '\t': text_ += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          text_ += "\\u00";
          text_ += digits[(c >> 4) & 15];
          text_ += digits[c & 15];
        } else {
          text_ += c;
        }
    }
  }
  text_ += '"';
}

JsonWriter& JsonWriter::begin_object() {
  separate();
  return raw("{");
}
JsonWriter& JsonWriter::begin_array() {
  separate();
  return raw("[");
}
JsonWriter& JsonWriter::begin_object(std::string_view name) {
  key(name);
  return raw("{");
}
JsonWriter& JsonWriter::begin_array(std::string_view name) {
  key(name);
  return raw("[");
}
JsonWriter& JsonWriter::end_object() {
  return raw("}");
}
JsonWriter& JsonWriter::end_array() {
  return raw("]");
}

JsonWriter& JsonWriter::member(std::string_view name, std::string_view text) {
  key(name);
  quote(text);
  return *this;
}
JsonWriter& JsonWriter::member(std::string_view name, bool value) {
  key(name);
  return raw(value ? "true" : "false");
}
JsonWriter& JsonWriter::member_null(std::string_view name) {
  key(name);
  return raw("null");
}
JsonWriter& JsonWriter::member_hex(std::string_view name, ByteView bytes) {
  return member(name, std::string_view(to_hex(bytes)));
}
JsonWriter& JsonWriter::member_raw(std::string_view name, std::string_view json) {
  key(name);
  return raw(json);
}

JsonWriter& JsonWriter::element(std::string_view text) {
  separate();
  quote(text);
  return *this;
}
JsonWriter& JsonWriter::element_hex(ByteView bytes) {
  return element(std::string_view(to_hex(bytes)));
}
JsonWriter& JsonWriter::element_raw(std::string_view json) {
  separate();
  return raw(json);
}

}  // namespace streamr::proto
