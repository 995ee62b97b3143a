// Decides how addresses and URLs are read and written: HOST:PORT, ws(s):// and http(s)://, numeric peers.
// Never resolves a name and never opens a socket.
// Called by runtime, server and dialer.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace streamr::io {

struct HostPort {
  std::string host;  // without the brackets of an IPv6 address
  std::uint16_t port = 0;
};
// "HOST:PORT" or "[v6]:PORT"; both parts are required.
Result<HostPort> parse_host_port(std::string_view text);
std::string format_host_port(std::string_view host, std::uint16_t port);

struct WsUrl {
  bool tls = false;
  std::string host;
  std::uint16_t port = 0;  // 80 or 443 where the URL names none
  std::string target;      // path and query, "/" at least
};
// ws:// and wss://, no user name, no fragment, at most limits::uri_bytes.
Result<WsUrl> parse_ws_url(std::string_view text);

// Numeric host of a socket address; IPv4 mapped into IPv6 is shown as IPv4, so that limits count one peer once.
std::string numeric_host(const sockaddr* address);
std::uint16_t port_of(const sockaddr* address);
bool is_loopback_name(std::string_view host);

}  // namespace streamr::io
