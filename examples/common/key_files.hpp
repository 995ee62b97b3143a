// Decides: how programs load keys, read and write certificate files, and what a failure of that is called.
// Never: prints a secret, and never overwrites a file.
// Called by: streamr-keygen, streamr-publish, and programs that keep an identity.
#pragma once

#include <streamr/streamr.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace streamr::programs {

struct KeyDeleter {
  void operator()(streamr_key_t* key) const { streamr_key_destroy(key); }
};
using KeyPtr = std::unique_ptr<streamr_key_t, KeyDeleter>;
using CertificateBytes = std::array<std::uint8_t, STREAMR_CERTIFICATE_BYTES>;

// Null and one sentence where the file is missing, damaged or readable by others (exit_key).
KeyPtr load_key(const std::string& path, std::string& sentence);
KeyPtr new_key();
std::string public_hex(const streamr_key_t* key);

struct CertificateWishes {
  std::uint64_t epoch = 0;
  std::uint64_t serial = 0;
  std::uint64_t not_before_s = 0;
  std::uint64_t lifetime_s = 86'400;
  std::uint64_t min_segment = 0;
  std::uint32_t max_kbps = 0;
  std::uint32_t track_mask = 1;
};
std::optional<CertificateBytes> make_certificate(const streamr_key_t* root, const streamr_key_t* session,
                                                 const CertificateWishes& wishes, std::string& sentence);

std::uint64_t unix_us();
// unix_ms << 16 | random16, as protocol §1 says.
std::uint64_t new_epoch(std::uint64_t unix_ms);

// Writes a new file, whole or not at all; `mode` such as 0600.
bool write_new_file(const std::string& path, const std::uint8_t* bytes, std::size_t len, unsigned mode,
                    std::string& sentence);
// At most `max_bytes` of a file; nothing and a sentence where it cannot be read or is longer.
std::optional<std::vector<std::uint8_t>> read_file(const std::string& path, std::size_t max_bytes,
                                                   std::string& sentence);
// First line of a file that holds a secret; the file must not be readable by others.
std::optional<std::string> read_secret(const std::string& path, std::string& sentence);

}  // namespace streamr::programs
