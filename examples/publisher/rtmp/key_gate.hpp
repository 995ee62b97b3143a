// Decides: whether a stream key is the right one, and how fast an address may try.
// Never: keeps or logs a key that was offered; never answers sooner for a key that is nearly right.
// Called by: session (through the server that owns the gate).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace streamr::publisher {

// Whether two secrets are equal; the time taken does not depend on where they differ.
bool same_secret(std::string_view offered, std::string_view expected);

class KeyGate {
 public:
  static constexpr std::uint32_t free_tries = 5;
  static constexpr std::uint64_t refill_us = 1'000'000;
  static constexpr std::size_t max_addresses = 1024;
  static constexpr std::uint64_t longest_queue_us = 8'000'000;

  explicit KeyGate(std::string expected) : expected_(std::move(expected)) {}

  struct Try {
    bool too_many = false;        // so many tries wait already that this one is turned away unheard
    std::uint64_t answer_us = 0;  // when the key may be looked at
  };
  // Every try costs a token; a right key gives it back. Five are free, then one comes back each second.
  Try begin(const std::string& address, std::uint64_t now_us);
  bool check(const std::string& address, std::string_view offered);

 private:
  // A bucket as one number: the time at which all its tokens are back.
  std::map<std::string, std::uint64_t> full_at_us_;
  std::string expected_;
};

}  // namespace streamr::publisher
