// Decides how many connections one address, and all together, may hold over every loop of a port, by limits that may
// change at any time, and counts who came and who was turned away. Never touched while octets flow: only when a socket
// comes, changes its kind or goes. Any thread. Called by server; limits and figures by capi and runtime.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/types.hpp"
#include "io/spare_descriptor.hpp"

namespace streamr::io {

struct ConnectionLimits {
  std::size_t http_an_address = limits::http_an_address;
  std::size_t websockets_an_address = limits::websockets_an_address;
  std::size_t connections = 8192;
};

class AddressLedger {
 public:
  enum class Kind { http, websocket };

  struct Figures {
    std::size_t connections = 0, websockets = 0;  // open now
    ConnectionLimits limits;
    std::uint64_t accepted = 0;  // since start, as what follows
    std::uint64_t refused_address = 0, refused_total = 0, refused_descriptors = 0;
  };

  explicit AddressLedger(const ConnectionLimits& most = {}) { figures_.limits = most; }

  // Who is connected stays, also above a lower limit.
  void set_limits(const ConnectionLimits& most) {
    const std::lock_guard turn(mutex_);
    figures_.limits = most;
  }
  Figures figures() const {
    const std::lock_guard turn(mutex_);
    return figures_;
  }

  // False: there are as many of that kind already as one address may have.
  bool count_up(const std::string& address, Kind kind) {
    const std::lock_guard turn(mutex_);
    const bool websocket = kind == Kind::websocket;
    const auto& most = figures_.limits;
    std::size_t& count = of(addresses_[address], kind);
    if (count >= (websocket ? most.websockets_an_address : most.http_an_address)) {
      ++figures_.refused_address;
      return false;
    }
    ++count;
    figures_.websockets += websocket ? 1 : 0;
    return true;
  }
  void count_down(const std::string& address, Kind kind) {
    const std::lock_guard turn(mutex_);
    const auto found = addresses_.find(address);
    if (found == addresses_.end()) return;
    --of(found->second, kind);
    figures_.websockets -= kind == Kind::websocket ? 1 : 0;
    if (found->second.http == 0 && found->second.websocket == 0) addresses_.erase(found);
  }
  bool enter() {
    const std::lock_guard turn(mutex_);
    if (figures_.connections >= figures_.limits.connections) {
      ++figures_.refused_total;
      return false;
    }
    ++figures_.connections;
    ++figures_.accepted;
    return true;
  }
  void leave() {
    const std::lock_guard turn(mutex_);
    --figures_.connections;
  }
  SpareDescriptor& spare() { return spare_; }
  void refused_for_descriptors() {
    const std::lock_guard turn(mutex_);
    ++figures_.refused_descriptors;
  }

 private:
  struct Count {
    std::size_t http = 0, websocket = 0;
  };
  static std::size_t& of(Count& count, Kind kind) { return kind == Kind::http ? count.http : count.websocket; }

  mutable std::mutex mutex_;
  std::unordered_map<std::string, Count> addresses_;
  Figures figures_;
  SpareDescriptor spare_;
};

}  // namespace streamr::io
