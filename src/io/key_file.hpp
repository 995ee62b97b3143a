// Decides how a key pair rests on disk: a text file of two lines, mode 0600,
//
//     streamr-key-v1
//     <64 lower-case hex digits: the Ed25519 seed of RFC 8032>
//
// Never overwrites a key, never reads one that others can reach, never follows a link.
// Called by capi.
#pragma once

#include <string>

#include "base/result.hpp"
#include "crypto/crypto.hpp"

namespace streamr::io {

// NOTFOUND, PERMISSION, MALFORMED, IO.
Result<crypto::KeyPair> load_key(const std::string& path);
// INUSE where the file exists, IO.
Status save_key(const crypto::KeyPair& key, const std::string& path);

}  // namespace streamr::io
