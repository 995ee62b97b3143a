// Decides what counts as a decimal number and as valid UTF-8 in text that a peer or a person sent.
// Never uses the locale and never throws on bad input.
// Called by proto (JSON, frames), core (playlist requests) and io (HTTP).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace streamr {

// Digits only, 1 to 20 of them, no sign, no blank, no overflow; leading zeros count as digits.
std::optional<std::uint64_t> parse_u64(std::string_view text);
// As above with an optional leading minus.
std::optional<std::int64_t> parse_i64(std::string_view text);

// Well-formed UTF-8: no surrogate, no overlong form, nothing above U+10FFFF.
bool is_utf8(std::string_view text);
// Octets of the well-formed character at the start of `text`, 0 if there is none.
std::size_t utf8_character_bytes(std::string_view text);
// The longest start of `text` with at most `max_bytes` octets that does not cut a character.
std::string_view utf8_prefix(std::string_view text, std::size_t max_bytes);
// `text` with every octet that is not well-formed replaced by U+FFFD.
std::string utf8_repaired(std::string_view text);

}  // namespace streamr
