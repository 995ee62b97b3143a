#include "coordinator/store/sqlite_store.hpp"

namespace coordinator {
namespace {

constexpr const char* kVersion = "1";

// Octets are BLOBs, u64 values the INTEGER with the same bits, money micro-units, times unix milliseconds.
constexpr const char* kSchema = R"(
CREATE TABLE IF NOT EXISTS setting(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS node(
  row INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL UNIQUE, node_id TEXT NOT NULL UNIQUE, role TEXT NOT NULL,
  name TEXT NOT NULL, software TEXT NOT NULL, seen_from TEXT NOT NULL, addresses TEXT NOT NULL,
  capacity_kbps INTEGER NOT NULL, created_ms INTEGER NOT NULL, registered_ms INTEGER NOT NULL, beat_ms INTEGER NOT NULL,
  beats INTEGER NOT NULL, free_kbps INTEGER NOT NULL, load_pct INTEGER NOT NULL, uptime_s INTEGER NOT NULL,
  lease BLOB NOT NULL, lease_before BLOB NOT NULL, leases_void BLOB NOT NULL, boot_id BLOB NOT NULL,
  counter INTEGER NOT NULL, parent BLOB NOT NULL DEFAULT x'', assignments_version INTEGER NOT NULL,
  assignments_shape TEXT NOT NULL, assignments TEXT NOT NULL, assignments_refresh_us INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS boot(node BLOB NOT NULL, boot_id BLOB NOT NULL, PRIMARY KEY(node, boot_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS report(
  node BLOB NOT NULL, stream BLOB NOT NULL, epoch INTEGER NOT NULL, head BLOB NOT NULL, newest INTEGER NOT NULL,
  lag_ms INTEGER NOT NULL, viewers INTEGER NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY(node, stream)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS report_by_stream ON report(stream);
CREATE TABLE IF NOT EXISTS proof(
  node BLOB NOT NULL, url TEXT NOT NULL, proven_ms INTEGER NOT NULL, checked_ms INTEGER NOT NULL, good INTEGER NOT NULL,
  PRIMARY KEY(node, url)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stream(
  row INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE, alias TEXT NOT NULL, title TEXT NOT NULL,
  certificate BLOB NOT NULL, serial INTEGER NOT NULL, max_kbps INTEGER NOT NULL, not_after_s INTEGER NOT NULL,
  revoked_to INTEGER NOT NULL, revoked_any INTEGER NOT NULL,
  owner BLOB NOT NULL, pool INTEGER NOT NULL, created_ms INTEGER NOT NULL, posted_ms INTEGER NOT NULL,
  signed_us INTEGER NOT NULL, body_hash BLOB NOT NULL, epoch INTEGER NOT NULL, newest INTEGER NOT NULL,
  advanced_ms INTEGER NOT NULL, live_started_ms INTEGER NOT NULL, offline_ms INTEGER NOT NULL, is_live INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS alias(alias TEXT PRIMARY KEY, stream BLOB NOT NULL, freed_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS revocation(stream BLOB PRIMARY KEY, bytes BLOB NOT NULL, at_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS session(
  id BLOB NOT NULL, relay BLOB NOT NULL, viewer BLOB NOT NULL, stream BLOB NOT NULL, seat TEXT NOT NULL,
  place INTEGER NOT NULL, not_before_us INTEGER NOT NULL, not_after_us INTEGER NOT NULL, max_rate INTEGER NOT NULL,
  window_max INTEGER NOT NULL, created_ms INTEGER NOT NULL, drawn_ms INTEGER NOT NULL,
  viewer_address TEXT NOT NULL,
  PRIMARY KEY(id, relay)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS session_by_seat ON session(stream, seat, drawn_ms);
CREATE TABLE IF NOT EXISTS receipt(
  session BLOB NOT NULL, relay BLOB NOT NULL, seq INTEGER NOT NULL, bytes_ok INTEGER NOT NULL, counted INTEGER NOT NULL,
  bytes BLOB NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY(session, relay)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS receipt_by_relay ON receipt(relay);
CREATE TABLE IF NOT EXISTS delivered(
  relay BLOB NOT NULL, hour INTEGER NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY(relay, hour)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batch(
  row INTEGER PRIMARY KEY AUTOINCREMENT, node BLOB NOT NULL, hash BLOB NOT NULL, body TEXT NOT NULL, at_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS batch_chain(node BLOB PRIMARY KEY, hash BLOB NOT NULL, reply TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS evidence(
  id TEXT PRIMARY KEY, node BLOB NOT NULL, kind TEXT NOT NULL, relay BLOB NOT NULL, body TEXT NOT NULL,
  at_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS evidence_by_node ON evidence(node, at_ms);
CREATE TABLE IF NOT EXISTS beat(
  at_ms INTEGER NOT NULL, stream BLOB NOT NULL, node BLOB NOT NULL, heartbeat_ms INTEGER NOT NULL,
  PRIMARY KEY(at_ms, stream, node)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reachability(
  at_ms INTEGER NOT NULL, node BLOB NOT NULL, passed INTEGER NOT NULL, PRIMARY KEY(at_ms, node, passed)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hour(
  hour INTEGER NOT NULL, stream BLOB NOT NULL, income INTEGER NOT NULL, pool INTEGER NOT NULL,
  target_after INTEGER NOT NULL, fund_after INTEGER NOT NULL, surplus INTEGER NOT NULL,
  PRIMARY KEY(hour, stream)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hour_node(
  hour INTEGER NOT NULL, stream BLOB NOT NULL, node BLOB NOT NULL, bits BLOB NOT NULL, slots INTEGER NOT NULL,
  pay INTEGER NOT NULL, PRIMARY KEY(hour, stream, node)) WITHOUT ROWID;
)";

}  // namespace

SqliteStore::SqliteStore(const std::string& path) : db_(path) {
  try {
    begin();
    db_.execute(kSchema);
    const std::string version = setting("schema");
    if (version.empty()) set_setting("schema", kVersion);
    commit();
    if (!version.empty() && version != kVersion) {
      throw std::runtime_error("expected a database of schema " + std::string(kVersion) + " at " + path + ", found " +
                               version + ": use the program that wrote it");
    }
  } catch (const StoreUnavailable& error) {
    throw std::runtime_error("expected a writable SQLite database at " + path + ": " + error.what());
  }
}

void SqliteStore::rollback() {
  try {
    db_.execute("ROLLBACK");
  } catch (const StoreUnavailable&) {
    // SQLite has rolled back by itself, as it does when the disk is full.
  }
}

std::string SqliteStore::setting(const std::string& name) {
  Statement s = db_.prepare("SELECT value FROM setting WHERE name=?");
  return s.bind(name).step() ? s.bytes(0) : std::string();
}

void SqliteStore::set_setting(const std::string& name, const std::string& value) {
  db_.prepare("INSERT INTO setting(name, value) VALUES(?,?) ON CONFLICT(name) DO UPDATE SET value=excluded.value")
      .bind(name, value)
      .run();
}

std::unique_ptr<Store> open_store(const std::string& url) {
  if (url.starts_with("postgresql://") || url.starts_with("postgres://")) {
    throw std::runtime_error(
        "expected --db sqlite:FILE, a PostgreSQL address came: this version keeps its data in SQLite only");
  }
  const std::string prefix = "sqlite:";
  if (!url.starts_with(prefix) || url.size() == prefix.size()) {
    throw std::runtime_error("expected --db sqlite:FILE, \"" + url.substr(0, url.find("://")) + "\" came");
  }
  std::string path = url.substr(prefix.size());
  if (path.starts_with("//")) path.erase(0, 2);
  return std::make_unique<SqliteStore>(path);
}

}  // namespace coordinator
