#include "common/identity.hpp"

namespace streamr::programs {

Identity load_or_make_key(const std::string& path) {
  streamr_key_t* found = nullptr;
  if (streamr_key_load(path.c_str(), &found, nullptr) == STREAMR_E_NOTFOUND) {
    KeyPtr fresh = new_key();
    if (!fresh) return {nullptr, false, "no key could be made: the system gave no randomness"};
    streamr_error_t error = STREAMR_ERROR_INIT;
    const streamr_status_t saved = streamr_key_save(fresh.get(), path.c_str(), &error);
    if (saved == STREAMR_OK) return {std::move(fresh), true, {}};
    // Another process may have made it in this moment: then that one counts.
    if (saved != STREAMR_E_INUSE)
      return {nullptr, false, "the key file " + path + " cannot be written: " +
                                  (error.text[0] != 0 ? error.text : streamr_status_message(saved))};
  }
  streamr_key_destroy(found);
  Identity out;
  out.key = load_key(path, out.sentence);
  return out;
}

}  // namespace streamr::programs
