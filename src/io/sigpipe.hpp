// Decides that SIGPIPE stays the host's: what a write of ours raises is swallowed, its disposition never touched.
// Never changes anything for longer than one object lives. Called by runtime.
#pragma once

#include <csignal>

namespace streamr::io {

// Blocks SIGPIPE in this thread for a while and swallows one that a write raised meanwhile; for hosts that drive the
// loop.
class SigpipeBlocked {
 public:
  SigpipeBlocked();
  ~SigpipeBlocked();
  SigpipeBlocked(const SigpipeBlocked&) = delete;
  SigpipeBlocked& operator=(const SigpipeBlocked&) = delete;

 private:
  sigset_t before_{};
  bool was_pending_ = false;
};

// File of the authorities that the system trusts, null where OpenSSL's own default is all there is.
const char* system_authorities();

}  // namespace streamr::io
