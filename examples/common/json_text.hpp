// Decides: how one flat JSON object is written on one line (--json output, JSON logs).
// Never: reads JSON, and never writes a number with a fraction.
// Called by: the log, and programs that print figures.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace streamr::programs {

// `text` as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD.
std::string json_quoted(std::string_view text);

class JsonObject {
 public:
  JsonObject& text(std::string_view name, std::string_view value);
  JsonObject& number(std::string_view name, std::int64_t value);
  JsonObject& boolean(std::string_view name, bool value);
  // `json` is a complete JSON value already.
  JsonObject& raw(std::string_view name, std::string_view json);
  std::string str() const { return "{" + members_ + "}"; }

 private:
  std::string members_;
};

}  // namespace streamr::programs
