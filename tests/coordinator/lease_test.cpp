#include "coordinator/rules/lease.hpp"

#include <doctest/doctest.h>

using namespace coordinator;

namespace {

LeaseMatch match(const LeaseState& state, const std::string& used) {
  return match_lease(state, [&](const std::string& lease) { return lease == used; });
}

}  // namespace

TEST_CASE("a heartbeat brings a new lease and leaves the one before for one retry") {
  LeaseState state;
  grant_lease(state, "L0");
  renew_lease(state, match(state, "L0"), "L1");
  CHECK(match(state, "L1") == LeaseMatch::current);
  CHECK(match(state, "L0") == LeaseMatch::before);
  renew_lease(state, LeaseMatch::before, "L2");
  CHECK(match(state, "L2") == LeaseMatch::current);
  CHECK(match(state, "L0") == LeaseMatch::voided);
  CHECK(match(state, "L1") == LeaseMatch::voided);
  CHECK(match(state, "none") == LeaseMatch::none);
}

TEST_CASE("a registration voids every earlier lease") {
  LeaseState state;
  grant_lease(state, "L0");
  renew_lease(state, LeaseMatch::current, "L1");
  grant_lease(state, "L2");
  CHECK(match(state, "L0") == LeaseMatch::voided);
  CHECK(match(state, "L1") == LeaseMatch::voided);
  CHECK(state.before.empty());
}

TEST_CASE("only a few voided leases are remembered, since each costs a check") {
  LeaseState state;
  for (int i = 0; i < 50; ++i) grant_lease(state, "L" + std::to_string(i));
  CHECK(state.voided.size() == 6);
  CHECK(match(state, "L1") == LeaseMatch::none);
}

TEST_CASE("a counter starts anywhere and rises up to the top of 64 bits") {
  LeaseState state;
  CHECK(check_counter(state, "boot", 0, false) == CounterVerdict::fresh);
  spend_counter(state, "boot", UINT64_MAX - 1);
  CHECK(check_counter(state, "boot", UINT64_MAX - 1, false) == CounterVerdict::replayed);
  CHECK(check_counter(state, "boot", UINT64_MAX, false) == CounterVerdict::fresh);
  spend_counter(state, "boot", UINT64_MAX);
  CHECK(check_counter(state, "boot", UINT64_MAX, false) == CounterVerdict::replayed);
}

TEST_CASE("a new boot begins its own counter and an earlier one never returns") {
  LeaseState state;
  spend_counter(state, "first", 1000);
  CHECK(check_counter(state, "second", 1, false) == CounterVerdict::fresh);
  spend_counter(state, "second", 1);
  CHECK(check_counter(state, "first", 5000, true) == CounterVerdict::boot_old);
}
