// Decides which receipts count, and for how many bytes (protocol §6 Delivery, economics §1).
// Never pays: it bounds what a session may claim by its ticket and the coordinator's clock.
// Called by the batch and receipt routes with sessions and receipts from the store.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/rules/records.hpp"
#include "streamr/streamr.h"

namespace coordinator {

enum class ReceiptVerdict { settled, stale, refused };

struct Judged {
  ReceiptVerdict verdict = ReceiptVerdict::refused;
  std::string code;  // where refused: signature_wrong, session_unknown, receipt_refused
  std::string why;
  std::string session;  // 16 octets, as the receipt names it
  std::string relay;
  std::string viewer;
  ReceiptRecord record;  // what to keep, where settled
  uint64_t new_bytes = 0;
};

struct ReceiptSession {
  std::vector<SessionRecord> relays;    // the tickets of the session
  std::vector<ReceiptRecord> receipts;  // the newest receipts of the session so far
};

// The session id that a receipt names; empty when it is too short.
std::string session_named(const std::string& receipt);

// `poster`: the relay of a batch, empty for a viewer's own receipt.
Judged judge_receipt(const std::string& receipt, const ReceiptSession& known, const std::string& poster,
                     uint64_t now_us);

// bytes_ok bounded by the ticket's rate over the time that it has been open, less what other relays of the session
// have.
uint64_t countable_bytes(const SessionRecord& session, uint64_t bytes_ok, uint64_t counted_elsewhere, uint64_t now_us);

// Whether octets stand in strictly ascending order of their session ids.
bool strictly_ascending(const std::vector<std::string>& receipts);

}  // namespace coordinator
