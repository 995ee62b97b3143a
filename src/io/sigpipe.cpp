#include "io/sigpipe.hpp"

#include <openssl/x509.h>
#include <unistd.h>

#include <ctime>

namespace streamr::io {
namespace {

sigset_t only_sigpipe() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  return set;
}

bool is_pending() {
  sigset_t set;
  sigpending(&set);
  return sigismember(&set, SIGPIPE) == 1;
}

}  // namespace

SigpipeBlocked::SigpipeBlocked() : was_pending_(is_pending()) {
  const sigset_t set = only_sigpipe();
  pthread_sigmask(SIG_BLOCK, &set, &before_);
}

SigpipeBlocked::~SigpipeBlocked() {
  if (!was_pending_ && is_pending()) {
    const sigset_t set = only_sigpipe();
    const timespec at_once{};
    sigtimedwait(&set, nullptr, &at_once);
  }
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

const char* system_authorities() {
  static constexpr const char* usual[] = {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                                          "/etc/ssl/cert.pem"};
  if (const char* named = getenv(X509_get_default_cert_file_env()); named && access(named, R_OK) == 0) return named;
  if (const char* file = X509_get_default_cert_file(); access(file, R_OK) == 0) return file;
  for (const char* file : usual)
    if (access(file, R_OK) == 0) return file;
  return nullptr;
}

}  // namespace streamr::io
