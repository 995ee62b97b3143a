#include "core/http_routes.hpp"

#include <zlib.h>

#include <algorithm>
#include <limits>

#include "base/text.hpp"

namespace streamr::core {
namespace {

std::string_view trim_spaces(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Takes the text before `mark` and removes it with the mark.
std::string_view take_until(std::string_view& text, char mark) {
  const auto at = text.find(mark);
  const std::string_view head = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return head;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return lower(x) == lower(y);
  });
}

// A weight as RFC 9110 writes it: "0", "0.000" and the like mean never.
bool weight_is_zero(std::string_view parameters) {
  while (!parameters.empty()) {
    std::string_view parameter = trim_spaces(take_until(parameters, ';'));
    const std::string_view name = trim_spaces(take_until(parameter, '='));
    if (!equals_ignoring_case(name, "q")) continue;
    const std::string_view value = trim_spaces(parameter);
    return value.find_first_not_of("0.") == std::string_view::npos;
  }
  return false;
}

// Digits of a range position; leading zeros are allowed there, unlike in our URLs.
std::optional<std::uint64_t> range_position(std::string_view text) {
  if (text.empty() || text.size() > 19) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

}  // namespace

std::optional<std::uint64_t> parse_decimal_u64(std::string_view text) {
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  return parse_u64(text);
}

std::optional<std::uint16_t> parse_decimal_u16(std::string_view text) {
  const auto value = parse_decimal_u64(text);
  if (!value || *value > 0xFFFF) return std::nullopt;
  return static_cast<std::uint16_t>(*value);
}

std::optional<std::string_view> query_value(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    std::string_view pair = take_until(query, '&');
    if (take_until(pair, '=') == name) return pair;
  }
  return std::nullopt;
}

// Of playlists only those whose query is made of delivery directives: anything else would let a stranger fill io's table
// with names of the same octets. Media is named without a query.
bool may_share(std::string_view target) {
  constexpr std::string_view prefix = "/live/";
  constexpr std::size_t longest = 512;
  if (target.size() > longest || !target.starts_with(prefix)) return false;
  const auto mark = target.find('?');
  const std::string_view path = target.substr(0, mark);
  if (mark == std::string_view::npos)
    return path.ends_with(".m3u8") || path.ends_with(".m4s") || path.ends_with(".ts") || path.ends_with(".mp4");
  if (!path.ends_with(".m3u8")) return false;
  std::string_view query = target.substr(mark + 1);
  while (!query.empty()) {
    std::string_view pair = take_until(query, '&');
    const std::string_view name = take_until(pair, '=');
    if (name != "_HLS_msn" && name != "_HLS_part" && name != "_HLS_skip") return false;
  }
  return true;
}

HttpAsk ask_of(const HttpRequest& request) {
  HttpAsk ask{request.id, request.method == "HEAD", accepts_gzip(request.header("accept-encoding")), nullptr};
  const std::string_view range = request.header("range");
  const std::string_view if_none_match = request.header("if-none-match");
  if (!range.empty() || !if_none_match.empty())
    ask.conditions = std::make_shared<const HttpConditions>(
        HttpConditions{std::string(range), std::string(request.header("if-range")), std::string(if_none_match)});
  return ask;
}

bool accepts_gzip(std::string_view accept_encoding) {
  bool by_star = false;
  while (!accept_encoding.empty()) {
    std::string_view item = take_until(accept_encoding, ',');
    const std::string_view name = trim_spaces(take_until(item, ';'));
    const bool wanted = !weight_is_zero(item);
    if (equals_ignoring_case(name, "gzip") || equals_ignoring_case(name, "x-gzip")) return wanted;
    if (name == "*") by_star = wanted;
  }
  return by_star;
}

SharedBytes gzip(ByteView plain) {
  z_stream stream{};
  constexpr int gzip_wrapping = 16;
  constexpr int window_bits = 13;  // playlists are a few KB: zlib's default tables would cost ten times the compression
  constexpr int memory_level = 6;
  if (deflateInit2(&stream, 6, Z_DEFLATED, window_bits + gzip_wrapping, memory_level, Z_DEFAULT_STRATEGY) != Z_OK)
    return {};
  ByteVector out(deflateBound(&stream, static_cast<uLong>(plain.size())) + 32);
  stream.next_in = const_cast<Bytef*>(plain.data());  // zlib reads it only
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  const int done = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return done == Z_STREAM_END ? SharedBytes::take(std::move(out)) : SharedBytes{};
}

RangeKind parse_range(std::string_view header, std::uint64_t size, ByteRange& range) {
  header = trim_spaces(header);
  if (header.size() < 6 || !equals_ignoring_case(header.substr(0, 6), "bytes=")) return RangeKind::whole;
  std::string_view spec = trim_spaces(header.substr(6));
  if (spec.find(',') != std::string_view::npos || spec.find('-') == std::string_view::npos) return RangeKind::whole;
  const std::string_view first_text = take_until(spec, '-');
  if (first_text.empty()) {
    const auto suffix = range_position(spec);
    if (!suffix) return RangeKind::whole;
    if (*suffix == 0 || size == 0) return RangeKind::unsatisfiable;
    range.length = std::min(*suffix, size);
    range.first = size - range.length;
    return RangeKind::part;
  }
  const auto first = range_position(first_text);
  const auto last =
      spec.empty() ? std::optional<std::uint64_t>(std::numeric_limits<std::uint64_t>::max()) : range_position(spec);
  if (!first || !last || *last < *first) return RangeKind::whole;
  if (*first >= size) return RangeKind::unsatisfiable;
  range.first = *first;
  range.length = std::min(*last, size - 1) - *first + 1;
  return RangeKind::part;
}

std::uint64_t total_bytes(const std::vector<SharedBytes>& pieces) {
  std::uint64_t total = 0;
  for (const SharedBytes& piece : pieces) total += piece.size();
  return total;
}

std::vector<SharedBytes> cut_pieces(const std::vector<SharedBytes>& pieces, ByteRange range) {
  std::vector<SharedBytes> out;
  std::uint64_t skip = range.first;
  std::uint64_t left = range.length;
  for (const SharedBytes& piece : pieces) {
    if (left == 0) break;
    if (skip >= piece.size()) {
      skip -= piece.size();
      continue;
    }
    const std::uint64_t take = std::min<std::uint64_t>(left, piece.size() - skip);
    out.push_back(piece.slice(static_cast<std::size_t>(skip), static_cast<std::size_t>(take)));
    left -= take;
    skip = 0;
  }
  return out;
}

void add_cors(HttpResponse& response) {
  response.headers.emplace_back("Access-Control-Allow-Origin", "*");
  response.headers.emplace_back("Access-Control-Expose-Headers", "Streamr-Chunk");
}

HttpResponse plain_response(int status, std::string_view type, std::string_view cache_control, SharedBytes body) {
  HttpResponse response;
  response.status = status;
  response.headers.emplace_back("Content-Type", type);
  response.headers.emplace_back("Cache-Control", cache_control);
  add_cors(response);
  if (!body.empty()) response.pieces.push_back(std::move(body));
  return response;
}

HttpResponse error_response(int status, std::string_view sentence) {
  std::string text(sentence);
  text += '\n';
  return plain_response(status, "text/plain; charset=utf-8", "no-store", SharedBytes::copy(view_of(text)));
}

std::optional<HttpResponse> answer_method(const HttpRequest& request) {
  if (request.method == "GET" || request.method == "HEAD") return std::nullopt;
  if (request.method == "OPTIONS") {
    HttpResponse response;
    response.status = 204;
    add_cors(response);
    response.headers.emplace_back("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS");
    response.headers.emplace_back("Access-Control-Allow-Headers", "Range");
    response.headers.emplace_back("Access-Control-Max-Age", "86400");
    response.headers.emplace_back("Allow", "GET, HEAD, OPTIONS");
    return response;
  }
  HttpResponse response = error_response(405, "expected GET, HEAD or OPTIONS for this address, another method came");
  response.headers.emplace_back("Allow", "GET, HEAD, OPTIONS");
  return response;
}

bool etag_matches(std::string_view if_none_match, std::string_view etag) {
  while (!if_none_match.empty()) {
    std::string_view candidate = trim_spaces(take_until(if_none_match, ','));
    if (candidate == "*") return true;
    if (candidate.substr(0, 2) == "W/") candidate.remove_prefix(2);
    if (candidate == etag) return true;
  }
  return false;
}

HttpResponse conditional_media(const HttpAsk& ask, HttpResponse whole, const std::string& etag) {
  whole.headers.emplace_back("ETag", etag);
  if (ask.conditions && etag_matches(ask.conditions->if_none_match, etag)) {
    whole.status = 304;
    whole.pieces.clear();
    return whole;
  }
  if (whole.open) return whole;  // its length is not there yet
  whole.headers.emplace_back("Accept-Ranges", "bytes");
  if (!ask.conditions) return whole;
  const std::string& if_range = ask.conditions->if_range;
  if (!if_range.empty() && if_range != etag) return whole;
  const std::uint64_t size = total_bytes(whole.pieces);
  ByteRange range;
  switch (parse_range(ask.conditions->range, size, range)) {
    case RangeKind::whole: return whole;
    case RangeKind::unsatisfiable: {
      HttpResponse refused = error_response(416, "the range asked for begins after the last octet");
      refused.headers.emplace_back("Content-Range", "bytes */" + std::to_string(size));
      return refused;
    }
    case RangeKind::part: break;
  }
  whole.status = 206;
  whole.headers.emplace_back("Content-Range", "bytes " + std::to_string(range.first) + '-' +
                                                  std::to_string(range.first + range.length - 1) + '/' +
                                                  std::to_string(size));
  whole.pieces = cut_pieces(whole.pieces, range);
  return whole;
}

}  // namespace streamr::core
