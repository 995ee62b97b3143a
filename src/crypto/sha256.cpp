#include <openssl/evp.h>
#include <new>

#include "crypto/crypto.hpp"

namespace streamr::crypto {

namespace {

// With the digest fetched, OpenSSL fails here only for want of memory.
void require(int done) {
  if (done != 1) throw std::bad_alloc();
}

}  // namespace

struct Hasher::State {
  EVP_MD* digest = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  EVP_MD_CTX* context = EVP_MD_CTX_new();

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    EVP_MD_CTX_free(context);
    EVP_MD_free(digest);
  }
};

Hasher::Hasher() : state_(std::make_unique<State>()) {
  require(state_->digest != nullptr && state_->context != nullptr ? 1 : 0);
  require(EVP_DigestInit_ex2(state_->context, state_->digest, nullptr));
}

Hasher::~Hasher() = default;

Hasher& Hasher::update(ByteView bytes) {
  if (!bytes.empty()) require(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()));
  return *this;
}

Hasher& Hasher::update_octet(std::uint8_t octet) {
  return update({&octet, 1});
}

Hash Hasher::finish() {
  Hash out;
  require(EVP_DigestFinal_ex(state_->context, out.data(), nullptr));
  // No digest named: the context keeps the one it has, without another look-up.
  require(EVP_DigestInit_ex2(state_->context, nullptr, nullptr));
  return out;
}

Hash sha256(ByteView bytes) {
  Hasher hasher;
  return hasher.update(bytes).finish();
}

}  // namespace streamr::crypto
