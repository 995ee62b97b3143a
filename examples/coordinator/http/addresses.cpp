#include "coordinator/http/addresses.hpp"

#include "coordinator/rules/errors.hpp"

namespace coordinator {

std::vector<Address> read_addresses(const JsonValue& body) {
  std::vector<Address> out;
  for (const JsonValue& item : body.array("addresses", 8)) {
    item.require_object();
    Address address{item.text("kind", 16), item.text("url", 512), item.integer("priority", 0, kMaxInteger)};
    if (!address_kind_known(address.kind)) {
      throw out_of_range("expected \"kind\" public, lan, vpn, tunnel or webrtc, another word came");
    }
    const auto url = parse_url(address.url);
    const bool websocket = url && (url->scheme == "ws" || url->scheme == "wss");
    if (!url || (!websocket && address.kind != "webrtc")) {
      throw out_of_range("expected a complete ws:// or wss:// URL in \"url\", another form came");
    }
    out.push_back(std::move(address));
  }
  return out;
}

}  // namespace coordinator
