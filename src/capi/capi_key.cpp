// streamr_key_*: key pairs and their files.
#include <openssl/crypto.h>

#include <array>

#include "capi/guard.hpp"
#include "capi/handles.hpp"
#include "io/key_file.hpp"
#include "io/system.hpp"

using namespace streamr;
using namespace streamr::capi;

streamr_status_t streamr_key_generate(streamr_key_t** key) {
  return guarded([&]() -> streamr_status_t {
    if (!key) return STREAMR_E_INVALID;
    *key = nullptr;
    std::array<std::uint8_t, 32> seed{};
    if (!io::fill_random(seed)) return STREAMR_E_IO;
    const streamr_status_t status = streamr_key_from_seed(seed.data(), seed.size(), key);
    OPENSSL_cleanse(seed.data(), seed.size());
    return status;
  });
}

streamr_status_t streamr_key_from_seed(const uint8_t* seed, size_t len, streamr_key_t** key) {
  return guarded([&]() -> streamr_status_t {
    if (!key) return STREAMR_E_INVALID;
    *key = nullptr;
    if (!seed || len != 32) return STREAMR_E_INVALID;
    *key = new streamr_key{crypto::KeyPair::from_seed(std::span<const std::uint8_t, 32>(seed, 32))};
    return STREAMR_OK;
  });
}

streamr_status_t streamr_key_load(const char* path, streamr_key_t** key, streamr_error_t* error) {
  return guarded(error, [&]() -> Status {
    if (!key || !path) return invalid("a path and a place for the key are expected");
    *key = nullptr;
    auto loaded = io::load_key(path);
    if (!loaded) return loaded.error();
    *key = new streamr_key{*loaded};
    return {};
  });
}

streamr_status_t streamr_key_save(const streamr_key_t* key, const char* path, streamr_error_t* error) {
  return guarded(error, [&]() -> Status {
    if (!key || !path) return invalid("a key and a path are expected");
    return io::save_key(key->pair, path);
  });
}

streamr_status_t streamr_key_public(const streamr_key_t* key, uint8_t out[32]) {
  if (!key || !out) return STREAMR_E_INVALID;
  copy_out(key->pair.public_key(), out);
  return STREAMR_OK;
}

streamr_status_t streamr_key_sign(const streamr_key_t* key, const char* prefix, const uint8_t* bytes, size_t len,
                                  uint8_t signature[64]) {
  return guarded([&]() -> streamr_status_t {
    if (!key || !prefix || !signature || !is_view(bytes, len)) return STREAMR_E_INVALID;
    copy_out(key->pair.sign(prefix, {bytes, len}), signature);
    return STREAMR_OK;
  });
}

void streamr_key_destroy(streamr_key_t* key) {
  delete key;
}
