// Decides how bytes, numbers, money and times look as text, and which aliases and names may stand.
// Never reads a clock, a file or a socket.
// Called by every rule, the store and the routes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace coordinator {

std::string to_hex(std::string_view bytes);
// Exactly `bytes` octets written in lower-case hex digits; anything else is nothing.
std::optional<std::string> from_hex(std::string_view text, size_t bytes);
// Any even number of lower-case hex digits.
std::optional<std::string> from_hex_any(std::string_view text);

// Decimal digits only, no sign, no leading zero except "0" itself.
std::optional<uint64_t> parse_u64(std::string_view text);
// Decimal with an optional sign, as a query gives it.
std::optional<int64_t> parse_i64(std::string_view text);

// "1000.0" -> 1000000000 micro-units; at most six decimals, no sign, no exponent, up to 2^63 - 1.
std::optional<int64_t> parse_money(std::string_view text);
// The shortest text with at least one decimal: 1000000000 -> "1000.0".
std::string format_money(int64_t micro);
// A JSON number with at least one decimal that never shows an exponent: 0.25 -> "0.25", 1 -> "1.0".
std::string format_ratio(uint64_t part, uint64_t whole);

// ISO 8601, UTC, no zone mark, with milliseconds.
std::string format_time(int64_t unix_ms);

// Whether a stream may have this name: [a-z0-9][a-z0-9-]{0,62}, not 64 hex digits, not "live".
bool alias_allowed(std::string_view alias);

// Big-endian octets of a number, as signed bytes have them.
std::string be64(uint64_t value);

// %XX undone; nothing when a % is not followed by two hex digits.
std::optional<std::string> percent_decode(std::string_view text);

}  // namespace coordinator
