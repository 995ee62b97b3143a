#include "base/text.hpp"

#include <charconv>

namespace streamr {

namespace {

constexpr std::size_t max_digits = 20;  // 18446744073709551615

template <class Integer>
std::optional<Integer> parse_whole(std::string_view text) {
  Integer value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, 10);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::uint8_t octet_at(std::string_view text, std::size_t i) {
  return static_cast<std::uint8_t>(text[i]);
}

struct Utf8Lead {
  std::size_t length;      // of the whole character, 0 if no character starts so
  std::uint8_t low, high;  // range of the second octet: excludes overlong forms, surrogates and what is above U+10FFFF
};

Utf8Lead lead_of(std::uint8_t first) {
  if (first < 0x80) return {1, 0, 0};
  if (first >= 0xC2 && first <= 0xDF) return {2, 0x80, 0xBF};
  if (first == 0xE0) return {3, 0xA0, 0xBF};
  if (first == 0xED) return {3, 0x80, 0x9F};
  if (first >= 0xE1 && first <= 0xEF) return {3, 0x80, 0xBF};
  if (first == 0xF0) return {4, 0x90, 0xBF};
  if (first >= 0xF1 && first <= 0xF3) return {4, 0x80, 0xBF};
  if (first == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

}  // namespace

std::optional<std::uint64_t> parse_u64(std::string_view text) {
  if (text.empty() || text.size() > max_digits || !is_digit(text[0])) return std::nullopt;
  return parse_whole<std::uint64_t>(text);
}

std::optional<std::int64_t> parse_i64(std::string_view text) {
  const std::size_t sign = !text.empty() && text[0] == '-' ? 1 : 0;
  if (text.size() <= sign || text.size() > max_digits || !is_digit(text[sign])) return std::nullopt;
  return parse_whole<std::int64_t>(text);
}

std::size_t utf8_character_bytes(std::string_view text) {
  if (text.empty()) return 0;
  const Utf8Lead lead = lead_of(octet_at(text, 0));
  if (lead.length <= 1) return lead.length;
  if (text.size() < lead.length) return 0;
  if (octet_at(text, 1) < lead.low || octet_at(text, 1) > lead.high) return 0;
  for (std::size_t i = 2; i < lead.length; ++i) {
    if ((octet_at(text, i) & 0xC0) != 0x80) return 0;
  }
  return lead.length;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_character_bytes(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string_view utf8_prefix(std::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  std::size_t length = max_bytes;
  // A continuation octet right behind the cut means that the cut went through a character.
  while (length > 0 && (octet_at(text, length) & 0xC0) == 0x80) --length;
  return text.substr(0, length);
}

std::string utf8_repaired(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = utf8_character_bytes(text);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      text.remove_prefix(1);
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return out;
}

}  // namespace streamr
