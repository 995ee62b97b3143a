#include "coordinator/app/context.hpp"

#include <stdexcept>

namespace coordinator {

const uint8_t* octets(const std::string& bytes) {
  return reinterpret_cast<const uint8_t*>(bytes.data());
}

std::string random_bytes(size_t len) {
  std::string out(len, '\0');
  if (streamr_control_random(reinterpret_cast<uint8_t*>(out.data()), len) != STREAMR_OK) {
    throw std::runtime_error("the system gave no randomness");
  }
  return out;
}

std::string hash_of(const std::string& bytes) {
  std::string out(STREAMR_HASH_BYTES, '\0');
  streamr_control_hash(octets(bytes), bytes.size(), reinterpret_cast<uint8_t*>(out.data()));
  return out;
}

}  // namespace coordinator
