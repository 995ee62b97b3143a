// Decides what a node's address may look like, what kind of host stands in it, and to whom it is told.
// Never resolves a name and never dials.
// Called by registration, the dialler (on what it resolved), sessions, assignments and streams.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace coordinator {

enum class HostKind {
  name,      // to be resolved
  routable,  // an address that the whole internet may reach
  loopback,
  restricted,  // private, link-local, shared, multicast, reserved, unspecified
  mapped,      // IPv4 inside IPv6
  odd,         // a number in another form: 2130706433, 0x7f.1, 0177.0.0.1
};

struct Url {
  std::string scheme;
  std::string host;  // without brackets
  uint16_t port = 0;
  std::string path;  // with the slash, empty if none
  bool is_ipv6 = false;
};

// ws, wss, http or https with a host; no user, no fragment.
std::optional<Url> parse_url(const std::string& text);
HostKind host_kind(const std::string& host);
// `octets` are 4 or 16 in network order.
HostKind address_kind(const std::string& octets);
// Whether a `public` address of this kind may be dialled and told.
bool may_dial(HostKind kind, bool allow_private);

struct Address {
  std::string kind;  // public, lan, vpn, tunnel, webrtc
  std::string url;
  int64_t priority = 0;
};
bool address_kind_known(const std::string& kind);

// http(s)://host:port of a ws(s) URL, where the same port serves HLS.
std::string http_base(const Url& url);
// host:port as a URL writes them.
std::string authority(const Url& url);

// A socket's textual address: IPv4-mapped becomes IPv4.
std::string normal_address(const std::string& text);
bool is_private_address(const std::string& text);
// /24 or /48; empty for a loopback or private address, which shares its prefix with nobody.
std::string prefix_of(const std::string& address);
// /24 or /32; a loopback or private address is a group of its own.
std::string group_of(const std::string& address);

struct AskedBy {
  std::string address;             // as the coordinator saw it
  std::vector<std::string> kinds;  // what the asker can use
};

struct NodeAddresses {
  std::vector<Address> all;
  std::vector<std::string> proven;  // urls of kind public that answered a dial-back
  std::string seen_from;            // the node's own address, as the coordinator saw it
};

// The best address to tell this asker: lan before the others for one behind the same public address, then by priority.
std::optional<Address> address_for(const NodeAddresses& node, const AskedBy& asker);

}  // namespace coordinator
