// Decides which registration challenges are open: at most 8 an address, 60 s, bound to a key, one success.
// Never draws a nonce and never displaces another's challenge.
// Called by the registration routes with ids, nonces and the time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace coordinator {

struct Challenge {
  std::string public_key;
  std::string nonce;
  std::string address;
  int64_t expires_ms = 0;
};

class ChallengeBook {
 public:
  static constexpr int64_t kLifeMs = 60'000;
  static constexpr size_t kOpenPerAddress = 8;
  static constexpr size_t kOpenInAll = 20'000;  // about 4 MiB: beyond it new ones wait, old ones stand

  enum class Verdict { open, unknown, expired };

  bool may_open(const std::string& address, int64_t now_ms);
  // The caller asked may_open before; the id is random.
  void open(const std::string& id, Challenge challenge);
  Verdict find(const std::string& id, const std::string& public_key, int64_t now_ms, Challenge& out) const;
  // One success uses it up.
  void use(const std::string& id);
  // Milliseconds until a place for this address is free again.
  int64_t wait_ms(const std::string& address, int64_t now_ms) const;

 private:
  void forget(int64_t now_ms);
  std::map<std::string, Challenge> open_;
};

}  // namespace coordinator
