// Decides what TLS is spoken: versions, ciphers, certificates and their reload, whom a dialled side trusts. Never does
// input or output besides reading the files it is told. TlsServer may be shared by several loops.
// Called by server, dialer and runtime.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "base/result.hpp"

struct ssl_ctx_st;

namespace streamr::io {

using TlsContext = std::shared_ptr<ssl_ctx_st>;

// A certificate chain and its key, both PEM; the chain's first certificate is the server's own.
struct TlsFiles {
  std::string chain, key;
};

class TlsServer {
 public:
  // INVALID with a sentence that names the file and what is wrong with it; PERMISSION where every user of the machine
  // can read the key.
  static Result<std::shared_ptr<TlsServer>> open(TlsFiles files);

  // Reads the files again, for new connections; those that stand go on. A failure changes nothing. Any thread.
  Status reload();
  // Any thread.
  TlsContext context() const;
  std::uint64_t not_after_unix_s() const;  // of the certificate in use

 private:
  explicit TlsServer(TlsFiles files) : files_(std::move(files)) {}

  TlsFiles files_;
  mutable std::mutex turn_;  // taken once a connection, never for a byte
  TlsContext context_;
  std::uint64_t not_after_unix_s_ = 0;
};

// Trusts the system's authorities, and those of `extra_authorities` (a PEM file) where it is not empty.
Result<TlsContext> open_tls_client(const std::string& extra_authorities);

}  // namespace streamr::io
