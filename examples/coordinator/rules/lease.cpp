#include "coordinator/rules/lease.hpp"

namespace coordinator {
namespace {

// Each remembered lease costs one signature check on a wrong signature, so only a few are.
constexpr size_t kVoidedKept = 6;

void void_lease(LeaseState& state, const std::string& lease) {
  if (lease.empty()) return;
  state.voided.insert(state.voided.begin(), lease);
  if (state.voided.size() > kVoidedKept) state.voided.resize(kVoidedKept);
}

}  // namespace

LeaseMatch match_lease(const LeaseState& state, const std::function<bool(const std::string&)>& holds) {
  if (!state.current.empty() && holds(state.current)) return LeaseMatch::current;
  if (!state.before.empty() && holds(state.before)) return LeaseMatch::before;
  for (const std::string& lease : state.voided) {
    if (holds(lease)) return LeaseMatch::voided;
  }
  return LeaseMatch::none;
}

CounterVerdict check_counter(const LeaseState& state, const std::string& boot_id, uint64_t counter, bool earlier_boot) {
  if (boot_id == state.boot_id) {
    return counter > state.counter ? CounterVerdict::fresh : CounterVerdict::replayed;
  }
  return earlier_boot ? CounterVerdict::boot_old : CounterVerdict::fresh;
}

void spend_counter(LeaseState& state, const std::string& boot_id, uint64_t counter) {
  state.boot_id = boot_id;
  state.counter = counter;
}

void renew_lease(LeaseState& state, LeaseMatch match, const std::string& fresh) {
  if (match == LeaseMatch::current) {
    void_lease(state, state.before);
    state.before = state.current;
  } else {
    void_lease(state, state.before);
    void_lease(state, state.current);
    state.before.clear();
  }
  state.current = fresh;
}

void grant_lease(LeaseState& state, const std::string& fresh) {
  void_lease(state, state.before);
  void_lease(state, state.current);
  state.before.clear();
  state.current = fresh;
}

}  // namespace coordinator
