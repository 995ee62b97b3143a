#include "coordinator/store/sqlite_store.hpp"

namespace coordinator {

void SqliteStore::add_beat(const StreamBeat& b) {
  db_.prepare("INSERT OR IGNORE INTO beat(at_ms, stream, node, heartbeat_ms) VALUES(?,?,?,?)")
      .bind(b.beat.at_ms, Blob{b.stream}, Blob{b.node}, b.beat.heartbeat_ms)
      .run();
}

void SqliteStore::add_check(const NodeCheck& c) {
  db_.prepare("INSERT OR IGNORE INTO reachability(at_ms, node, passed) VALUES(?,?,?)")
      .bind(c.check.at_ms, Blob{c.node}, c.check.passed)
      .run();
}

std::vector<StreamBeat> SqliteStore::beats(int64_t from_ms, int64_t to_ms) {
  std::vector<StreamBeat> out;
  Statement s = db_.prepare("SELECT node, stream, at_ms, heartbeat_ms FROM beat WHERE at_ms>=? AND at_ms<?");
  s.bind(from_ms, to_ms);
  while (s.step()) out.push_back({s.bytes(0), s.bytes(1), {s.integer(2), s.integer(3)}});
  return out;
}

std::vector<NodeCheck> SqliteStore::checks(int64_t to_ms) {
  std::vector<NodeCheck> out;
  Statement s = db_.prepare("SELECT node, at_ms, passed FROM reachability WHERE at_ms<? ORDER BY at_ms");
  s.bind(to_ms);
  while (s.step()) out.push_back({s.bytes(0), {s.integer(1), s.integer(2) != 0}});
  return out;
}

std::optional<int64_t> SqliteStore::first_beat_ms(const std::string& node) {
  Statement s = db_.prepare("SELECT created_ms FROM node WHERE key=? AND beats>0");
  if (!s.bind(Blob{node}).step()) return std::nullopt;
  return s.integer(0);
}

void SqliteStore::forget_beats(int64_t before_ms) {
  db_.prepare("DELETE FROM beat WHERE at_ms<?").bind(before_ms).run();
  // The newest check of each node stays: it rules until another one comes.
  db_.prepare(
         "DELETE FROM reachability WHERE at_ms<?1 AND at_ms<(SELECT max(r.at_ms) FROM reachability r "
         "WHERE r.node=reachability.node AND r.at_ms<?1)")
      .bind(before_ms)
      .run();
}

void SqliteStore::add_hour(const HourRecord& h) {
  // No OR IGNORE: closing an hour twice is a mistake that must not pass.
  db_.prepare("INSERT INTO hour(hour, stream, income, pool, target_after, fund_after, surplus) VALUES(?,?,?,?,?,?,?)")
      .bind(h.hour, Blob{h.stream}, h.income, h.pool, h.target_after, h.fund_after, h.surplus)
      .run();
}

void SqliteStore::add_hour_node(const HourNodeRecord& r) {
  db_.prepare("INSERT INTO hour_node(hour, stream, node, bits, slots, pay) VALUES(?,?,?,?,?,?)")
      .bind(r.hour, Blob{r.stream}, Blob{r.node}, Blob{r.bits}, r.slots, r.pay)
      .run();
}

namespace {

HourRecord read_hour(const Statement& s) {
  return {s.integer(0), s.bytes(1), s.integer(2), s.integer(3), s.integer(4), s.integer(5), s.integer(6)};
}

}  // namespace

std::optional<HourRecord> SqliteStore::last_hour(const std::string& stream) {
  Statement s = db_.prepare(
      "SELECT hour, stream, income, pool, target_after, fund_after, surplus FROM hour "
      "WHERE stream=? ORDER BY hour DESC LIMIT 1");
  if (!s.bind(Blob{stream}).step()) return std::nullopt;
  return read_hour(s);
}

std::vector<HourRecord> SqliteStore::hours(int64_t from_hour) {
  std::vector<HourRecord> out;
  Statement s =
      db_.prepare("SELECT hour, stream, income, pool, target_after, fund_after, surplus FROM hour WHERE hour>=?");
  s.bind(from_hour);
  while (s.step()) out.push_back(read_hour(s));
  return out;
}

std::vector<HourNodeRecord> SqliteStore::hour_nodes(int64_t from_hour) {
  std::vector<HourNodeRecord> out;
  Statement s = db_.prepare("SELECT hour, stream, node, bits, slots, pay FROM hour_node WHERE hour>=?");
  s.bind(from_hour);
  while (s.step()) out.push_back({s.integer(0), s.bytes(1), s.bytes(2), s.bytes(3), s.integer(4), s.integer(5)});
  return out;
}

}  // namespace coordinator
