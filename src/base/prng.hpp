// Decides the pseudo-random numbers of the core: one small generator whose seed comes from outside, so that a run can
// be repeated octet for octet. Never used for keys, nonces or ids that must not be guessed; io draws those from the
// system. Called by core (jitter, sampling), the simulator and tests.
#pragma once

#include <bit>
#include <cstdint>

namespace streamr {

class Prng {
 public:
  explicit Prng(std::uint64_t seed) {
    // splitmix64 spreads the seed, so that 0 and neighbouring seeds are as good as any.
    for (std::uint64_t& word : state_) {
      seed += 0x9E3779B97F4A7C15ull;
      std::uint64_t z = seed;
      z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
      z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
      word = z ^ (z >> 31);
    }
  }

  // xoshiro256**
  std::uint64_t next() {
    const std::uint64_t out = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return out;
  }

  // 0 ≤ result < bound, without bias; 0 for bound 0.
  std::uint64_t below(std::uint64_t bound) {
    if (bound == 0) return 0;
    const std::uint64_t unfair = (0 - bound) % bound;
    std::uint64_t drawn = next();
    while (drawn < unfair) drawn = next();
    return drawn % bound;
  }

  // low ≤ result ≤ high
  std::uint64_t between(std::uint64_t low, std::uint64_t high) {
    const std::uint64_t choices = high - low + 1;
    return choices == 0 ? next() : low + below(choices);
  }

  // 0 ≤ result < 1
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  bool chance(double probability) { return unit() < probability; }

 private:
  std::uint64_t state_[4];
};

}  // namespace streamr
