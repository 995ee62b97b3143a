#include "io/key_file.hpp"

#include <openssl/crypto.h>

#include "io/small_file.hpp"

namespace streamr::io {
namespace {

constexpr std::string_view title = "streamr-key-v1\n";

// Secrets leave no copy behind.
struct Wiped {
  std::string& text;
  ~Wiped() { OPENSSL_cleanse(text.data(), text.size()); }
};

}  // namespace

Result<crypto::KeyPair> load_key(const std::string& path) {
  auto content = read_small_file(path, {.max_bytes = 256, .owner_only = true});
  if (!content && content.error().status == STREAMR_E_LIMIT)
    return fail(STREAMR_E_MALFORMED, path + " is not a key file of this library");
  if (!content) return content.error();
  const Wiped wiped{*content};
  std::string_view text = *content;
  std::array<std::uint8_t, 32> seed{};
  const bool titled = text.starts_with(title);
  if (titled) text.remove_prefix(title.size());
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (!titled || !from_hex(text, seed))
    return fail(
        STREAMR_E_MALFORMED,
        path + " is not a key file of this library: a line streamr-key-v1 and a line of 64 hex digits are expected");
  auto key = crypto::KeyPair::from_seed(seed);
  OPENSSL_cleanse(seed.data(), seed.size());
  return key;
}

Status save_key(const crypto::KeyPair& key, const std::string& path) {
  auto seed = key.seed();
  std::string digits = to_hex(seed);
  std::string content;
  content.reserve(title.size() + digits.size() + 1);  // one allocation, so that one wipe is enough
  content.append(title).append(digits).push_back('\n');
  OPENSSL_cleanse(seed.data(), seed.size());
  const Wiped wiped_digits{digits}, wiped_content{content};
  return write_small_file(path, content, true);
}

}  // namespace streamr::io
