#include "io/ws_client.hpp"

#include <openssl/evp.h>

#include <algorithm>

#include "io/http_engine.hpp"
#include "io/ws_handshake.hpp"

namespace streamr::io {
namespace {

std::string base64_of(ByteView octets) {
  std::string text((octets.size() + 2) / 3 * 4 + 1, '\0');
  const int size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), octets.data(), static_cast<int>(octets.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

std::string field_name(std::string_view from) {
  std::string out(from);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::string_view without_blanks(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

std::size_t count_of(const HttpHead& head, std::string_view name) {
  return static_cast<std::size_t>(
      std::count_if(head.headers.begin(), head.headers.end(), [&](const auto& field) { return field.first == name; }));
}

// Lines end with CR LF and hold no other control character; a blank before a line would continue the one before it.
bool is_clean_head(std::string_view head) {
  for (std::size_t i = 0; i < head.size(); ++i) {
    const auto c = static_cast<unsigned char>(head[i]);
    if (c == '\r' ? i + 1 == head.size() || head[i + 1] != '\n' : c == '\n' && (i == 0 || head[i - 1] != '\r'))
      return false;
    if ((c < 0x20 && c != '\r' && c != '\n' && c != '\t') || c == 0x7F) return false;
    if (c == '\n' && i + 1 < head.size() && (head[i + 1] == ' ' || head[i + 1] == '\t')) return false;
  }
  return true;
}

// What the answer says about itself, cut to what fits into a sentence.
std::string status_text(std::string_view head) {
  constexpr std::size_t longest = 80;
  std::string text(head.substr(0, std::min(head.find('\r'), longest)));
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7E) c = '?';
  return text;
}

bool is_status_line(std::string_view head) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return head.size() > 12 && head.starts_with("HTTP/1.1 ") && digit(head[9]) && digit(head[10]) && digit(head[11]) &&
         (head[12] == ' ' || head[12] == '\r');
}

}  // namespace

WsClientHandshake::WsClientHandshake(const Key& key) : key_(base64_of(key)) {}

std::string WsClientHandshake::request(const WsUrl& url) const {
  const bool usual_port = url.port == (url.tls ? 443 : 80);
  std::string host = format_host_port(url.host, url.port);
  if (usual_port) host.resize(host.rfind(':'));
  return "GET " + url.target + " HTTP/1.1\r\nHost: " + host +
         "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " + key_ +
         "\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: " + std::string(ws_subprotocol) + "\r\n\r\n";
}

WsClientHandshake::Step WsClientHandshake::refuse(std::string why) {
  problem_ = std::move(why);
  return Step::refused;
}

WsClientHandshake::Step WsClientHandshake::feed(ByteView& bytes) {
  if (!problem_.empty()) return Step::refused;
  while (!bytes.empty()) {
    head_.push_back(static_cast<char>(bytes.front()));
    bytes = bytes.subspan(1);
    if (head_.ends_with("\r\n\r\n")) return judge();
    if (head_.size() == answer_bytes) return refuse("the answer to the WebSocket request is longer than 8192 bytes");
  }
  return Step::more;
}

WsClientHandshake::Step WsClientHandshake::judge() {
  if (!is_status_line(head_) || !is_clean_head(head_)) return refuse("the other side does not answer in HTTP/1.1");
  if (head_.compare(9, 3, "101") != 0)
    return refuse("the other side does not open a WebSocket, it answers \"" + status_text(head_) + "\"");
  HttpEngine engine;
  engine.begin(HttpEngine::Reads::answers);
  const bool readable = engine.feed(head_.data(), head_.size());
  if (!readable || !engine.head_done)
    return refuse(std::string("the answer to the WebSocket request cannot be read: ") + engine.problem());
  HttpHead head;
  for (const auto& [name, value] : engine.fields) head.headers.emplace_back(field_name(name), without_blanks(value));
  if (!header_list_has(head, "upgrade", "websocket", true)) return refuse("the answer 101 has no Upgrade: websocket");
  if (!header_list_has(head, "connection", "upgrade", true)) return refuse("the answer 101 has no Connection: Upgrade");
  if (count_of(head, "sec-websocket-accept") != 1 ||
      head.header("sec-websocket-accept") != websocket_accept_value(key_))
    return refuse("Sec-WebSocket-Accept does not answer the key that was sent");
  if (count_of(head, "sec-websocket-protocol") != 1 || head.header("sec-websocket-protocol") != ws_subprotocol)
    return refuse("the other side does not speak streamr.relay.v1");
  if (count_of(head, "sec-websocket-extensions") != 0) return refuse("a WebSocket extension that nobody asked for");
  if (count_of(head, "content-length") + count_of(head, "transfer-encoding") != 0)
    return refuse("the answer 101 announces a body, which it never has");
  head_ = {};
  return Step::open;
}

SharedBytes ws_client_frame(std::uint8_t first_octet, std::span<const SharedBytes> pieces, const WsMask& mask) {
  std::size_t payload = 0;
  for (const auto& piece : pieces) payload += piece.size();
  const std::size_t length_octets = payload < 126 ? 0u : payload <= 0xFFFF ? 2u : 8u;
  const std::size_t header = 2 + length_octets + mask.size();
  auto frame = std::make_shared_for_overwrite<std::uint8_t[]>(header + payload);
  std::uint8_t* to = frame.get();
  to[0] = first_octet;
  to[1] = static_cast<std::uint8_t>(0x80 | (length_octets == 0 ? payload : length_octets == 2 ? 126u : 127u));
  if (length_octets == 2) store_u16(to + 2, static_cast<std::uint16_t>(payload));
  if (length_octets == 8) store_u64(to + 2, payload);
  std::copy(mask.begin(), mask.end(), to + 2 + length_octets);
  std::uint64_t place = 0;
  for (const auto& piece : pieces) {
    ws_mask(to + header + place, piece, mask, place);
    place += piece.size();
  }
  return SharedBytes::hold(std::move(frame), header + payload);
}

}  // namespace streamr::io
