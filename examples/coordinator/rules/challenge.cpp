#include "coordinator/rules/challenge.hpp"

#include <algorithm>

namespace coordinator {
namespace {

// An expired one is remembered this long, so that its owner hears challenge_expired and not challenge_unknown.
constexpr int64_t kRememberMs = 300'000;

}  // namespace

void ChallengeBook::forget(int64_t now_ms) {
  std::erase_if(open_, [&](const auto& entry) { return entry.second.expires_ms + kRememberMs <= now_ms; });
}

bool ChallengeBook::may_open(const std::string& address, int64_t now_ms) {
  forget(now_ms);
  if (open_.size() >= kOpenInAll) return false;
  const auto count = std::count_if(open_.begin(), open_.end(), [&](const auto& entry) {
    return entry.second.address == address && entry.second.expires_ms > now_ms;
  });
  return static_cast<size_t>(count) < kOpenPerAddress;
}

void ChallengeBook::open(const std::string& id, Challenge challenge) {
  open_.emplace(id, std::move(challenge));
}

ChallengeBook::Verdict ChallengeBook::find(const std::string& id, const std::string& public_key, int64_t now_ms,
                                           Challenge& out) const {
  const auto found = open_.find(id);
  if (found == open_.end() || found->second.public_key != public_key) return Verdict::unknown;
  if (found->second.expires_ms <= now_ms) return Verdict::expired;
  out = found->second;
  return Verdict::open;
}

void ChallengeBook::use(const std::string& id) {
  open_.erase(id);
}

int64_t ChallengeBook::wait_ms(const std::string& address, int64_t now_ms) const {
  int64_t soonest = kLifeMs;
  for (const auto& [id, challenge] : open_) {
    if (challenge.address == address && challenge.expires_ms > now_ms) {
      soonest = std::min(soonest, challenge.expires_ms - now_ms);
    }
  }
  return soonest;
}

}  // namespace coordinator
