// Decides that a signature which was made or checked once in this process is not calculated again: two thousand simulated
// machines check the same headers, and only the first check is work on the one core that plays them all.
// Never answers what libsodium did not answer before. The linker (--wrap) puts it between the library and libsodium.
// Called by crypto/ed25519 in the simulator only.
#include <sodium.h>

#include <cstring>
#include <unordered_map>

#include "base/bytes.hpp"

namespace {

struct Name {
  std::uint64_t words[4];
  bool operator==(const Name&) const = default;
};
struct NameHash {
  std::size_t operator()(const Name& name) const { return static_cast<std::size_t>(name.words[2] ^ name.words[3]); }
};

constexpr std::size_t most = 300'000;

std::unordered_map<Name, int, NameHash>& memo() {
  static std::unordered_map<Name, int, NameHash> known;
  if (known.size() > most) known.clear();
  return known;
}

std::uint64_t mix(std::uint64_t sum, std::uint64_t word) {
  sum = (sum ^ word) * 0x9E3779B97F4A7C15ull;
  return sum ^ (sum >> 29);
}

void add(Name& name, const unsigned char* octets, unsigned long long length) {
  unsigned long long at = 0;
  std::uint64_t word = 0;
  for (; at + 8 <= length; at += 8) {
    std::memcpy(&word, octets + at, 8);
    name.words[2] = mix(name.words[2], word);
    name.words[3] = mix(name.words[3] + 1, word);
  }
  word = length;
  for (; at < length; ++at) word = word << 8 | octets[at];
  name.words[2] = mix(name.words[2], word);
  name.words[3] = mix(name.words[3] + 1, word);
}

Name name_of(const unsigned char* signature, const unsigned char* bytes, unsigned long long length, const unsigned char* key) {
  Name name{{streamr::load_u64(signature), streamr::load_u64(signature + 32), 1, 2}};
  add(name, signature, crypto_sign_BYTES);
  add(name, key, crypto_sign_PUBLICKEYBYTES);
  add(name, bytes, length);
  return name;
}

}  // namespace

extern "C" {

int __real_crypto_sign_verify_detached(const unsigned char*, const unsigned char*, unsigned long long, const unsigned char*);
int __real_crypto_sign_detached(unsigned char*, unsigned long long*, const unsigned char*, unsigned long long, const unsigned char*);
int __wrap_crypto_sign_verify_detached(const unsigned char*, const unsigned char*, unsigned long long, const unsigned char*);
int __wrap_crypto_sign_detached(unsigned char*, unsigned long long*, const unsigned char*, unsigned long long, const unsigned char*);

int __wrap_crypto_sign_verify_detached(const unsigned char* signature, const unsigned char* bytes, unsigned long long length, const unsigned char* key) {
  auto& known = memo();
  const Name name = name_of(signature, bytes, length, key);
  if (const auto found = known.find(name); found != known.end()) return found->second;
  const int answer = __real_crypto_sign_verify_detached(signature, bytes, length, key);
  known.emplace(name, answer);
  return answer;
}

int __wrap_crypto_sign_detached(unsigned char* signature, unsigned long long* made, const unsigned char* bytes, unsigned long long length, const unsigned char* secret) {
  const int answer = __real_crypto_sign_detached(signature, made, bytes, length, secret);
  // libsodium's secret key ends with the public one.
  if (answer == 0) memo().emplace(name_of(signature, bytes, length, secret + 32), 0);
  return answer;
}

}  // extern "C"
