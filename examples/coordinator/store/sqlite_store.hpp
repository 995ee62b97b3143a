// Decides the tables in which SQLite keeps what store.hpp names.
// Never decides a rule.
// Called through store.hpp; opened by open_store.
#pragma once

#include "coordinator/store/sqlite.hpp"
#include "coordinator/store/store.hpp"

namespace coordinator {

class SqliteStore final : public Store {
 public:
  explicit SqliteStore(const std::string& path);

  void begin() override { db_.execute("BEGIN IMMEDIATE"); }
  void commit() override { db_.execute("COMMIT"); }
  void rollback() override;
  void savepoint() override { db_.execute("SAVEPOINT answer"); }
  void rollback_to_savepoint() override { db_.execute("ROLLBACK TO answer"); }
  std::string setting(const std::string& name) override;
  void set_setting(const std::string& name, const std::string& value) override;

  std::optional<NodeRecord> node_by_key(const std::string& key) override;
  std::optional<NodeRecord> node_by_id(const std::string& node_id) override;
  std::vector<NodeRecord> nodes() override;
  void save_node(NodeRecord& node) override;
  void save_lease(const NodeRecord& node) override;
  void save_parent(const std::string& key, const std::string& parent) override;
  bool is_earlier_boot(const std::string& node, const std::string& boot_id) override;
  void add_earlier_boot(const std::string& node, const std::string& boot_id) override;
  void save_report(const ReportRecord& report) override;
  void drop_reports(const std::string& node, int64_t older_than_ms) override;
  std::vector<ReportRecord> reports() override;
  std::vector<ReportRecord> reports_of(const std::string& stream) override;
  void save_proof(const AddressProof& proof) override;
  std::vector<AddressProof> proofs() override;
  void drop_proofs(const std::string& node) override;

  std::optional<StreamRecord> stream_by_id(const std::string& id) override;
  std::optional<StreamRecord> stream_by_alias(const std::string& alias) override;
  std::vector<StreamRecord> streams() override;
  void save_stream(StreamRecord& stream) override;
  std::optional<AliasHold> alias_hold(const std::string& alias) override;
  void hold_alias(const std::string& alias, const AliasHold& hold) override;
  void save_revocation(const std::string& stream, const std::string& bytes, int64_t at_ms) override;
  std::vector<std::string> revocations(size_t most) override;

  void add_session(const SessionRecord& session) override;
  std::vector<SessionRecord> session(const std::string& id) override;
  void forget_sessions(uint64_t ended_before_us) override;
  SeatAnswer seat_answer(const std::string& stream, const std::string& seat, int64_t since_ms) override;
  std::vector<ReceiptRecord> receipts_of(const std::string& session) override;
  void save_receipt(const ReceiptRecord& receipt) override;
  void add_delivered(const std::string& relay, int64_t hour, uint64_t bytes) override;
  uint64_t best_hour_bytes(const std::string& relay, int64_t since_hour) override;
  uint64_t settled_bytes(const std::string& relay) override;
  BatchState batch_state(const std::string& node) override;
  void save_batch(const std::string& node, const BatchState& state, const std::string& body, int64_t at_ms) override;
  bool has_evidence(const std::string& id) override;
  int64_t evidence_since(const std::string& node, int64_t since_ms) override;
  void add_evidence(const std::string& id, const std::string& node, const std::string& kind, const std::string& relay,
                    const std::string& body, int64_t at_ms) override;

  void add_beat(const StreamBeat& beat) override;
  void add_check(const NodeCheck& check) override;
  std::vector<StreamBeat> beats(int64_t from_ms, int64_t to_ms) override;
  std::vector<NodeCheck> checks(int64_t to_ms) override;
  std::optional<int64_t> first_beat_ms(const std::string& node) override;
  void forget_beats(int64_t before_ms) override;
  void add_hour(const HourRecord& hour) override;
  void add_hour_node(const HourNodeRecord& record) override;
  std::optional<HourRecord> last_hour(const std::string& stream) override;
  std::vector<HourRecord> hours(int64_t from_hour) override;
  std::vector<HourNodeRecord> hour_nodes(int64_t from_hour) override;

 private:
  Sqlite db_;
};

}  // namespace coordinator
