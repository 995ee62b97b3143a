#include <sodium.h>
#include <algorithm>
#include <new>

#include "crypto/crypto.hpp"

namespace streamr::crypto {

namespace {

// prefix ‖ NUL ‖ bytes in one piece, as Ed25519 needs it: objects and handshakes fit the stack, a long request does
// not.
class SignedMessage {
 public:
  SignedMessage(std::string_view prefix, ByteView bytes) : size_(prefix.size() + 1 + bytes.size()) {
    std::uint8_t* to = small_.data();
    if (size_ > small_.size()) {
      large_.resize(size_);
      to = large_.data();
    }
    data_ = to;
    std::copy(prefix.begin(), prefix.end(), to);
    to[prefix.size()] = 0;
    std::copy(bytes.begin(), bytes.end(), to + prefix.size() + 1);
  }
  SignedMessage(const SignedMessage&) = delete;
  SignedMessage& operator=(const SignedMessage&) = delete;

  const std::uint8_t* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  std::array<std::uint8_t, 512> small_;
  ByteVector large_;
  std::size_t size_;
  const std::uint8_t* data_;
};

// The y coordinate is below 2^255 - 19: the only other way to write a point.
bool is_canonical(const Key& key) {
  const auto& octets = key.octets;
  if ((octets[31] & 0x7F) != 0x7F) return true;
  const bool upper_full =
      std::all_of(octets.begin() + 1, octets.begin() + 31, [](std::uint8_t o) { return o == 0xFF; });
  return !upper_full || octets[0] < 0xED;
}

}  // namespace

KeyPair KeyPair::from_seed(std::span<const std::uint8_t, 32> seed) {
  // Idempotent and safe from any thread; needed once before keys are made.
  if (sodium_init() < 0) throw std::bad_alloc();
  KeyPair pair;
  crypto_sign_seed_keypair(pair.public_.data(), pair.secret_.data(), seed.data());
  return pair;
}

KeyPair::~KeyPair() {
  wipe(secret_);
}

Signature KeyPair::sign(std::string_view prefix, ByteView bytes) const {
  const SignedMessage message(prefix, bytes);
  Signature out;
  crypto_sign_detached(out.data(), nullptr, message.data(), message.size(), secret_.data());
  return out;
}

std::array<std::uint8_t, 32> KeyPair::seed() const {
  std::array<std::uint8_t, 32> out;
  std::copy_n(secret_.begin(), out.size(), out.begin());
  return out;
}

// libsodium refuses S ≥ L, keys and R of small order, and keys that are not written canonically.
bool verify(const Key& key, std::string_view prefix, ByteView bytes, const Signature& signature) {
  const SignedMessage message(prefix, bytes);
  return crypto_sign_verify_detached(signature.data(), message.data(), message.size(), key.data()) == 0;
}

// Not crypto_core_ed25519_is_valid_point: that one also refuses keys with a small-order component, which sign soundly.
bool is_sound_key(const Key& key) {
  if (!is_canonical(key)) return false;
  Key doubled = key;
  for (int i = 0; i < 3; ++i) {
    // Adding also tells whether both points are on the curve.
    if (crypto_core_ed25519_add(doubled.data(), doubled.data(), doubled.data()) != 0) return false;
  }
  Key identity;
  identity.octets[0] = 1;
  return doubled != identity;
}

bool equal_in_constant_time(ByteView a, ByteView b) {
  if (a.size() != b.size()) return false;
  return a.empty() || sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

void wipe(std::span<std::uint8_t> secret) {
  if (!secret.empty()) sodium_memzero(secret.data(), secret.size());
}

}  // namespace streamr::crypto
