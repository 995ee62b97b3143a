// Decides which status goes with which wire code when the form of an object or frame is wrong.
// Never judges anything itself.
// Called by the files of proto only.
#pragma once

#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace streamr::proto {

inline Error malformed(std::string text) {
  return {STREAMR_E_MALFORMED, Wire::malformed, std::move(text)};
}
inline Error over_limit(std::string text) {
  return {STREAMR_E_LIMIT, Wire::limit, std::move(text)};
}
inline Error untrusted(std::string text) {
  return {STREAMR_E_REFUSED, Wire::authentication, std::move(text)};
}
inline Error unsigned_by(std::string text, Wire wire = Wire::authentication) {
  return {STREAMR_E_SIGNATURE, wire, std::move(text)};
}

inline std::string expected_came(std::string_view what, std::uint64_t expected, std::uint64_t came) {
  return std::string(what) + ": expected " + std::to_string(expected) + ", came " + std::to_string(came);
}

// What every object of protocol §2 begins with; `version_at` 4, `magic` four characters.
inline Status check_start(std::string_view what, ByteView bytes, std::size_t size, std::string_view magic) {
  if (bytes.size() != size) return malformed(expected_came(std::string(what) + " length", size, bytes.size()));
  if (std::memcmp(bytes.data(), magic.data(), magic.size()) != 0) {
    return malformed(std::string(what) + ": expected the letters " + std::string(magic) + " at the start, came others");
  }
  if (bytes[4] != 1) return malformed(expected_came(std::string(what) + " version", 1, bytes[4]));
  return {};
}

}  // namespace streamr::proto
