#include "coordinator/rules/text.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace coordinator {
namespace {

constexpr int64_t kMicro = 1'000'000;

int nibble(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

std::string to_hex(std::string_view bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto b = static_cast<unsigned char>(c);
    out.push_back(digits[b >> 4]);
    out.push_back(digits[b & 15]);
  }
  return out;
}

std::optional<std::string> from_hex_any(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = nibble(text[i]);
    const int low = nibble(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high * 16 + low));
  }
  return out;
}

std::optional<std::string> from_hex(std::string_view text, size_t bytes) {
  if (text.size() != bytes * 2) return std::nullopt;
  return from_hex_any(text);
}

std::optional<uint64_t> parse_u64(std::string_view text) {
  if (text.empty() || text.size() > 20 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  uint64_t value = 0;
  for (const char c : text) {
    if (!is_digit(c)) return std::nullopt;
    const auto digit = static_cast<uint64_t>(c - '0');
    if (value > (UINT64_MAX - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

std::optional<int64_t> parse_i64(std::string_view text) {
  const bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  while (text.size() > 1 && text[0] == '0') text.remove_prefix(1);
  const auto value = parse_u64(text);
  if (!value || *value > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
  return negative ? -static_cast<int64_t>(*value) : static_cast<int64_t>(*value);
}

std::optional<int64_t> parse_money(std::string_view text) {
  const size_t dot = text.find('.');
  const std::string_view whole = text.substr(0, dot);
  std::string_view part = dot == std::string_view::npos ? std::string_view("0") : text.substr(dot + 1);
  const auto units = parse_u64(whole);
  if (!units || part.empty() || part.size() > 6) return std::nullopt;
  int64_t micro = 0;
  int64_t place = kMicro / 10;
  for (const char c : part) {
    if (!is_digit(c)) return std::nullopt;
    micro += (c - '0') * place;
    place /= 10;
  }
  if (*units > static_cast<uint64_t>((INT64_MAX - micro) / kMicro)) return std::nullopt;
  return static_cast<int64_t>(*units) * kMicro + micro;
}

std::string format_money(int64_t micro) {
  const bool negative = micro < 0;
  const uint64_t value = negative ? 0 - static_cast<uint64_t>(micro) : static_cast<uint64_t>(micro);
  char part[8];
  std::snprintf(part, sizeof part, "%06u", static_cast<unsigned>(value % kMicro));
  std::string decimals(part);
  while (decimals.size() > 1 && decimals.back() == '0') decimals.pop_back();
  return (negative ? "-" : "") + std::to_string(value / kMicro) + "." + decimals;
}

std::string format_ratio(uint64_t part, uint64_t whole) {
  if (whole == 0) return "0.0";
  const uint64_t micro = part > UINT64_MAX / kMicro ? 0 : part * kMicro / whole;
  return format_money(static_cast<int64_t>(micro));
}

std::string format_time(int64_t unix_ms) {
  // Civil date from days since 1970, in the proleptic Gregorian calendar, by eras of 400 years.
  int64_t days = unix_ms / 86'400'000;
  int64_t rest = unix_ms % 86'400'000;
  if (rest < 0) {
    rest += 86'400'000;
    --days;
  }
  const int64_t shifted = days + 719'468;
  const int64_t era = (shifted >= 0 ? shifted : shifted - 146'096) / 146'097;
  const int64_t day_of_era = shifted - era * 146'097;
  const int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t shifted_month = (5 * day_of_year + 2) / 153;
  const int64_t day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
  const int64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  const int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03d", static_cast<int>(year),
                static_cast<int>(month), static_cast<int>(day), static_cast<int>(rest / 3'600'000),
                static_cast<int>(rest / 60'000 % 60), static_cast<int>(rest / 1000 % 60),
                static_cast<int>(rest % 1000));
  return text;
}

bool alias_allowed(std::string_view alias) {
  if (alias.empty() || alias.size() > 63 || alias == "live" || alias[0] == '-') return false;
  return std::all_of(alias.begin(), alias.end(),
                     [](char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || c == '-'; });
}

std::string be64(uint64_t value) {
  std::string out(8, '\0');
  for (size_t i = 0; i < 8; ++i) out[i] = static_cast<char>(value >> (56 - 8 * i) & 0xff);
  return out;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const auto lower = [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c; };
    const int high = nibble(lower(text[i + 1]));
    const int low = nibble(lower(text[i + 2]));
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return out;
}

}  // namespace coordinator
