#include "io/address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <charconv>
#include <cstring>

#include "base/types.hpp"

namespace streamr::io {
namespace {

Result<std::uint16_t> parse_port(std::string_view digits) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || digits.size() > 5 || error != std::errc{} || end != digits.data() + digits.size() ||
      value > 65535)
    return fail(STREAMR_E_INVALID, "a port is a number from 0 to 65535, got \"" + std::string(digits) + "\"");
  return static_cast<std::uint16_t>(value);
}

bool is_host_text(std::string_view host) {
  if (host.empty() || host.size() > 253) return false;
  for (const char c : host) {
    const bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                    c == '.' || c == '_' || c == ':' || c == '%';
    if (!ok) return false;
  }
  return true;
}

// Splits "host", "host:port", "[v6]" and "[v6]:port"; `port` stays empty where none is named.
bool split_authority(std::string_view text, std::string_view& host, std::string_view& port) {
  if (!text.empty() && text.front() == '[') {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return false;
    host = text.substr(1, close - 1);
    const auto rest = text.substr(close + 1);
    if (rest.empty()) return is_host_text(host);
    if (rest.front() != ':') return false;
    port = rest.substr(1);
    return is_host_text(host) && !port.empty();
  }
  const auto colon = text.find(':');
  host = text.substr(0, colon);
  if (colon != std::string_view::npos) {
    port = text.substr(colon + 1);
    if (port.empty()) return false;
  }
  return is_host_text(host) && host.find(':') == std::string_view::npos;
}

}  // namespace

Result<HostPort> parse_host_port(std::string_view text) {
  std::string_view host, port;
  if (!split_authority(text, host, port) || port.empty())
    return fail(STREAMR_E_INVALID, "an address is HOST:PORT, got \"" + std::string(text.substr(0, 100)) + "\"");
  auto number = parse_port(port);
  if (!number) return number.error();
  return HostPort{std::string(host), *number};
}

std::string format_host_port(std::string_view host, std::uint16_t port) {
  const bool v6 = host.find(':') != std::string_view::npos;
  return (v6 ? "[" + std::string(host) + "]" : std::string(host)) + ":" + std::to_string(port);
}

Result<WsUrl> parse_ws_url(std::string_view text) {
  const auto refused = [&](const char* what) {
    return fail(STREAMR_E_INVALID, std::string("a relay address is ws(s)://host:port/relay, ") + what);
  };
  if (text.size() > limits::uri_bytes) return refused("this one is too long");
  WsUrl url;
  if (text.starts_with("ws://")) {
    text.remove_prefix(5);
  } else if (text.starts_with("wss://")) {
    text.remove_prefix(6);
    url.tls = true;
  } else {
    return refused("got another scheme");
  }
  const auto slash = text.find_first_of("/?#");
  std::string_view host, port;
  if (!split_authority(text.substr(0, slash), host, port)) return refused("host and port cannot be read");
  url.host = host;
  url.port = url.tls ? 443 : 80;
  if (!port.empty()) {
    auto number = parse_port(port);
    if (!number || *number == 0) return refused("the port cannot be read");
    url.port = *number;
  }
  url.target = slash == std::string_view::npos ? "/" : std::string(text.substr(slash));
  if (url.target.front() != '/') url.target.insert(0, "/");
  for (const char c : url.target)
    if (c <= 0x20 || c == 0x7F || c == '#') return refused("the path holds a character that needs escaping");
  return url;
}

std::string numeric_host(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
  } else if (address->sa_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
      inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, text, sizeof text);
    else
      inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
  }
  return text;
}

std::uint16_t port_of(const sockaddr* address) {
  if (address->sa_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(address)->sin_port);
  if (address->sa_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(address)->sin6_port);
  return 0;
}

bool is_loopback_name(std::string_view host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

}  // namespace streamr::io
