#include "publisher/rtmp/key_gate.hpp"

#include <algorithm>

namespace streamr::publisher {

bool same_secret(std::string_view offered, std::string_view expected) {
  // Always walks the expected key's length, whatever was offered.
  volatile unsigned difference = offered.size() == expected.size() ? 0u : 1u;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto theirs = i < offered.size() ? static_cast<unsigned char>(offered[i]) : static_cast<unsigned char>(0);
    difference = difference | static_cast<unsigned>(theirs ^ static_cast<unsigned char>(expected[i]));
  }
  return difference == 0 && !expected.empty();
}

KeyGate::Try KeyGate::begin(const std::string& address, std::uint64_t now_us) {
  std::erase_if(full_at_us_, [&](const auto& entry) { return entry.second <= now_us; });
  const auto known = full_at_us_.find(address);
  if (known == full_at_us_.end() && full_at_us_.size() >= max_addresses) return {true, 0};
  const std::uint64_t full_at = std::max(known == full_at_us_.end() ? 0 : known->second, now_us);
  const std::uint64_t free_until = now_us + (free_tries - 1) * refill_us;
  const std::uint64_t wait_us = full_at > free_until ? full_at - free_until : 0;
  if (wait_us > longest_queue_us) return {true, 0};
  full_at_us_[address] = full_at + refill_us;
  return {false, now_us + wait_us};
}

bool KeyGate::check(const std::string& address, std::string_view offered) {
  const bool right = same_secret(offered, expected_);
  const auto known = full_at_us_.find(address);
  if (right && known != full_at_us_.end()) known->second -= refill_us;
  return right;
}

}  // namespace streamr::publisher
