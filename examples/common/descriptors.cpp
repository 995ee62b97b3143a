#include "common/descriptors.hpp"

#include <sys/resource.h>

#include <algorithm>

namespace streamr::programs {

std::uint64_t raise_descriptor_limit() {
  // Without a hard limit the system's own is far above what one process can use.
  constexpr rlim_t plenty = 1u << 20;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max == RLIM_INFINITY ? std::max(before, plenty) : limit.rlim_max;
  if (limit.rlim_cur > before && setrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = before;
  return limit.rlim_cur;
}

}  // namespace streamr::programs
