// Decides what can be kept and asked for; one interface for every database.
// Never decides a rule: it returns records and stores what it is given, all or nothing within a transaction.
// Called by the application on its one service thread.
#pragma once

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "coordinator/rules/records.hpp"
#include "coordinator/rules/slots.hpp"

namespace coordinator {

// The database cannot be written (disk full, I/O error): requests that must write answer 503.
struct StoreUnavailable : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct StreamBeat {
  std::string node;
  std::string stream;
  Beat beat;
};

struct NodeCheck {
  std::string node;
  Check check;
};

class Store {
 public:
  virtual ~Store() = default;

  virtual void begin() = 0;
  virtual void commit() = 0;
  virtual void rollback() = 0;
  virtual void savepoint() = 0;  // inside a transaction
  virtual void rollback_to_savepoint() = 0;

  virtual std::string setting(const std::string& name) = 0;
  virtual void set_setting(const std::string& name, const std::string& value) = 0;

  // nodes
  virtual std::optional<NodeRecord> node_by_key(const std::string& key) = 0;
  virtual std::optional<NodeRecord> node_by_id(const std::string& node_id) = 0;
  virtual std::vector<NodeRecord> nodes() = 0;   // in the order of registration
  virtual void save_node(NodeRecord& node) = 0;  // sets row where it is new
  virtual void save_lease(const NodeRecord& node) = 0;
  virtual void save_parent(const std::string& key, const std::string& parent) = 0;
  virtual bool is_earlier_boot(const std::string& node, const std::string& boot_id) = 0;
  virtual void add_earlier_boot(const std::string& node, const std::string& boot_id) = 0;
  virtual void save_report(const ReportRecord& report) = 0;
  virtual void drop_reports(const std::string& node, int64_t older_than_ms) = 0;
  virtual std::vector<ReportRecord> reports() = 0;
  virtual std::vector<ReportRecord> reports_of(const std::string& stream) = 0;
  virtual void save_proof(const AddressProof& proof) = 0;
  virtual std::vector<AddressProof> proofs() = 0;
  virtual void drop_proofs(const std::string& node) = 0;

  // streams
  virtual std::optional<StreamRecord> stream_by_id(const std::string& id) = 0;
  virtual std::optional<StreamRecord> stream_by_alias(const std::string& alias) = 0;
  virtual std::vector<StreamRecord> streams() = 0;
  virtual void save_stream(StreamRecord& stream) = 0;
  // Who holds an alias: its stream and when it was freed (0: in use).
  struct AliasHold {
    std::string stream;
    int64_t freed_ms = 0;
  };
  virtual std::optional<AliasHold> alias_hold(const std::string& alias) = 0;
  virtual void hold_alias(const std::string& alias, const AliasHold& hold) = 0;
  virtual void save_revocation(const std::string& stream, const std::string& bytes, int64_t at_ms) = 0;
  virtual std::vector<std::string> revocations(size_t most) = 0;  // newest first

  // sessions and delivery
  virtual void add_session(const SessionRecord& session) = 0;
  virtual std::vector<SessionRecord> session(const std::string& id) = 0;
  virtual void forget_sessions(uint64_t ended_before_us) = 0;
  // The relays, in their places, of a seat's newest answer for a stream that was drawn since then.
  struct SeatAnswer {
    std::vector<std::string> relays;
    int64_t drawn_ms = 0;
  };
  virtual SeatAnswer seat_answer(const std::string& stream, const std::string& seat, int64_t since_ms) = 0;
  virtual std::vector<ReceiptRecord> receipts_of(const std::string& session) = 0;
  virtual void save_receipt(const ReceiptRecord& receipt) = 0;
  virtual void add_delivered(const std::string& relay, int64_t hour, uint64_t bytes) = 0;
  virtual uint64_t best_hour_bytes(const std::string& relay, int64_t since_hour) = 0;
  virtual uint64_t settled_bytes(const std::string& relay) = 0;
  virtual BatchState batch_state(const std::string& node) = 0;
  virtual void save_batch(const std::string& node, const BatchState& state, const std::string& body, int64_t at_ms) = 0;
  virtual bool has_evidence(const std::string& id) = 0;
  virtual int64_t evidence_since(const std::string& node, int64_t since_ms) = 0;
  virtual void add_evidence(const std::string& id, const std::string& node, const std::string& kind,
                            const std::string& relay, const std::string& body, int64_t at_ms) = 0;

  // pay
  virtual void add_beat(const StreamBeat& beat) = 0;
  virtual void add_check(const NodeCheck& check) = 0;
  virtual std::vector<StreamBeat> beats(int64_t from_ms, int64_t to_ms) = 0;
  virtual std::vector<NodeCheck> checks(int64_t to_ms) = 0;
  virtual std::optional<int64_t> first_beat_ms(const std::string& node) = 0;
  virtual void forget_beats(int64_t before_ms) = 0;
  virtual void add_hour(const HourRecord& hour) = 0;
  virtual void add_hour_node(const HourNodeRecord& record) = 0;
  virtual std::optional<HourRecord> last_hour(const std::string& stream) = 0;
  virtual std::vector<HourRecord> hours(int64_t from_hour) = 0;
  virtual std::vector<HourNodeRecord> hour_nodes(int64_t from_hour) = 0;
};

// Opens "sqlite:FILE"; throws std::runtime_error with one sentence where it cannot.
std::unique_ptr<Store> open_store(const std::string& url);

// Rolls back unless committed.
class Transaction {
 public:
  explicit Transaction(Store& store) : store_(store) { store_.begin(); }
  ~Transaction() {
    if (open_) store_.rollback();
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit() {
    store_.commit();
    open_ = false;
  }

 private:
  Store& store_;
  bool open_ = true;
};

}  // namespace coordinator
