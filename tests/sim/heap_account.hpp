// Decides to whom each octet of the heap belongs: the simulated host that is at work when it is taken.
// Never limits anything: who looks at the sums does. Counts only in programs that link heap_account.cpp.
// Called by tests/sim/network around every call of a node, read by tests/sim/storm.
#pragma once

#include <cstddef>
#include <cstdint>

namespace streamr::sim::heap {

constexpr std::size_t owners_most = 4096;
inline std::uint32_t owner = 0;                       // 0: nobody; a host is its number + 1
inline std::int64_t held[owners_most] = {};           // octets, by owner
inline std::int64_t most_held[owners_most] = {};

class Owner {
 public:
  explicit Owner(std::uint32_t host) : before_(owner) { owner = host + 1 < owners_most ? host + 1 : 0; }
  ~Owner() { owner = before_; }
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;

 private:
  std::uint32_t before_;
};

inline std::int64_t held_by(std::uint32_t host) { return host + 1 < owners_most ? held[host + 1] : 0; }
inline std::int64_t most_held_by(std::uint32_t host) { return host + 1 < owners_most ? most_held[host + 1] : 0; }

}  // namespace streamr::sim::heap
