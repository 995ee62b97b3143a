// Decides which lease a signed request may use, whether its counter is fresh, and what a heartbeat leaves behind.
// Never verifies a signature itself (the caller passes that in) and never reads the clock.
// Called by http/signed for every request of a node (protocol §6, Nodes).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace coordinator {

struct LeaseState {
  std::string current;              // 16 octets; empty before the first registration
  std::string before;               // empty when it may not be used
  std::vector<std::string> voided;  // newest first; kept only to tell lease_unknown from a wrong signature
  std::string boot_id;              // newest boot, empty before the first request
  uint64_t counter = 0;             // highest counter spent under boot_id
};

enum class LeaseMatch { current, before, voided, none };

// `holds` says whether the request's signature verifies under a lease.
LeaseMatch match_lease(const LeaseState& state, const std::function<bool(const std::string&)>& holds);

enum class CounterVerdict { fresh, replayed, boot_old };

// `earlier_boot` says whether boot_id is one that a newer boot has replaced.
CounterVerdict check_counter(const LeaseState& state, const std::string& boot_id, uint64_t counter, bool earlier_boot);

void spend_counter(LeaseState& state, const std::string& boot_id, uint64_t counter);

// After an answered heartbeat that used the lease `match`: the one before may be used once, then both are void.
void renew_lease(LeaseState& state, LeaseMatch match, const std::string& fresh);

// Registration voids every earlier lease.
void grant_lease(LeaseState& state, const std::string& fresh);

}  // namespace coordinator
