// Decides the shape of one HTTP exchange between io's server and the core: a whole request in, a response out.
// Never parses octets from the wire and never writes any; io does both.
// Called by core/node, core/hls and io/server.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/types.hpp"

namespace streamr::core {

struct HttpRequest {
  HttpId id = 0;
  std::string method;
  std::string target;                                        // request-target as received
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  SharedBytes body;
  std::string peer_address;                                  // numeric, without port

  std::string_view path() const {
    const std::string_view whole = target;
    return whole.substr(0, whole.find('?'));
  }
  std::string_view query() const {
    const auto mark = target.find('?');
    return mark == std::string::npos ? std::string_view{} : std::string_view(target).substr(mark + 1);
  }
  std::string_view header(std::string_view lower_case_name) const {
    for (const auto& [name, value] : headers)
      if (name == lower_case_name) return value;
    return {};
  }
};

// Whether shared octets still hold. The core marks them stale, io's loops (on whatever thread) read it before each use.
struct Freshness {
  std::atomic<bool> stale{false};
};

// `pieces` are sent in order without a copy. With `open`, more pieces follow as HttpPieces actions and the body is sent
// chunked; otherwise Content-Length is their sum. io adds Content-Length or Transfer-Encoding, Connection and, for HEAD,
// leaves the body out (a handler answers HEAD as it would GET).
struct HttpResponse {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<SharedBytes> pieces;
  bool open = false;
  // Set: until it is stale, everyone who asks for this target by GET, without Range or conditions and with the same
  // answer to "is gzip accepted?", gets these octets, and the core is not asked again.
  std::shared_ptr<const Freshness> shared;
};

// What io answered from shared answers, without asking the core.
struct HttpServed {
  std::array<std::uint64_t, 6> requests{};  // by the first digit of the status
  std::uint64_t playlist_bytes = 0, media_bytes = 0;

  bool any() const { return playlist_bytes != 0 || media_bytes != 0 || requests != std::array<std::uint64_t, 6>{}; }
  HttpServed& operator+=(const HttpServed& more) {
    for (std::size_t i = 0; i < requests.size(); ++i) requests[i] += more.requests[i];
    playlist_bytes += more.playlist_bytes;
    media_bytes += more.media_bytes;
    return *this;
  }
};

}  // namespace streamr::core
