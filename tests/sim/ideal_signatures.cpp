// Decides what a signature is in the storm: a keyed sum that only this process can make, in place of Ed25519, whose
// arithmetic would be a fifth of the time and proves nothing here: tests/crypto and every other test use libsodium itself.
// A signature holds for exactly the key and octets it was made with, so a changed octet is refused as the real one would be.
// Never lets a key sign that was not made in this process, and is no cryptography: who knows this file can forge.
// The linker (--wrap) puts it between the library and libsodium, in sim_storm only. Called by crypto/ed25519.
#include <sodium.h>

#include <cstring>
#include <string_view>
#include <unordered_map>

#include "base/bytes.hpp"

namespace {

using PublicKey = std::string;

std::uint64_t mix(std::uint64_t sum, std::uint64_t word) {
  sum = (sum ^ word) * 0x9E3779B97F4A7C15ull;
  return sum ^ (sum >> 29);
}

std::uint64_t sum_of(std::uint64_t sum, const unsigned char* octets, unsigned long long length) {
  unsigned long long at = 0;
  for (; at + 8 <= length; at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, octets + at, 8);
    sum = mix(sum, word);
  }
  std::uint64_t rest = length;
  for (; at < length; ++at) rest = rest << 8 | octets[at];
  return mix(sum, rest);
}

// What only the holder of the key could say, by public key.
std::unordered_map<std::string_view, std::uint64_t>& secrets() {
  static std::unordered_map<std::string_view, std::uint64_t> known;
  return known;
}

void write_signature(unsigned char* to, std::uint64_t secret, const unsigned char* bytes, unsigned long long length) {
  std::uint64_t sum = sum_of(secret, bytes, length);
  for (int word = 0; word < 8; ++word, sum = mix(sum, secret + 1)) std::memcpy(to + 8 * word, &sum, 8);
}

}  // namespace

extern "C" {

int __wrap_crypto_sign_verify_detached(const unsigned char*, const unsigned char*, unsigned long long, const unsigned char*);
int __wrap_crypto_sign_detached(unsigned char*, unsigned long long*, const unsigned char*, unsigned long long, const unsigned char*);

int __wrap_crypto_sign_verify_detached(const unsigned char* signature, const unsigned char* bytes, unsigned long long length, const unsigned char* key) {
  const auto known = secrets().find({reinterpret_cast<const char*>(key), crypto_sign_PUBLICKEYBYTES});
  if (known == secrets().end()) return -1;
  unsigned char expected[crypto_sign_BYTES];
  write_signature(expected, known->second, bytes, length);
  return std::memcmp(expected, signature, sizeof expected) == 0 ? 0 : -1;
}

int __wrap_crypto_sign_detached(unsigned char* signature, unsigned long long* made, const unsigned char* bytes, unsigned long long length, const unsigned char* secret) {
  // libsodium's secret key is the seed and then the public key.
  const std::string_view key{reinterpret_cast<const char*>(secret + 32), crypto_sign_PUBLICKEYBYTES};
  auto known = secrets().find(key);
  if (known == secrets().end()) {
    auto* kept = new PublicKey(key);      // the process knows its keys until it ends
    known = secrets().emplace(*kept, sum_of(0x5EC2E7, secret, 32)).first;
  }
  write_signature(signature, known->second, bytes, length);
  if (made != nullptr) *made = crypto_sign_BYTES;
  return 0;
}

}  // extern "C"
