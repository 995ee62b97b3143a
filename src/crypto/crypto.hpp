// Decides how bytes are hashed, signed and checked: SHA-256 (OpenSSL), RFC 9162 trees, Ed25519 (libsodium, strict).
// Never draws randomness and keeps no global state; secrets are wiped when a KeyPair goes.
// Called by proto (objects), core and capi.
#pragma once

#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"

namespace streamr::crypto {

// Reusable SHA-256; one per thread of work. finish() readies it for the next message.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;
  Hasher& update(ByteView bytes);
  Hasher& update_octet(std::uint8_t octet);
  Hash finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Hash sha256(ByteView bytes);

Hash leaf_hash(Hasher& hasher, ByteView slice);                         // H(0x00 ‖ slice)
Hash merkle_root(Hasher& hasher, std::span<const Hash> leaves);         // H("") for no leaf
struct AuditStep { bool sibling_is_left; Hash sibling; };
std::vector<AuditStep> audit_path(Hasher& hasher, std::span<const Hash> leaves, std::size_t index);
bool check_audit_path(Hasher& hasher, const Hash& leaf, std::span<const AuditStep> path, const Hash& root);

// Ed25519. A prefix is given without its NUL; the NUL is signed.
class KeyPair {
 public:
  static KeyPair from_seed(std::span<const std::uint8_t, 32> seed);
  ~KeyPair();
  KeyPair(const KeyPair&) = default;
  KeyPair& operator=(const KeyPair&) = default;
  const Key& public_key() const { return public_; }
  Signature sign(std::string_view prefix, ByteView bytes) const;
  std::array<std::uint8_t, 32> seed() const;                            // for key files only

 private:
  KeyPair() = default;
  Key public_;
  std::array<std::uint8_t, 64> secret_{};
};

bool verify(const Key& key, std::string_view prefix, ByteView bytes, const Signature& signature);
// On the curve, canonical encoding, not of small order.
bool is_sound_key(const Key& key);
bool equal_in_constant_time(ByteView a, ByteView b);                    // lengths may differ; then false
void wipe(std::span<std::uint8_t> secret);                              // zeros that the compiler may not leave out

namespace prefix {
constexpr std::string_view certificate = "streamr/cert/v1";
constexpr std::string_view chunk = "streamr/chunk/v1";
constexpr std::string_view ticket = "streamr/ticket/v1";
constexpr std::string_view receipt = "streamr/receipt/v1";
constexpr std::string_view revocation = "streamr/revoke/v1";
constexpr std::string_view handshake_server = "streamr/hs-s/v1";
constexpr std::string_view handshake_client = "streamr/hs-c/v1";
constexpr std::string_view registration = "streamr/register/v1";
constexpr std::string_view request = "streamr/req/v1";
constexpr std::string_view stream = "streamr/stream/v1";
}  // namespace prefix

}  // namespace streamr::crypto
