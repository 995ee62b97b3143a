// Decides whether a text is JSON of the strict kind before any tree is built, and keeps its integers exactly.
// Never allocates more than one entry per number and never looks at member names; json.cpp compares those.
// Called by json.cpp.
#pragma once

#include "proto/json.hpp"

namespace streamr::proto {

struct JsonNumber {
  bool negative = false;
  bool fits = true;  // false: the magnitude is above 2^64 - 1
  std::uint64_t magnitude = 0;
};

// The numbers in the order of the text.
Result<std::vector<JsonNumber>> scan_json(std::string_view text, const JsonLimits& limits);

}  // namespace streamr::proto
