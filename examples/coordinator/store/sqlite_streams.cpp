#include "coordinator/store/sqlite_store.hpp"

namespace coordinator {
namespace {

#define STREAM_COLUMNS                                                                                        \
  "row, id, alias, title, certificate, serial, revoked_to, revoked_any, owner, pool, created_ms, posted_ms, " \
  "signed_us, body_hash, epoch, newest, advanced_ms, live_started_ms, offline_ms, is_live, max_kbps, not_after_s"

StreamRecord read_stream(const Statement& s) {
  StreamRecord r;
  r.row = s.integer(0);
  r.id = s.bytes(1);
  r.alias = s.bytes(2);
  r.title = s.bytes(3);
  r.certificate = s.bytes(4);
  r.serial = s.u64(5);
  r.revoked_to = s.u64(6);
  r.revoked_any = s.integer(7) != 0;
  r.owner = s.bytes(8);
  r.pool = s.integer(9);
  r.created_ms = s.integer(10);
  r.posted_ms = s.integer(11);
  r.signed_us = s.u64(12);
  r.body_hash = s.bytes(13);
  r.epoch = s.u64(14);
  r.newest = s.integer(15);
  r.advanced_ms = s.integer(16);
  r.live_started_ms = s.integer(17);
  r.offline_ms = s.integer(18);
  r.is_live = s.integer(19) != 0;
  r.max_kbps = s.integer(20);
  r.not_after_s = s.integer(21);
  return r;
}

}  // namespace

std::optional<StreamRecord> SqliteStore::stream_by_id(const std::string& id) {
  Statement s = db_.prepare("SELECT " STREAM_COLUMNS " FROM stream WHERE id=?");
  if (!s.bind(Blob{id}).step()) return std::nullopt;
  return read_stream(s);
}

std::optional<StreamRecord> SqliteStore::stream_by_alias(const std::string& alias) {
  const auto hold = alias_hold(alias);
  if (!hold || hold->freed_ms != 0) return std::nullopt;
  return stream_by_id(hold->stream);
}

std::vector<StreamRecord> SqliteStore::streams() {
  std::vector<StreamRecord> out;
  Statement s = db_.prepare("SELECT " STREAM_COLUMNS " FROM stream ORDER BY row");
  while (s.step()) out.push_back(read_stream(s));
  return out;
}

void SqliteStore::save_stream(StreamRecord& r) {
  Statement s = db_.prepare(
      "INSERT INTO stream(id, alias, title, certificate, serial, revoked_to, revoked_any, owner, pool, created_ms, "
      "posted_ms, signed_us, body_hash, epoch, newest, advanced_ms, live_started_ms, offline_ms, is_live, max_kbps, "
      "not_after_s) "
      "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21) "
      "ON CONFLICT(id) DO UPDATE SET alias=?2, title=?3, certificate=?4, serial=?5, revoked_to=?6, revoked_any=?7, "
      "owner=?8, pool=?9, posted_ms=?11, signed_us=?12, body_hash=?13, epoch=?14, newest=?15, advanced_ms=?16, "
      "live_started_ms=?17, offline_ms=?18, is_live=?19, max_kbps=?20, not_after_s=?21 RETURNING row");
  s.bind(Blob{r.id}, r.alias, r.title, Blob{r.certificate}, r.serial, r.revoked_to, r.revoked_any, Blob{r.owner},
         r.pool, r.created_ms, r.posted_ms, r.signed_us, Blob{r.body_hash}, r.epoch, r.newest, r.advanced_ms,
         r.live_started_ms, r.offline_ms, r.is_live, r.max_kbps, r.not_after_s);
  while (s.step()) r.row = s.integer(0);
}

std::optional<Store::AliasHold> SqliteStore::alias_hold(const std::string& alias) {
  Statement s = db_.prepare("SELECT stream, freed_ms FROM alias WHERE alias=?");
  if (!s.bind(alias).step()) return std::nullopt;
  return AliasHold{s.bytes(0), s.integer(1)};
}

void SqliteStore::hold_alias(const std::string& alias, const AliasHold& hold) {
  db_.prepare("INSERT OR REPLACE INTO alias(alias, stream, freed_ms) VALUES(?,?,?)")
      .bind(alias, Blob{hold.stream}, hold.freed_ms)
      .run();
}

void SqliteStore::save_revocation(const std::string& stream, const std::string& bytes, int64_t at_ms) {
  db_.prepare("INSERT OR REPLACE INTO revocation(stream, bytes, at_ms) VALUES(?,?,?)")
      .bind(Blob{stream}, Blob{bytes}, at_ms)
      .run();
}

std::vector<std::string> SqliteStore::revocations(size_t most) {
  std::vector<std::string> out;
  Statement s = db_.prepare("SELECT bytes FROM revocation ORDER BY at_ms DESC LIMIT ?");
  s.bind(static_cast<int64_t>(most));
  while (s.step()) out.push_back(s.bytes(0));
  return out;
}

}  // namespace coordinator
