// Decides how many connections one address, and all together, may hold over every loop of a port.
// Never touched while octets flow: only when a socket comes, changes its kind or goes. Any thread.
// Called by server.
#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <unordered_map>

namespace streamr::io {

class AddressLedger {
 public:
  enum class Kind { http, websocket };

  // False: there are `most` of that kind already.
  bool count_up(const std::string& address, Kind kind, std::size_t most) {
    const std::lock_guard turn(mutex_);
    std::size_t& count = of(addresses_[address], kind);
    if (count >= most) return false;
    ++count;
    return true;
  }
  void count_down(const std::string& address, Kind kind) {
    const std::lock_guard turn(mutex_);
    const auto found = addresses_.find(address);
    if (found == addresses_.end()) return;
    --of(found->second, kind);
    if (found->second.http == 0 && found->second.websocket == 0) addresses_.erase(found);
  }
  bool enter(std::size_t most) {
    const std::lock_guard turn(mutex_);
    if (connections_ >= most) return false;
    ++connections_;
    return true;
  }
  void leave() {
    const std::lock_guard turn(mutex_);
    --connections_;
  }

 private:
  struct Count {
    std::size_t http = 0, websocket = 0;
  };
  static std::size_t& of(Count& count, Kind kind) { return kind == Kind::http ? count.http : count.websocket; }

  std::mutex mutex_;
  std::unordered_map<std::string, Count> addresses_;
  std::size_t connections_ = 0;
};

}  // namespace streamr::io
