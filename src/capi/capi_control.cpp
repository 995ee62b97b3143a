// streamr_control_*: what a coordinator needs to check what it receives.
#include "capi/guard.hpp"
#include "crypto/crypto.hpp"
#include "io/system.hpp"
#include "proto/json.hpp"

using namespace streamr;
using namespace streamr::capi;

namespace {

void append(ByteVector& out, ByteView bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

void append_u64(ByteVector& out, std::uint64_t value) {
  std::uint8_t octets[8];
  store_u64(octets, value);
  append(out, octets);
}

// protocol §6: method ‖ 0 ‖ request-target ‖ 0 ‖ unix_us ‖ counter ‖ boot_id ‖ lease ‖ H(body)
ByteVector signed_request(const streamr_request_t& request) {
  ByteVector out;
  append(out, view_of(request.method));
  out.push_back(0);
  append(out, view_of(request.target));
  out.push_back(0);
  append_u64(out, request.unix_us);
  append_u64(out, request.counter);
  append(out, request.boot_id);
  append(out, request.lease);
  append(out, crypto::sha256({request.body, request.body_len}).view());
  return out;
}

}  // namespace

streamr_status_t streamr_control_hash(const uint8_t* bytes, size_t len, uint8_t out[32]) {
  return guarded([&]() -> streamr_status_t {
    if (!is_view(bytes, len) || !out) return STREAMR_E_INVALID;
    copy_out(crypto::sha256({bytes, len}), out);
    return STREAMR_OK;
  });
}

streamr_status_t streamr_control_random(uint8_t* out, size_t len) {
  if (!is_view(out, len)) return STREAMR_E_INVALID;
  return io::fill_random({out, len}) ? STREAMR_OK : STREAMR_E_IO;
}

streamr_status_t streamr_control_merkle_root(const uint8_t* leaves, size_t leaf_len, size_t count, uint8_t out[32]) {
  return guarded([&]() -> streamr_status_t {
    if (!out || (count != 0 && leaf_len != 0 && !leaves)) return STREAMR_E_INVALID;
    crypto::Hasher hasher;
    std::vector<Hash> hashes;
    hashes.reserve(count);
    for (std::size_t i = 0; i < count; ++i)
      hashes.push_back(crypto::leaf_hash(hasher, {leaves + i * leaf_len, leaf_len}));
    copy_out(crypto::merkle_root(hasher, hashes), out);
    return STREAMR_OK;
  });
}

streamr_status_t streamr_control_verify(const uint8_t public_key[32], const char* prefix, const uint8_t* bytes,
                                        size_t len, const uint8_t signature[64]) {
  return guarded([&]() -> streamr_status_t {
    if (!public_key || !prefix || !signature || !is_view(bytes, len)) return STREAMR_E_INVALID;
    const bool holds =
        crypto::verify(fixed_from<Key>(public_key), prefix, {bytes, len}, fixed_from<Signature>(signature));
    return holds ? STREAMR_OK : STREAMR_E_SIGNATURE;
  });
}

streamr_status_t streamr_control_key_check(const uint8_t public_key[32]) {
  return guarded([&]() -> streamr_status_t {
    return public_key && crypto::is_sound_key(fixed_from<Key>(public_key)) ? STREAMR_OK : STREAMR_E_INVALID;
  });
}

streamr_status_t streamr_control_check_registration(const uint8_t public_key[32], const uint8_t nonce[32],
                                                    const uint8_t coordinator_key[32], const uint8_t* body,
                                                    size_t body_len, const uint8_t signature[64]) {
  return guarded([&]() -> streamr_status_t {
    if (!public_key || !nonce || !coordinator_key || !signature || !is_view(body, body_len)) return STREAMR_E_INVALID;
    ByteVector message;
    append(message, {nonce, 32});
    append(message, {coordinator_key, 32});
    append(message, {public_key, 32});
    append(message, crypto::sha256({body, body_len}).view());
    const bool holds = crypto::verify(fixed_from<Key>(public_key), crypto::prefix::registration, message,
                                      fixed_from<Signature>(signature));
    return holds ? STREAMR_OK : STREAMR_E_SIGNATURE;
  });
}

streamr_status_t streamr_control_check_request(const streamr_request_t* request) {
  return guarded([&]() -> streamr_status_t {
    streamr_request_t in;
    if (const auto status = read_struct(request, in); status != STREAMR_OK) return status;
    if (!in.method || !in.target || !is_view(in.body, in.body_len)) return STREAMR_E_INVALID;
    const auto key = fixed_from<Key>(in.public_key);
    const bool holds =
        crypto::verify(key, crypto::prefix::request, signed_request(in), fixed_from<Signature>(in.signature));
    return holds ? STREAMR_OK : STREAMR_E_SIGNATURE;
  });
}

streamr_status_t streamr_control_check_json(const char* text, size_t len, size_t max_bytes, uint32_t max_depth,
                                            streamr_error_t* error) {
  return guarded(error, [&]() -> Status {
    if (!is_view(text, len)) return invalid("a text is expected");
    return proto::check_json({text ? text : "", len}, max_bytes, max_depth);
  });
}
