// tests/vectors/chunks.json byte for byte: parse, verify, and make again from the seeds.
#include <doctest/doctest.h>
#include <fstream>
#include <sstream>

#include "proto/fixtures.hpp"
#include "proto/json.hpp"

using namespace streamr;
using namespace streamr::proto;
using namespace streamr::proto::test;

namespace {

const JsonDocument& vectors() {
  static const JsonDocument document = [] {
    std::ifstream file(STREAMR_VECTORS_DIR "/chunks.json", std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    auto parsed = parse_json(text.str());
    REQUIRE_MESSAGE(parsed.ok(), (parsed ? "" : parsed.error().text));
    return std::move(*parsed);
  }();
  return document;
}
JsonView section(std::string_view name) {
  return *vectors().root().get_object(name);
}
ByteVector bytes_at(std::string_view name, std::string_view member) {
  return *section(name).get_hex(member, 1 << 16);
}
Key public_key_of(std::string_view name) {
  return *section("keys").get_object(name)->get_fixed<Key>("public");
}
Certificate vector_certificate() {
  return *parse_certificate(bytes_at("certificate", "bytes"));
}
ByteVector vector_payload() {
  return payload_of(static_cast<std::size_t>(*section("chunk").get_u64("payload_length")));
}
std::string hex(ByteView bytes) {
  return to_hex(bytes);
}

}  // namespace

TEST_CASE("vectors: the four seeds give the four keys") {
  for (const JsonView key : section("keys")) {
    const auto seed = key.get_fixed<Hash>("seed");
    REQUIRE(seed.ok());
    CHECK(crypto::KeyPair::from_seed(seed->octets).public_key() == *key.get_fixed<Key>("public"));
  }
  CHECK(section("keys").size() == 4);
}

TEST_CASE("vectors: the certificate verifies, has its id, and is issued again octet for octet") {
  const ByteVector bytes = bytes_at("certificate", "bytes");
  const auto certificate = parse_certificate(bytes);
  REQUIRE(certificate.ok());
  CHECK(verify_certificate(*certificate).ok());
  CHECK(certificate->stream_id == public_key_of("root"));
  CHECK(certificate->session_key == public_key_of("session"));
  CHECK(certificate->max_kbps == 25'000);
  CHECK(certificate->serial == 7);
  CHECK(hex(certificate->id().view()) == *section("certificate").get_string("cert_id"));
  CHECK(hex(issue_certificate(*certificate, root_key()).raw) == hex(bytes));
}

TEST_CASE("vectors: the chunk's leaves, root, header and hash are made again octet for octet") {
  const ByteVector bytes = bytes_at("chunk", "header");
  const auto header = parse_chunk_header(bytes);
  REQUIRE(header.ok());
  CHECK(verify_chunk_header(*header, vector_certificate()).ok());
  CHECK(header->slice_count == 3);
  CHECK(header->slice_bytes(0) == 16'384);
  CHECK(header->slice_bytes(2) == 40'000 - 2 * 16'384);
  CHECK(header->slice_bytes(3) == 0);
  CHECK(hex(header->hash().view()) == *section("chunk").get_string("header_hash"));

  std::vector<Hash> leaves;
  ChunkHeader fields = *header;
  fields.merkle_root = {};
  fields.signature = {};
  const ChunkHeader again = issue_chunk_header(fields, vector_payload(), vector_certificate(), session_key(), leaves);
  CHECK(hex(again.raw) == hex(bytes));
  CHECK(hex(again.merkle_root.view()) == *section("chunk").get_string("merkle_root"));
  std::size_t i = 0;
  for (const JsonView leaf : *section("chunk").get_array("leaves")) {
    REQUIRE(i < leaves.size());
    CHECK(hex(leaves[i++].view()) == *leaf.as_string("leaf"));
  }
  CHECK(i == leaves.size());
}

TEST_CASE("vectors: the audit paths are the given ones and lead to the root") {
  crypto::Hasher hasher;
  std::vector<Hash> leaves;
  for (const JsonView leaf : *section("chunk").get_array("leaves")) leaves.push_back(*leaf.as_fixed<Hash>("leaf"));
  const Hash root = *section("chunk").get_fixed<Hash>("merkle_root");
  std::size_t paths = 0;
  for (const JsonView entry : *vectors().root().get_array("audit_paths")) {
    const std::size_t index = static_cast<std::size_t>(*entry.get_u64("index"));
    std::vector<crypto::AuditStep> given;
    for (const JsonView step : *entry.get_array("path")) {
      given.push_back({*step.get_string("side") == "left", *step.get_fixed<Hash>("hash")});
    }
    const auto made = crypto::audit_path(hasher, leaves, index);
    REQUIRE(made.size() == given.size());
    for (std::size_t i = 0; i < made.size(); ++i) {
      CHECK(made[i].sibling == given[i].sibling);
      CHECK(made[i].sibling_is_left == given[i].sibling_is_left);
    }
    CHECK(crypto::check_audit_path(hasher, leaves[index], given, root));
    ++paths;
  }
  CHECK(paths == 3);
}

TEST_CASE("vectors: the ticket verifies and is issued again octet for octet") {
  const ByteVector bytes = bytes_at("ticket", "bytes");
  const auto ticket = parse_ticket(bytes);
  REQUIRE(ticket.ok());
  CHECK(verify_ticket(*ticket, public_key_of("root")).ok());
  CHECK(ticket->relay_key == public_key_of("relay"));
  CHECK(ticket->viewer_key == public_key_of("viewer"));
  CHECK(hex(issue_ticket(*ticket, root_key()).raw) == hex(bytes));
}

TEST_CASE("vectors: the receipt verifies and is issued again octet for octet") {
  const ByteVector bytes = bytes_at("receipt", "bytes");
  const auto receipt = parse_receipt(bytes);
  REQUIRE(receipt.ok());
  CHECK(verify_receipt(*receipt).ok());
  CHECK(receipt->bytes_ok == 40'000);
  CHECK(receipt->slices_ok == 3);
  CHECK(hex(issue_receipt(*receipt, viewer_key()).raw) == hex(bytes));
}

TEST_CASE("vectors: the handshake is read, holds, and is made again octet for octet") {
  const ByteVector hello_bytes = bytes_at("handshake", "hello_frame");
  const ByteVector welcome_bytes = bytes_at("handshake", "welcome_frame");
  const ByteVector auth_bytes = bytes_at("handshake", "auth_frame");

  const auto hello_frame = decode_message(hello_bytes);
  REQUIRE(hello_frame.ok());
  const Hello hello = std::get<Hello>(hello_frame->body);
  CHECK(hello.role == Role::viewer);
  CHECK(hello.peer_key == public_key_of("viewer"));
  REQUIRE(hello.ticket.has_value());
  CHECK(verify_ticket(*hello.ticket, public_key_of("root")).ok());
  CHECK(hex(encode(hello)) == hex(hello_bytes));

  const Hash hello_hash = payload_hash(hello_bytes);
  const auto welcome_frame = decode_message(welcome_bytes);
  REQUIRE(welcome_frame.ok());
  Welcome welcome = std::get<Welcome>(welcome_frame->body);
  CHECK(welcome.load_pct == 7);
  CHECK(verify_welcome(welcome, welcome_frame->payload, hello_hash));
  CHECK_FALSE(verify_welcome(welcome, welcome_frame->payload, payload_hash(auth_bytes)));
  welcome.relay_key = {};
  welcome.signature = {};
  CHECK(hex(encode(welcome, hello_hash, relay_key())) == hex(welcome_bytes));
  CHECK(welcome.relay_key == public_key_of("relay"));

  const Hash welcome_hash = payload_hash(welcome_bytes);
  const auto auth_frame = decode_message(auth_bytes);
  REQUIRE(auth_frame.ok());
  CHECK(verify_auth(std::get<Auth>(auth_frame->body), hello.peer_key, hello_hash, welcome_hash));
  CHECK_FALSE(verify_auth(std::get<Auth>(auth_frame->body), hello.peer_key, welcome_hash, hello_hash));
  CHECK(hex(encode(Auth{sign_auth(viewer_key(), hello_hash, welcome_hash)})) == hex(auth_bytes));
}
