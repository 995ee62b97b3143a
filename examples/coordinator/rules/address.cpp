#include "coordinator/rules/address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "coordinator/rules/text.hpp"

namespace coordinator {
namespace {

uint8_t octet(const std::string& octets, size_t i) {
  return static_cast<uint8_t>(octets[i]);
}

HostKind ipv4_kind(const std::string& o) {
  const uint8_t a = octet(o, 0);
  const uint8_t b = octet(o, 1);
  if (a == 127) return HostKind::loopback;
  const bool is_private = a == 10 || (a == 172 && b >= 16 && b < 32) || (a == 192 && b == 168);
  const bool shared = a == 100 && b >= 64 && b < 128;
  const bool reserved = a == 0 || a >= 224 || (a == 169 && b == 254) || (a == 192 && b == 0 && octet(o, 2) == 0) ||
                        (a == 198 && (b == 18 || b == 19));
  return is_private || shared || reserved ? HostKind::restricted : HostKind::routable;
}

HostKind ipv6_kind(const std::string& o) {
  const bool zeros = std::all_of(o.begin(), o.begin() + 10, [](char c) { return c == 0; });
  if (zeros && octet(o, 10) == 0xff && octet(o, 11) == 0xff) return HostKind::mapped;
  if (zeros && o[10] == 0 && o[11] == 0) {
    if (o[12] == 0 && o[13] == 0 && o[14] == 0 && o[15] == 1) return HostKind::loopback;
    return HostKind::mapped;  // IPv4-compatible and unspecified
  }
  const bool nat64 = octet(o, 0) == 0x00 && octet(o, 1) == 0x64 && octet(o, 2) == 0xff && octet(o, 3) == 0x9b;
  const bool six_to_four = octet(o, 0) == 0x20 && octet(o, 1) == 0x02;
  if (nat64 || six_to_four) return HostKind::mapped;
  const uint8_t a = octet(o, 0);
  const bool link_local = a == 0xfe && (octet(o, 1) & 0xc0) == 0x80;
  const bool site_local = a == 0xfe && (octet(o, 1) & 0xc0) == 0xc0;
  if ((a & 0xfe) == 0xfc || link_local || site_local || a == 0xff) return HostKind::restricted;
  return HostKind::routable;
}

// Every label a number (decimal, octal or hex): some resolver would take the whole for an IPv4 address.
bool looks_numeric(const std::string& host) {
  size_t start = 0;
  while (start <= host.size()) {
    const size_t dot = std::min(host.find('.', start), host.size());
    std::string label = host.substr(start, dot - start);
    if (label.empty()) {
      if (dot == host.size() && start > 0) return true;  // a dot at the end
      return false;
    }
    const bool hex = label.size() > 1 && label[0] == '0' && (label[1] == 'x' || label[1] == 'X');
    if (hex) label.erase(0, 2);
    const bool digits = std::all_of(label.begin(), label.end(), [&](char c) {
      const auto u = static_cast<unsigned char>(c);
      return hex ? std::isxdigit(u) != 0 : std::isdigit(u) != 0;
    });
    if (!digits) return false;
    if (dot == host.size()) return true;
    start = dot + 1;
  }
  return false;
}

std::string network(int family, std::string octets, size_t keep) {
  for (size_t i = keep; i < octets.size(); ++i) octets[i] = 0;
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(family, octets.data(), text.data(), text.size());
  return std::string(text.data()) + "/" + std::to_string(keep * 8);
}

std::string octets_of(const std::string& text) {
  std::array<char, 16> raw{};
  if (inet_pton(AF_INET, text.c_str(), raw.data()) == 1) return std::string(raw.data(), 4);
  if (inet_pton(AF_INET6, text.c_str(), raw.data()) == 1) return std::string(raw.data(), 16);
  return "";
}

}  // namespace

std::optional<Url> parse_url(const std::string& text) {
  if (text.empty() || text.size() > 512) return std::nullopt;
  const bool printable = std::all_of(text.begin(), text.end(), [](char c) {
    return c > 0x20 && c < 0x7f && c != '"' && c != '<' && c != '>' && c != '\\' && c != '#';
  });
  const size_t colon = text.find("://");
  if (!printable || colon == std::string::npos) return std::nullopt;
  Url url;
  url.scheme = text.substr(0, colon);
  uint16_t port = 80;
  if (url.scheme == "wss" || url.scheme == "https")
    port = 443;
  else if (url.scheme != "ws" && url.scheme != "http")
    return std::nullopt;
  std::string rest = text.substr(colon + 3);
  const size_t slash = rest.find_first_of("/?");
  if (slash != std::string::npos) {
    url.path = rest.substr(slash);
    rest.resize(slash);
  }
  if (rest.find('@') != std::string::npos) return std::nullopt;
  std::string port_text;
  if (!rest.empty() && rest[0] == '[') {
    const size_t end = rest.find(']');
    if (end == std::string::npos) return std::nullopt;
    url.host = rest.substr(1, end - 1);
    url.is_ipv6 = true;
    if (octets_of(url.host).size() != 16) return std::nullopt;
    if (end + 1 < rest.size()) {
      if (rest[end + 1] != ':') return std::nullopt;
      port_text = rest.substr(end + 2);
      if (port_text.empty()) return std::nullopt;
    }
  } else {
    const size_t at = rest.find(':');
    url.host = rest.substr(0, at);
    if (at != std::string::npos) {
      port_text = rest.substr(at + 1);
      if (port_text.empty()) return std::nullopt;
    }
    const bool plain = std::all_of(url.host.begin(), url.host.end(), [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' || c == '_';
    });
    if (!plain) return std::nullopt;
  }
  if (url.host.empty() || url.host.size() > 253) return std::nullopt;
  if (!port_text.empty()) {
    const auto value = parse_u64(port_text);
    if (!value || *value == 0 || *value > 65535) return std::nullopt;
    port = static_cast<uint16_t>(*value);
  }
  url.port = port;
  return url;
}

HostKind address_kind(const std::string& octets) {
  return octets.size() == 4 ? ipv4_kind(octets) : ipv6_kind(octets);
}

HostKind host_kind(const std::string& host) {
  const std::string octets = octets_of(host);
  if (!octets.empty()) return address_kind(octets);
  if (looks_numeric(host)) return HostKind::odd;
  std::string lower(host);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (!lower.empty() && lower.back() == '.') lower.pop_back();
  if (lower == "localhost" || lower.ends_with(".localhost")) return HostKind::loopback;
  return HostKind::name;
}

bool may_dial(HostKind kind, bool allow_private) {
  if (allow_private) return true;
  return kind == HostKind::name || kind == HostKind::routable;
}

bool address_kind_known(const std::string& kind) {
  static constexpr std::array<const char*, 5> known{"public", "lan", "vpn", "tunnel", "webrtc"};
  return std::find(known.begin(), known.end(), kind) != known.end();
}

std::string authority(const Url& url) {
  const std::string host = url.is_ipv6 ? "[" + url.host + "]" : url.host;
  const bool tls = url.scheme == "wss" || url.scheme == "https";
  if (url.port == (tls ? 443 : 80)) return host;
  return host + ":" + std::to_string(url.port);
}

std::string http_base(const Url& url) {
  const bool tls = url.scheme == "wss" || url.scheme == "https";
  return (tls ? "https://" : "http://") + authority(url);
}

std::string normal_address(const std::string& text) {
  static const std::string mapped = "::ffff:";
  if (text.starts_with(mapped) && text.find('.') != std::string::npos) return text.substr(mapped.size());
  return text;
}

bool is_private_address(const std::string& text) {
  const std::string octets = octets_of(text);
  return octets.empty() || address_kind(octets) != HostKind::routable;
}

std::string prefix_of(const std::string& address) {
  if (is_private_address(address)) return "";
  const std::string octets = octets_of(address);
  return octets.size() == 4 ? network(AF_INET, octets, 3) : network(AF_INET6, octets, 6);
}

std::string group_of(const std::string& address) {
  if (is_private_address(address)) return address;
  const std::string octets = octets_of(address);
  return octets.size() == 4 ? network(AF_INET, octets, 3) : network(AF_INET6, octets, 4);
}

std::optional<Address> address_for(const NodeAddresses& node, const AskedBy& asker) {
  const auto wants = [&](const std::string& kind) {
    return std::find(asker.kinds.begin(), asker.kinds.end(), kind) != asker.kinds.end();
  };
  std::optional<Address> best;
  int64_t best_rank = 0;
  for (const Address& address : node.all) {
    if (!wants(address.kind)) continue;
    if (address.kind == "public" &&
        std::find(node.proven.begin(), node.proven.end(), address.url) == node.proven.end()) {
      continue;
    }
    if (address.kind == "lan" && (asker.address != node.seen_from || asker.address.empty())) continue;
    const int64_t rank = address.kind == "lan" ? -1 : address.priority;
    if (!best || rank < best_rank) {
      best = address;
      best_rank = rank;
    }
  }
  return best;
}

}  // namespace coordinator
