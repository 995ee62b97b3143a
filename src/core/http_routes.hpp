// Decides the small rules of HTTP that every route shares: decimals and queries in URLs, ranges, gzip, CORS, errors, and
// which answers may be shared.
// Never knows a stream and keeps no state.
// Called by core/hls, core/node and io's loops (may_share).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/http.hpp"

namespace streamr::core {

// Digits only, no sign, no leading zero, no overflow.
std::optional<std::uint64_t> parse_decimal_u64(std::string_view text);
std::optional<std::uint16_t> parse_decimal_u16(std::string_view text);

// First value of `name` in "a=1&b=2"; nothing is percent-decoded since no value of ours needs it.
std::optional<std::string_view> query_value(std::string_view query, std::string_view name);

// True when gzip is offered by Accept-Encoding with a weight above zero, by name or by "*".
bool accepts_gzip(std::string_view accept_encoding);
// Deterministic: the same octets give the same result.
SharedBytes gzip(ByteView plain);

// Whether requests for this target may share one answer (HttpResponse::shared): playlists and whole media below /live/.
bool may_share(std::string_view target);

// What of a request decides the form of its answer, small enough to keep while the request waits.
struct HttpConditions { std::string range, if_range, if_none_match; };
struct HttpAsk {
  HttpId id = 0;
  bool head = false;
  bool gzip = false;
  std::shared_ptr<const HttpConditions> conditions;  // null: none, as with most

  bool plain_get() const { return !head && !conditions; }
};
HttpAsk ask_of(const HttpRequest& request);

struct ByteRange { std::uint64_t first = 0; std::uint64_t length = 0; };
enum class RangeKind { whole, part, unsatisfiable };
// Judges a Range header against a body of `size` octets: malformed or several ranges count as none (RFC 9110 §14.2).
RangeKind parse_range(std::string_view header, std::uint64_t size, ByteRange& range);
std::vector<SharedBytes> cut_pieces(const std::vector<SharedBytes>& pieces, ByteRange range);
std::uint64_t total_bytes(const std::vector<SharedBytes>& pieces);

inline constexpr std::string_view immutable_media = "public, max-age=31536000, immutable";
inline constexpr std::string_view html_type = "text/html; charset=utf-8";

HttpResponse plain_response(int status, std::string_view type, std::string_view cache_control, SharedBytes body);
// One sentence in plain text, never cached.
HttpResponse error_response(int status, std::string_view sentence);
// Answers OPTIONS with 204 and every method but GET and HEAD with 405; nullopt: go on.
std::optional<HttpResponse> answer_method(const HttpRequest& request);
// 304 where If-None-Match names `etag`, 206 or 416 where Range asks for it, else the response as it is.
HttpResponse conditional_media(const HttpAsk& ask, HttpResponse whole, const std::string& etag);
bool etag_matches(std::string_view if_none_match, std::string_view etag);
void add_cors(HttpResponse& response);

}  // namespace streamr::core
