// Decides which two relays a viewer gets (economics §1, Random assignment) and which seat a viewer has.
// Never draws randomness itself: numbers are passed in, so that a test can repeat a draw.
// Called by the session route.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace coordinator {

struct Candidate {
  std::string key;
  uint64_t trust_ppm = 50'000;
  uint64_t capacity_kbps = 0;
  uint64_t free_kbps = 0;  // of its last heartbeat
};

// min(declared, max(20 000, 2 x the best hour's mean kbps of the last 7 days))
uint64_t draw_capacity(uint64_t declared_kbps, uint64_t best_hour_kbps);

// Two different ones with probability ∝ trust x capacity, the one to open first; fewer where there are fewer.
std::vector<std::string> draw_two(const std::vector<Candidate>& candidates, uint64_t random_a, uint64_t random_b);

// One of 16 seats of a group, from a keyed hash of the viewer's key.
std::string seat_of(const std::string& secret, const std::string& group, const std::string& viewer_key);

}  // namespace coordinator
