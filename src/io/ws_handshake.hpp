// Decides whether an HTTP request may become a WebSocket of this protocol (RFC 6455 §4.2), and the bytes that frame
// what a server sends. Never reads frames; that is ws_receiver. Called by io/connection, and by ws_client, which reads
// the other side of the same handshake.
#pragma once

#include <optional>
#include <string>

#include "io/http_parser.hpp"

namespace streamr::io {

constexpr std::string_view ws_subprotocol = "streamr.relay.v1";
constexpr std::string_view ws_path = "/relay";

// True when the request asks for a WebSocket at all.
bool asks_for_websocket(const HttpHead& head);
// Why the request cannot become one; nullopt: it can.
std::optional<HttpRefusal> websocket_refusal(const HttpHead& head);
// The whole 101 answer.
std::string websocket_answer(const HttpHead& head);

// Whether a comma-separated list, over all fields of that name, holds the word.
bool header_list_has(const HttpHead& head, std::string_view name, std::string_view word, bool ignoring_case);
// Sec-WebSocket-Accept that answers a Sec-WebSocket-Key.
std::string websocket_accept_value(std::string_view key);

// Header of an unmasked frame: first octet as given, then the shortest form of the length.
SharedBytes ws_frame_header(std::uint8_t first_octet, std::uint64_t payload_bytes);
constexpr std::uint8_t ws_binary = 0x82, ws_close = 0x88, ws_ping = 0x89, ws_pong = 0x8A;

}  // namespace streamr::io
