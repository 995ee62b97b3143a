// What the coordinator keeps: plain records, raw octets in std::string, times in unix milliseconds unless named
// otherwise. Decides nothing. Filled by store/, read by rules and routes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/rules/address.hpp"
#include "coordinator/rules/lease.hpp"

namespace coordinator {

struct NodeRecord {
  int64_t row = 0;  // order of registration
  std::string key;
  std::string node_id;
  std::string role;
  std::string name;
  std::string software;
  std::string seen_from;
  std::vector<Address> addresses;
  int64_t capacity_kbps = 0;
  int64_t created_ms = 0;
  int64_t registered_ms = 0;
  int64_t beat_ms = 0;  // last heartbeat, 0 before the first
  int64_t beats = 0;
  int64_t free_kbps = 0;
  int64_t load_pct = 0;
  int64_t uptime_s = 0;
  LeaseState lease;
  std::string parent;  // key of the last tree's parent
  int64_t assignments_version = 0;
  std::string assignments_shape;       // what was assigned, without tickets
  std::string assignments;             // JSON list as it was sent
  int64_t assignments_refresh_us = 0;  // when a ticket in it has a quarter of its life left; 0: none

  // The last sign of life.
  int64_t seen_ms() const { return beat_ms > registered_ms ? beat_ms : registered_ms; }
};

struct ReportRecord {
  std::string node;
  std::string stream;
  uint64_t epoch = 0;
  std::string head;
  int64_t newest = 0;
  int64_t lag_ms = 0;
  int64_t viewers = 0;
  int64_t at_ms = 0;
};

struct StreamRecord {
  int64_t row = 0;
  std::string id;
  std::string alias;
  std::string title;
  std::string certificate;
  uint64_t serial = 0;  // this and the next two stand in the certificate
  int64_t max_kbps = 0;
  int64_t not_after_s = 0;
  uint64_t revoked_to = 0;  // highest serial that a revocation names
  bool revoked_any = false;
  std::string owner;  // hash of the account's bearer token, empty: none
  int64_t pool = 0;   // micro-units an hour
  int64_t created_ms = 0;
  int64_t posted_ms = 0;
  uint64_t signed_us = 0;  // of the last accepted request
  std::string body_hash;   // of the last accepted request
  uint64_t epoch = 0;      // newest reported by an origin
  int64_t newest = 0;
  int64_t advanced_ms = 0;  // when `newest` last rose
  int64_t live_started_ms = 0;
  int64_t offline_ms = 0;
  bool is_live = false;

  bool certificate_void() const { return revoked_any && serial <= revoked_to; }
};

struct SessionRecord {
  std::string id;
  std::string relay;
  std::string viewer;
  std::string stream;
  std::string seat;   // empty for a leg between relays
  int64_t place = 0;  // 0: the relay to open first
  uint64_t not_before_us = 0;
  uint64_t not_after_us = 0;
  uint64_t max_rate = 0;
  uint64_t window_max = 0;
  int64_t created_ms = 0;
  int64_t drawn_ms = 0;  // when the seat's answer was drawn that this session repeats
  std::string viewer_address;
};

struct ReceiptRecord {
  std::string session;
  std::string relay;
  uint32_t seq = 0;
  uint64_t bytes_ok = 0;
  uint64_t counted = 0;
  std::string bytes;
  int64_t at_ms = 0;
};

struct BatchState {
  std::string hash;  // of the last accepted body; empty: none yet
  std::string reply;
};

struct HourRecord {
  int64_t hour = 0;
  std::string stream;
  int64_t income = 0;
  int64_t pool = 0;
  int64_t target_after = 0;
  int64_t fund_after = 0;
  int64_t surplus = 0;
};

struct HourNodeRecord {
  int64_t hour = 0;
  std::string stream;
  std::string node;
  std::string bits;  // 45 octets, slot 0 in the lowest bit of the first
  int64_t slots = 0;
  int64_t pay = 0;
};

struct AddressProof {
  std::string node;
  std::string url;
  int64_t proven_ms = 0;   // last success, 0: never
  int64_t checked_ms = 0;  // last attempt
  bool good = false;       // the last attempt succeeded
};

}  // namespace coordinator
