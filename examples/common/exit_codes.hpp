// Decides: the numbers that every program of the project ends with, and the text of --help that explains them.
// Never: ends a process.
// Called by: main() of each program.
#pragma once

namespace streamr::programs {

enum ExitCode : int {
  exit_ok = 0,
  exit_failed = 1,
  exit_usage = 2,
  exit_key = 3,
  exit_in_use = 4,
  exit_source = 5,
  exit_refused = 6,
  exit_storage = 7,
  exit_timeout = 8,
};

inline constexpr const char* exit_codes_text =
    "Exit codes:\n"
    "  0  done, or ended by SIGTERM or Ctrl-C after draining\n"
    "  1  something failed that has no number of its own; the last line says what\n"
    "  2  the command line, environment or configuration file is wrong\n"
    "  3  a key or certificate file is missing, damaged, in the way, or readable by others\n"
    "  4  the address to listen on is taken or not ours\n"
    "  5  the media source cannot be read or is not fit to be published\n"
    "  6  the other side refused (coordinator, relay, ticket, certificate)\n"
    "  7  a file or database could not be written\n"
    "  8  the time allowed ran out\n";

}  // namespace streamr::programs
