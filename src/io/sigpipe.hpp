// Decides that what a library does to SIGPIPE and its global set-up stays inside: the process's disposition is put
// back. Never changes it for longer than one object lives. Called by dialer, runtime.
#pragma once

#include <csignal>
#include <mutex>

namespace streamr::io {

// Keeps the disposition of SIGPIPE over a call that sets it. Two nodes may start at once, so one waits for the other:
// else the second would keep what the first one's library set.
class SigpipeKept {
 public:
  SigpipeKept();
  ~SigpipeKept();
  SigpipeKept(const SigpipeKept&) = delete;
  SigpipeKept& operator=(const SigpipeKept&) = delete;

 private:
  std::unique_lock<std::mutex> turn_;
  struct sigaction before_ {};
};

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
