#include <cJSON.h>

#include "coordinator/rules/json_out.hpp"
#include "coordinator/store/sqlite_store.hpp"

namespace coordinator {
namespace {

constexpr size_t kLeaseBytes = 16;

std::string addresses_json(const std::vector<Address>& addresses) {
  JsonOut out;
  out.array();
  for (const Address& a : addresses) {
    out.object().member("kind", a.kind).member("url", a.url).member("priority", a.priority).end_object();
  }
  return out.end_array().str();
}

// Our own text from the database, so its shape is known.
std::vector<Address> addresses_of(const std::string& json) {
  std::vector<Address> out;
  cJSON* list = cJSON_ParseWithLength(json.data(), json.size());
  const cJSON* item = nullptr;
  cJSON_ArrayForEach(item, list) {
    const cJSON* kind = cJSON_GetObjectItemCaseSensitive(item, "kind");
    const cJSON* url = cJSON_GetObjectItemCaseSensitive(item, "url");
    const cJSON* priority = cJSON_GetObjectItemCaseSensitive(item, "priority");
    if (!cJSON_IsString(kind) || !cJSON_IsString(url) || !cJSON_IsNumber(priority)) continue;
    out.push_back({kind->valuestring, url->valuestring, static_cast<int64_t>(priority->valuedouble)});
  }
  cJSON_Delete(list);
  return out;
}

std::string joined(const std::vector<std::string>& leases) {
  std::string out;
  for (const std::string& lease : leases) out += lease;
  return out;
}

#define NODE_COLUMNS                                                                                            \
  "row, key, node_id, role, name, software, seen_from, addresses, capacity_kbps, created_ms, registered_ms, "   \
  "beat_ms, beats, free_kbps, load_pct, uptime_s, lease, lease_before, leases_void, boot_id, counter, parent, " \
  "assignments_version, assignments_shape, assignments, assignments_refresh_us"

NodeRecord read_node(const Statement& s) {
  NodeRecord n;
  n.row = s.integer(0);
  n.key = s.bytes(1);
  n.node_id = s.bytes(2);
  n.role = s.bytes(3);
  n.name = s.bytes(4);
  n.software = s.bytes(5);
  n.seen_from = s.bytes(6);
  n.addresses = addresses_of(s.bytes(7));
  n.capacity_kbps = s.integer(8);
  n.created_ms = s.integer(9);
  n.registered_ms = s.integer(10);
  n.beat_ms = s.integer(11);
  n.beats = s.integer(12);
  n.free_kbps = s.integer(13);
  n.load_pct = s.integer(14);
  n.uptime_s = s.integer(15);
  n.lease.current = s.bytes(16);
  n.lease.before = s.bytes(17);
  const std::string voided = s.bytes(18);
  for (size_t at = 0; at + kLeaseBytes <= voided.size(); at += kLeaseBytes) {
    n.lease.voided.push_back(voided.substr(at, kLeaseBytes));
  }
  n.lease.boot_id = s.bytes(19);
  n.lease.counter = s.u64(20);
  n.parent = s.bytes(21);
  n.assignments_version = s.integer(22);
  n.assignments_shape = s.bytes(23);
  n.assignments = s.bytes(24);
  n.assignments_refresh_us = s.integer(25);
  return n;
}

}  // namespace

std::optional<NodeRecord> SqliteStore::node_by_key(const std::string& key) {
  Statement s = db_.prepare("SELECT " NODE_COLUMNS " FROM node WHERE key=?");
  if (!s.bind(Blob{key}).step()) return std::nullopt;
  return read_node(s);
}

std::optional<NodeRecord> SqliteStore::node_by_id(const std::string& node_id) {
  Statement s = db_.prepare("SELECT " NODE_COLUMNS " FROM node WHERE node_id=?");
  if (!s.bind(node_id).step()) return std::nullopt;
  return read_node(s);
}

std::vector<NodeRecord> SqliteStore::nodes() {
  std::vector<NodeRecord> out;
  Statement s = db_.prepare("SELECT " NODE_COLUMNS " FROM node ORDER BY row");
  while (s.step()) out.push_back(read_node(s));
  return out;
}

void SqliteStore::save_node(NodeRecord& n) {
  Statement s = db_.prepare(
      "INSERT INTO node(key, node_id, role, name, software, seen_from, addresses, capacity_kbps, created_ms, "
      "registered_ms, beat_ms, beats, free_kbps, load_pct, uptime_s, lease, lease_before, leases_void, boot_id, "
      "counter, "
      "parent, assignments_version, assignments_shape, assignments, assignments_refresh_us) "
      "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,?24,?25) "
      "ON CONFLICT(key) DO UPDATE SET role=?3, name=?4, software=?5, seen_from=?6, addresses=?7, capacity_kbps=?8, "
      "registered_ms=?10, beat_ms=?11, beats=?12, free_kbps=?13, load_pct=?14, uptime_s=?15, lease=?16, "
      "lease_before=?17, leases_void=?18, boot_id=?19, counter=?20, assignments_version=?22, assignments_shape=?23, "
      "assignments=?24, assignments_refresh_us=?25 RETURNING row");
  const std::string voided = joined(n.lease.voided);
  s.bind(Blob{n.key}, n.node_id, n.role, n.name, n.software, n.seen_from, addresses_json(n.addresses), n.capacity_kbps,
         n.created_ms, n.registered_ms, n.beat_ms, n.beats, n.free_kbps, n.load_pct, n.uptime_s, Blob{n.lease.current},
         Blob{n.lease.before}, Blob{voided}, Blob{n.lease.boot_id}, n.lease.counter, Blob{n.parent},
         n.assignments_version, n.assignments_shape, n.assignments, n.assignments_refresh_us);
  while (s.step()) n.row = s.integer(0);
}

void SqliteStore::save_lease(const NodeRecord& n) {
  const std::string voided = joined(n.lease.voided);
  db_.prepare("UPDATE node SET lease=?2, lease_before=?3, leases_void=?4, boot_id=?5, counter=?6 WHERE key=?1")
      .bind(Blob{n.key}, Blob{n.lease.current}, Blob{n.lease.before}, Blob{voided}, Blob{n.lease.boot_id},
            n.lease.counter)
      .run();
}

void SqliteStore::save_parent(const std::string& key, const std::string& parent) {
  db_.prepare("UPDATE node SET parent=?2 WHERE key=?1").bind(Blob{key}, Blob{parent}).run();
}

bool SqliteStore::is_earlier_boot(const std::string& node, const std::string& boot_id) {
  Statement s = db_.prepare("SELECT 1 FROM boot WHERE node=? AND boot_id=?");
  return s.bind(Blob{node}, Blob{boot_id}).step();
}

void SqliteStore::add_earlier_boot(const std::string& node, const std::string& boot_id) {
  db_.prepare("INSERT OR IGNORE INTO boot(node, boot_id) VALUES(?,?)").bind(Blob{node}, Blob{boot_id}).run();
}

namespace {

ReportRecord read_report(const Statement& s) {
  ReportRecord r;
  r.node = s.bytes(0);
  r.stream = s.bytes(1);
  r.epoch = s.u64(2);
  r.head = s.bytes(3);
  r.newest = s.integer(4);
  r.lag_ms = s.integer(5);
  r.viewers = s.integer(6);
  r.at_ms = s.integer(7);
  return r;
}

}  // namespace

void SqliteStore::save_report(const ReportRecord& r) {
  db_.prepare(
         "INSERT OR REPLACE INTO report(node, stream, epoch, head, newest, lag_ms, viewers, at_ms) "
         "VALUES(?,?,?,?,?,?,?,?)")
      .bind(Blob{r.node}, Blob{r.stream}, r.epoch, Blob{r.head}, r.newest, r.lag_ms, r.viewers, r.at_ms)
      .run();
}

void SqliteStore::drop_reports(const std::string& node, int64_t older_than_ms) {
  db_.prepare("DELETE FROM report WHERE node=? AND at_ms<?").bind(Blob{node}, older_than_ms).run();
}

std::vector<ReportRecord> SqliteStore::reports() {
  std::vector<ReportRecord> out;
  Statement s = db_.prepare("SELECT node, stream, epoch, head, newest, lag_ms, viewers, at_ms FROM report");
  while (s.step()) out.push_back(read_report(s));
  return out;
}

std::vector<ReportRecord> SqliteStore::reports_of(const std::string& stream) {
  std::vector<ReportRecord> out;
  Statement s =
      db_.prepare("SELECT node, stream, epoch, head, newest, lag_ms, viewers, at_ms FROM report WHERE stream=?");
  s.bind(Blob{stream});
  while (s.step()) out.push_back(read_report(s));
  return out;
}

void SqliteStore::save_proof(const AddressProof& p) {
  db_.prepare("INSERT OR REPLACE INTO proof(node, url, proven_ms, checked_ms, good) VALUES(?,?,?,?,?)")
      .bind(Blob{p.node}, p.url, p.proven_ms, p.checked_ms, p.good)
      .run();
}

std::vector<AddressProof> SqliteStore::proofs() {
  std::vector<AddressProof> out;
  Statement s = db_.prepare("SELECT node, url, proven_ms, checked_ms, good FROM proof");
  while (s.step()) out.push_back({s.bytes(0), s.bytes(1), s.integer(2), s.integer(3), s.integer(4) != 0});
  return out;
}

void SqliteStore::drop_proofs(const std::string& node) {
  db_.prepare("DELETE FROM proof WHERE node=?").bind(Blob{node}).run();
}

}  // namespace coordinator
