#include "coordinator/store/sqlite_store.hpp"

namespace coordinator {

void SqliteStore::add_session(const SessionRecord& r) {
  db_.prepare(
         "INSERT INTO session(id, relay, viewer, stream, seat, place, not_before_us, not_after_us, max_rate, "
         "window_max, created_ms, drawn_ms, viewer_address) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)")
      .bind(Blob{r.id}, Blob{r.relay}, Blob{r.viewer}, Blob{r.stream}, r.seat, r.place, r.not_before_us, r.not_after_us,
            r.max_rate, r.window_max, r.created_ms, r.drawn_ms, r.viewer_address)
      .run();
}

std::vector<SessionRecord> SqliteStore::session(const std::string& id) {
  std::vector<SessionRecord> out;
  Statement s = db_.prepare(
      "SELECT id, relay, viewer, stream, seat, place, not_before_us, not_after_us, max_rate, "
      "window_max, created_ms, drawn_ms, viewer_address FROM session WHERE id=? ORDER BY place");
  s.bind(Blob{id});
  while (s.step()) {
    out.push_back({s.bytes(0), s.bytes(1), s.bytes(2), s.bytes(3), s.bytes(4), s.integer(5), s.u64(6), s.u64(7),
                   s.u64(8), s.u64(9), s.integer(10), s.integer(11), s.bytes(12)});
  }
  return out;
}

void SqliteStore::forget_sessions(uint64_t ended_before_us) {
  db_.prepare("DELETE FROM session WHERE not_after_us<?").bind(ended_before_us).run();
}

Store::SeatAnswer SqliteStore::seat_answer(const std::string& stream, const std::string& seat, int64_t since_ms) {
  Statement newest = db_.prepare(
      "SELECT id, drawn_ms FROM session WHERE stream=? AND seat=? AND drawn_ms>=? ORDER BY drawn_ms DESC, id LIMIT 1");
  if (!newest.bind(Blob{stream}, seat, since_ms).step()) return {};
  SeatAnswer answer;
  answer.drawn_ms = newest.integer(1);
  for (const SessionRecord& r : session(newest.bytes(0))) answer.relays.push_back(r.relay);
  return answer;
}

std::vector<ReceiptRecord> SqliteStore::receipts_of(const std::string& session_id) {
  std::vector<ReceiptRecord> out;
  Statement s = db_.prepare("SELECT session, relay, seq, bytes_ok, counted, bytes, at_ms FROM receipt WHERE session=?");
  s.bind(Blob{session_id});
  while (s.step()) {
    out.push_back(
        {s.bytes(0), s.bytes(1), static_cast<uint32_t>(s.u64(2)), s.u64(3), s.u64(4), s.bytes(5), s.integer(6)});
  }
  return out;
}

void SqliteStore::save_receipt(const ReceiptRecord& r) {
  db_.prepare(
         "INSERT OR REPLACE INTO receipt(session, relay, seq, bytes_ok, counted, bytes, at_ms) "
         "VALUES(?,?,?,?,?,?,?)")
      .bind(Blob{r.session}, Blob{r.relay}, static_cast<int64_t>(r.seq), r.bytes_ok, r.counted, Blob{r.bytes}, r.at_ms)
      .run();
}

void SqliteStore::add_delivered(const std::string& relay, int64_t hour, uint64_t bytes) {
  db_.prepare(
         "INSERT INTO delivered(relay, hour, bytes) VALUES(?1,?2,?3) "
         "ON CONFLICT(relay, hour) DO UPDATE SET bytes=bytes+?3")
      .bind(Blob{relay}, hour, bytes)
      .run();
}

uint64_t SqliteStore::best_hour_bytes(const std::string& relay, int64_t since_hour) {
  Statement s = db_.prepare("SELECT max(bytes) FROM delivered WHERE relay=? AND hour>=?");
  return s.bind(Blob{relay}, since_hour).step() ? s.u64(0) : 0;
}

uint64_t SqliteStore::settled_bytes(const std::string& relay) {
  Statement s = db_.prepare("SELECT sum(counted) FROM receipt WHERE relay=?");
  return s.bind(Blob{relay}).step() ? s.u64(0) : 0;
}

BatchState SqliteStore::batch_state(const std::string& node) {
  Statement s = db_.prepare("SELECT hash, reply FROM batch_chain WHERE node=?");
  if (!s.bind(Blob{node}).step()) return {};
  return {s.bytes(0), s.bytes(1)};
}

void SqliteStore::save_batch(const std::string& node, const BatchState& state, const std::string& body, int64_t at_ms) {
  db_.prepare("INSERT INTO batch(node, hash, body, at_ms) VALUES(?,?,?,?)")
      .bind(Blob{node}, Blob{state.hash}, body, at_ms)
      .run();
  db_.prepare("INSERT OR REPLACE INTO batch_chain(node, hash, reply) VALUES(?,?,?)")
      .bind(Blob{node}, Blob{state.hash}, state.reply)
      .run();
}

bool SqliteStore::has_evidence(const std::string& id) {
  Statement s = db_.prepare("SELECT 1 FROM evidence WHERE id=?");
  return s.bind(id).step();
}

int64_t SqliteStore::evidence_since(const std::string& node, int64_t since_ms) {
  Statement s = db_.prepare("SELECT count(*) FROM evidence WHERE node=? AND at_ms>?");
  return s.bind(Blob{node}, since_ms).step() ? s.integer(0) : 0;
}

void SqliteStore::add_evidence(const std::string& id, const std::string& node, const std::string& kind,
                               const std::string& relay, const std::string& body, int64_t at_ms) {
  db_.prepare("INSERT OR IGNORE INTO evidence(id, node, kind, relay, body, at_ms) VALUES(?,?,?,?,?,?)")
      .bind(id, Blob{node}, kind, Blob{relay}, body, at_ms)
      .run();
}

}  // namespace coordinator
