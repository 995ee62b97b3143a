// Decides the small rules of HTTP that every route shares: decimals and queries in URLs, ranges, gzip, CORS, errors.
// Never knows a stream and keeps no state.
// Called by core/hls and core/node.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/http.hpp"

namespace streamr::core {

// Digits only, no sign, no leading zero, no overflow.
std::optional<std::uint64_t> parse_decimal_u64(std::string_view text);
std::optional<std::uint16_t> parse_decimal_u16(std::string_view text);

// Targets whose answers io may share between clients: live playlists and media, not .chunk, which streams.
bool may_share(std::string_view target);

// First value of `name` in "a=1&b=2"; nothing is percent-decoded since no value of ours needs it.
std::optional<std::string_view> query_value(std::string_view query, std::string_view name);

// True when gzip is offered by Accept-Encoding with a weight above zero, by name or by "*".
bool accepts_gzip(std::string_view accept_encoding);
// Deterministic: the same octets give the same result.
SharedBytes gzip(ByteView plain);

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
HttpResponse conditional_media(const HttpRequest& request, HttpResponse whole, const std::string& etag);
bool etag_matches(std::string_view if_none_match, std::string_view etag);
void add_cors(HttpResponse& response);

}  // namespace streamr::core
