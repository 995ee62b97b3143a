// Decides how JSON is printed: members in the order written, strings escaped, money and ratios as exact text.
// Never parses.
// Called by every route that answers JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace coordinator {

std::string json_quote(std::string_view text);

class JsonOut {
 public:
  JsonOut& object() { return open('{'); }
  JsonOut& end_object() { return close('}'); }
  JsonOut& array() { return open('['); }
  JsonOut& end_array() { return close(']'); }
  JsonOut& object(std::string_view key) { return name(key).open('{'); }
  JsonOut& array(std::string_view key) { return name(key).open('['); }

  JsonOut& text(std::string_view value) { return raw(json_quote(value)); }
  JsonOut& number(int64_t value) { return raw(std::to_string(value)); }
  // Already JSON: a number printed elsewhere, an object kept as text.
  JsonOut& raw(std::string_view value) {
    separate();
    out_ += value;
    return *this;
  }

  JsonOut& member(std::string_view key, std::string_view value) { return name(key).text(value); }
  JsonOut& member(std::string_view key, const char* value) { return name(key).text(value); }
  JsonOut& member(std::string_view key, const std::string& value) { return name(key).text(value); }
  JsonOut& member(std::string_view key, int64_t value) { return name(key).number(value); }
  JsonOut& flag(std::string_view key, bool value) { return name(key).raw(value ? "true" : "false"); }
  JsonOut& null(std::string_view key) { return name(key).raw("null"); }
  JsonOut& raw(std::string_view key, std::string_view value) { return name(key).raw(value); }

  const std::string& str() const { return out_; }

 private:
  JsonOut& name(std::string_view key) {
    separate();
    out_ += json_quote(key);
    out_ += ':';
    after_name_ = true;
    return *this;
  }
  JsonOut& open(char bracket) {
    separate();
    out_ += bracket;
    first_ = true;
    return *this;
  }
  JsonOut& close(char bracket) {
    out_ += bracket;
    first_ = false;
    return *this;
  }
  void separate() {
    if (!first_ && !after_name_) out_ += ',';
    first_ = false;
    after_name_ = false;
  }

  std::string out_;
  bool first_ = true;
  bool after_name_ = false;
};

}  // namespace coordinator
