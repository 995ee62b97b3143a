// Decides what the routes share: settings, the store, the key, the books that live in memory, and the time of this
// event. Never does anything by itself. Called by every route and by the periodic work, on the one service thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "coordinator/rules/challenge.hpp"
#include "coordinator/rules/limits.hpp"
#include "coordinator/store/store.hpp"
#include "streamr/streamr.h"

namespace coordinator {

class Network;

struct Config {
  std::string listen;
  std::string database;
  std::string key_file;
  std::vector<std::string> origins;  // node keys that may register as origin
  std::vector<std::string> proxies;  // peers whose X-Forwarded-For counts
  std::string public_url;            // where others reach this coordinator; empty: what the request's Host says
  bool allow_private = false;
  int64_t fanout = 0;
  int64_t heartbeat_ms = 10'000;
};

struct Spent {
  std::string boot_id;
  uint64_t counter = 0;
};

struct Context {
  Config config;
  std::unique_ptr<Store> store;
  streamr_key_t* key = nullptr;
  std::string public_key;  // 32 octets
  std::string secret;      // of this coordinator, for keyed hashes
  std::unique_ptr<Network> network;

  ChallengeBook challenges;
  TokenLimit requests{200, 1000};           // an address, all routes but steering
  SlidingLimit heartbeats{10, 1000};        // a node
  SlidingLimit viewer_receipts{1, 60'000};  // a session on a relay
  std::map<std::string, Spent> spent;       // counters that could not be written: disk full
  int64_t started_ms = 0;
  uint64_t now_us = 0;  // set once for each request and each tick
  bool storage_good = true;
  std::string storage_trouble;

  int64_t now_ms() const { return static_cast<int64_t>(now_us / 1000); }
  int64_t silent_ms() const { return 3 * config.heartbeat_ms; }
};

std::string random_bytes(size_t len);
std::string hash_of(const std::string& bytes);
const uint8_t* octets(const std::string& bytes);

}  // namespace coordinator
