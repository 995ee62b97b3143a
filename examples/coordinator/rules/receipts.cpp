#include "coordinator/rules/receipts.hpp"

#include <algorithm>

#include "coordinator/rules/slots.hpp"

namespace coordinator {
namespace {

__extension__ typedef unsigned __int128 u128;

constexpr uint64_t kGraceUs = 60'000'000;
constexpr uint64_t kHourUs = 3'600'000'000;
constexpr uint64_t kCutUs = 120'000'000;
constexpr size_t kSessionAt = 112;

std::string bytes_of(const uint8_t* at, size_t len) {
  return std::string(reinterpret_cast<const char*>(at), len);
}

Judged refuse(Judged judged, std::string code, std::string why) {
  judged.verdict = ReceiptVerdict::refused;
  judged.code = std::move(code);
  judged.why = std::move(why);
  return judged;
}

// Receipts cannot be banked for a richer hour.
bool is_over(const SessionRecord& session, uint64_t now_us) {
  const uint64_t end = session.not_after_us + kGraceUs;
  return now_us > (end / kHourUs + 1) * kHourUs + kCutUs;
}

}  // namespace

std::string session_named(const std::string& receipt) {
  return receipt.size() < kSessionAt + STREAMR_SESSION_ID_BYTES ? std::string()
                                                                : receipt.substr(kSessionAt, STREAMR_SESSION_ID_BYTES);
}

bool strictly_ascending(const std::vector<std::string>& receipts) {
  return std::adjacent_find(receipts.begin(), receipts.end(), [](const std::string& a, const std::string& b) {
           return session_named(a) >= session_named(b);
         }) == receipts.end();
}

uint64_t countable_bytes(const SessionRecord& session, uint64_t bytes_ok, uint64_t counted_elsewhere, uint64_t now_us) {
  const uint64_t end = std::min(now_us, session.not_after_us + kGraceUs);
  const uint64_t open_us = end > session.not_before_us ? end - session.not_before_us : 0;
  const u128 most = static_cast<u128>(session.max_rate) * open_us / 1'000'000 + session.window_max;
  const u128 left = most > counted_elsewhere ? most - counted_elsewhere : 0;
  return left < bytes_ok ? static_cast<uint64_t>(left) : bytes_ok;
}

Judged judge_receipt(const std::string& receipt, const ReceiptSession& known, const std::string& poster,
                     uint64_t now_us) {
  Judged judged;
  judged.session = session_named(receipt);
  streamr_receipt_t fields = STREAMR_RECEIPT_INIT;
  const auto status = streamr_receipt_check(reinterpret_cast<const uint8_t*>(receipt.data()), receipt.size(), &fields);
  if (status == STREAMR_E_SIGNATURE)
    return refuse(judged, "signature_wrong", "expected the viewer's signature, it does not hold");
  if (status != STREAMR_OK)
    return refuse(judged, "receipt_refused", "expected a receipt of 272 octets, its form is wrong");
  judged.relay = bytes_of(fields.relay_key, 32);
  judged.viewer = bytes_of(fields.viewer_key, 32);
  if (known.relays.empty()) return refuse(judged, "session_unknown", "expected a session that this coordinator opened");
  if (!poster.empty() && judged.relay != poster) {
    return refuse(judged, "receipt_refused", "expected receipts for this relay's own deliveries, another relay's came");
  }
  const auto session = std::find_if(known.relays.begin(), known.relays.end(),
                                    [&](const SessionRecord& s) { return s.relay == judged.relay; });
  if (session == known.relays.end() || session->viewer != judged.viewer ||
      session->stream != bytes_of(fields.stream_id, 32)) {
    return refuse(judged, "receipt_refused",
                  "expected the stream, relay and viewer of the session's ticket, others came");
  }
  if (fields.last_us > session->not_after_us + kGraceUs) {
    return refuse(judged, "receipt_refused", "expected last_us at most 60 s after the ticket's end, a later one came");
  }

  uint64_t counted = 0;
  uint64_t elsewhere = 0;
  for (const ReceiptRecord& kept : known.receipts) {
    if (kept.relay != judged.relay) {
      elsewhere += kept.counted;
      continue;
    }
    if (fields.seq <= kept.seq) {
      judged.verdict = ReceiptVerdict::stale;
      return judged;
    }
    if (fields.bytes_ok < kept.bytes_ok) {
      return refuse(judged, "receipt_refused", "expected bytes_ok that never falls, a lower one came");
    }
    counted = kept.counted;
  }
  const uint64_t now =
      is_over(*session, now_us) ? counted : countable_bytes(*session, fields.bytes_ok, elsewhere, now_us);
  judged.verdict = ReceiptVerdict::settled;
  judged.new_bytes = now > counted ? now - counted : 0;
  judged.record = {judged.session,
                   judged.relay,
                   fields.seq,
                   fields.bytes_ok,
                   std::max(now, counted),
                   receipt,
                   static_cast<int64_t>(now_us / 1000)};
  return judged;
}

}  // namespace coordinator
