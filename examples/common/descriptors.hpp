// Decides: how many files and sockets a program may have open: as many as its user is allowed.
// Never: asks for more than the hard limit, and never fails: a smaller number is told, not refused.
// Called by: main() of programs that serve many connections, once, before sockets are opened.
#pragma once

#include <cstdint>

namespace streamr::programs {

// Raises the soft limit of descriptors to the hard one; returns what holds now.
std::uint64_t raise_descriptor_limit();

}  // namespace streamr::programs
