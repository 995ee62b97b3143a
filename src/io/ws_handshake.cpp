#include "io/ws_handshake.hpp"

#include <openssl/evp.h>

#include <algorithm>

namespace streamr::io {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

// Sixteen octets in base64: 22 digits and two signs of equality.
bool is_key(std::string_view key) {
  const auto digit = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
  };
  return key.size() == 24 && key.ends_with("==") && std::all_of(key.begin(), key.end() - 2, digit);
}

}  // namespace

bool header_list_has(const HttpHead& head, std::string_view name, std::string_view word, bool ignoring_case) {
  for (const auto& [field, value] : head.headers) {
    if (field != name) continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const auto comma = rest.find(',');
      auto item = rest.substr(0, comma);
      while (!item.empty() && (item.front() == ' ' || item.front() == '\t')) item.remove_prefix(1);
      while (!item.empty() && (item.back() == ' ' || item.back() == '\t')) item.remove_suffix(1);
      if (ignoring_case ? equal_ignoring_case(item, word) : item == word) return true;
      rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    }
  }
  return false;
}

std::string websocket_accept_value(std::string_view key) {
  std::string text(key);
  text += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 §1.3
  unsigned char digest[20] = {};
  unsigned int size = sizeof digest;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha1(), nullptr);
  unsigned char base64[32] = {};
  const int length = EVP_EncodeBlock(base64, digest, static_cast<int>(size));
  return std::string(reinterpret_cast<const char*>(base64), static_cast<std::size_t>(length));
}

bool asks_for_websocket(const HttpHead& head) {
  return header_list_has(head, "upgrade", "websocket", true);
}

std::optional<HttpRefusal> websocket_refusal(const HttpHead& head) {
  if (head.method != "GET" || !head.http_1_1) return HttpRefusal{400, "a WebSocket begins with GET over HTTP/1.1"};
  if (!header_list_has(head, "connection", "upgrade", true)) return HttpRefusal{400, "Connection: Upgrade is missing"};
  if (head.header("sec-websocket-version") != "13") return HttpRefusal{400, "Sec-WebSocket-Version 13 is expected"};
  if (!is_key(head.header("sec-websocket-key"))) return HttpRefusal{400, "Sec-WebSocket-Key is 16 octets in base64"};
  if (!header_list_has(head, "sec-websocket-protocol", ws_subprotocol, false))
    return HttpRefusal{400, "the WebSocket subprotocol streamr.relay.v1 is expected"};
  return std::nullopt;
}

std::string websocket_answer(const HttpHead& head) {
  return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
         websocket_accept_value(head.header("sec-websocket-key")) +
         "\r\nSec-WebSocket-Protocol: " + std::string(ws_subprotocol) + "\r\n\r\n";
}

SharedBytes ws_frame_header(std::uint8_t first_octet, std::uint64_t payload_bytes) {
  std::uint8_t header[10] = {first_octet};
  std::size_t size = 2;
  if (payload_bytes < 126) {
    header[1] = static_cast<std::uint8_t>(payload_bytes);
  } else if (payload_bytes <= 0xFFFF) {
    header[1] = 126;
    store_u16(header + 2, static_cast<std::uint16_t>(payload_bytes));
    size = 4;
  } else {
    header[1] = 127;
    store_u64(header + 2, payload_bytes);
    size = 10;
  }
  return SharedBytes::copy({header, size});
}

}  // namespace streamr::io
