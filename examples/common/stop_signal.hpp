// Decides: how SIGTERM, SIGINT and SIGHUP reach a program: as bytes on a descriptor, in its own loop.
// Never: does work inside a signal handler.
// Called by: main() of each program, once, before threads start.
#pragma once

namespace streamr::programs {

class StopSignal {
 public:
  // Installs handlers for SIGTERM, SIGINT and SIGHUP, and ignores SIGPIPE and SIGXFSZ.
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  // Becomes readable when a signal came.
  int fd() const;
  // Whether SIGTERM or SIGINT came.
  bool requested() const;
  // How often; at 2 a person is impatient and the program may leave at once.
  int count() const;
  // True once per SIGHUP, false otherwise; drains the descriptor.
  bool take_reload();
  // Waits until a signal came or the time is over. Returns requested().
  bool wait_ms(int timeout_ms);
};

}  // namespace streamr::programs
