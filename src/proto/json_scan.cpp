#include "proto/json_scan.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace streamr::proto {

namespace {

constexpr std::uint32_t depth_ceiling = 256;  // scanner and cJSON recurse: the stack is bounded whatever is asked for
constexpr std::size_t number_bytes = 40;      // cJSON copies a number into 64 octets

class Scanner {
 public:
  Scanner(std::string_view text, const JsonLimits& limits)
      : text_(text), max_depth_(std::min(limits.max_depth, depth_ceiling)), nodes_left_(limits.max_nodes) {}

  Status document() {
    skip_blanks();
    if (Status read = value(0); !read) return read;
    skip_blanks();
    if (at_ < text_.size()) return wrong("expected nothing after the value");
    return {};
  }
  std::vector<JsonNumber> take_numbers() { return std::move(numbers_); }

 private:
  bool done() const { return at_ >= text_.size(); }
  char peek() const { return done() ? '\0' : text_[at_]; }
  bool accept(char c) {
    if (done() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void skip_blanks() {
    while (!done() && (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r')) ++at_;
  }

  Error wrong(std::string_view expected) const {
    std::string text = "JSON at octet " + std::to_string(at_) + ": " + std::string(expected);
    if (done()) {
      text += ", came the end";
    } else if (peek() > ' ' && peek() < 0x7F) {
      text += std::string(", came '") + peek() + "'";
    } else {
      const std::uint8_t octet = static_cast<std::uint8_t>(peek());
      text += ", came octet 0x" + to_hex({&octet, 1});
    }
    return fail(STREAMR_E_MALFORMED, std::move(text));
  }

  Status value(std::uint32_t depth) {
    if (nodes_left_ == 0) return wrong("too many values; expected fewer");
    --nodes_left_;
    switch (peek()) {
      case '{': return container(depth + 1, '}');
      case '[': return container(depth + 1, ']');
      case '"': return string();
      case 't': return word("true");
      case 'f': return word("false");
      case 'n': return word("null");
      default: return number();
    }
  }

  Status word(std::string_view expected) {
    if (text_.substr(at_, expected.size()) != expected) return wrong("expected a value");
    at_ += expected.size();
    return {};
  }

  Status container(std::uint32_t depth, char closing) {
    if (depth > max_depth_) return wrong("expected at most " + std::to_string(max_depth_) + " levels of nesting");
    ++at_;
    skip_blanks();
    if (accept(closing)) return {};
    for (;;) {
      if (closing == '}') {
        if (Status name = member_name(); !name) return name;
      }
      if (Status read = value(depth); !read) return read;
      skip_blanks();
      if (accept(closing)) return {};
      if (!accept(',')) return wrong(closing == '}' ? "expected ',' or '}'" : "expected ',' or ']'");
      skip_blanks();
    }
  }

  Status member_name() {
    if (Status name = string(); !name) return name;
    skip_blanks();
    if (!accept(':')) return wrong("expected ':'");
    skip_blanks();
    return {};
  }

  Status string() {
    if (!accept('"')) return wrong("expected a string");
    while (!accept('"')) {
      if (done()) return wrong("expected '\"'");
      if (static_cast<std::uint8_t>(peek()) < 0x20) {
        return wrong("expected an escape in place of a control character");
      }
      if (accept('\\')) {
        if (Status read = escape(); !read) return read;
        continue;
      }
      const std::size_t length = utf8_character_bytes(text_.substr(at_));
      if (length == 0) return wrong("expected UTF-8");
      at_ += length;
    }
    return {};
  }

  Status escape() {
    if (accept('u')) return unicode_escape();
    constexpr std::string_view known = "\"\\/bfnrt";
    if (done() || known.find(peek()) == std::string_view::npos) return wrong("expected an escape");
    ++at_;
    return {};
  }

  Status unicode_escape() {
    const auto first = four_digits();
    if (!first) return wrong("expected four hex digits");
    if (*first == 0) return wrong("expected a character other than NUL before this place");
    if (*first >= 0xDC00 && *first <= 0xDFFF) return wrong("expected no lone surrogate before this place");
    if (*first < 0xD800 || *first > 0xDBFF) return {};
    if (!accept('\\') || !accept('u')) return wrong("expected the second half of a surrogate pair");
    const auto second = four_digits();
    if (!second || *second < 0xDC00 || *second > 0xDFFF) return wrong("expected the second half of a surrogate pair");
    return {};
  }

  std::optional<std::uint32_t> four_digits() {
    std::uint32_t code = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = peek();
      std::uint32_t digit = 0;
      if (c >= '0' && c <= '9')
        digit = static_cast<std::uint32_t>(c - '0');
      else if (c >= 'a' && c <= 'f')
        digit = static_cast<std::uint32_t>(c - 'a') + 10;
      else if (c >= 'A' && c <= 'F')
        digit = static_cast<std::uint32_t>(c - 'A') + 10;
      else
        return std::nullopt;
      code = code * 16 + digit;
      ++at_;
    }
    return code;
  }

  Status number() {
    const std::size_t start = at_;
    JsonNumber out;
    out.negative = accept('-');
    if (peek() < '0' || peek() > '9') return wrong("expected a value");
    const bool leading_zero = peek() == '0';
    const std::size_t first_digit = at_;
    while (peek() >= '0' && peek() <= '9') add_digit(out, static_cast<std::uint64_t>(text_[at_++] - '0'));
    if (leading_zero && at_ > first_digit + 1) return wrong("expected no digit after a leading zero before this place");
    if (at_ - start > number_bytes) return wrong("expected a shorter number before this place");
    if (peek() == '.' || peek() == 'e' || peek() == 'E') {
      return wrong("expected a whole number without fraction or exponent");
    }
    numbers_.push_back(out);
    return {};
  }

  static void add_digit(JsonNumber& out, std::uint64_t digit) {
    if (out.magnitude > (UINT64_MAX - digit) / 10) out.fits = false;
    out.magnitude = out.magnitude * 10 + digit;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::uint32_t max_depth_;
  std::size_t nodes_left_;
  std::vector<JsonNumber> numbers_;
};

}  // namespace

Result<std::vector<JsonNumber>> scan_json(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    return fail(STREAMR_E_LIMIT, "JSON: expected at most " + std::to_string(limits.max_bytes) + " octets, came " +
                                     std::to_string(text.size()));
  }
  Scanner scanner(text, limits);
  if (Status read = scanner.document(); !read) return read.error();
  return scanner.take_numbers();
}

}  // namespace streamr::proto
