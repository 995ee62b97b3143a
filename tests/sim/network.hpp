// Decides how messages of real nodes travel: delay, bandwidth, loss as delay, partitions, crashes, on one virtual clock.
// Never judges what the messages say; a watcher sees each one. All chance comes from one seed.
// Called by tests/sim/world and tests/sim/network_test.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/prng.hpp"
#include "core/node.hpp"
#include "event_queue.hpp"
#include "heap_account.hpp"

namespace streamr::sim {

using HostId = std::uint32_t;
using WireId = std::uint32_t;

struct HostPlan {
  core::NodeConfig config;
  crypto::KeyPair key;
  std::string url;                          // where others dial it; empty: it only dials
  std::uint32_t access_us = 5'000;          // one way from this host to the middle of the network
  std::uint32_t up_kbps = 1'000'000;
  std::uint32_t down_kbps = 0;              // what it reads; 0: as fast as others send
  std::int64_t clock_off_us = 0;            // its wall clock against the true one
};

// One connection. Client is who dialled. Index 0 of a pair is what the client sends, 1 what the server sends.
struct Wire {
  HostId client = 0, server = 0;
  LinkId client_link = 0, server_link = 0;
  bool open = false;
  std::uint64_t last_arrival_us[2] = {0, 0};
  std::uint64_t outstanding[2] = {0, 0};
  std::vector<SharedBytes> held[2];         // while hosts are parted
  bool close_held[2] = {false, false};      // the end of the connection as well: [0] towards the client
};

struct LossPlan {
  std::uint32_t ppm = 0;                    // packets that need a second try
  std::uint64_t retry_us = 200'000;         // and all behind them wait: a stream of octets keeps its order
  std::uint32_t packet_bytes = 0;           // a message is as many packets; 0: one
};

// Sees what happens; may throw to end the run.
class Watcher {
 public:
  virtual ~Watcher() = default;
  virtual void on_opened(WireId, const Wire&) {}
  virtual void on_sent(WireId, const Wire&, bool /*by_client*/, ByteView /*message*/) {}
  virtual void on_arrived(WireId, const Wire&, bool /*by_client*/, ByteView /*message*/) {}
  virtual void on_closed(WireId, const Wire&) {}
  virtual void on_event(HostId, core::NodeEvent&) {}
  virtual void on_call(HostId, const core::HttpCall&) {}
  virtual void on_script(std::uint64_t /*a*/, std::uint64_t /*b*/) {}
};

class Network {
 public:
  Network(std::uint64_t seed, Watcher& watcher) : random_(seed), watcher_(&watcher) {}

  HostId add(HostPlan plan);                // starts it now
  core::Node* node(HostId host) { return hosts_[host].node.get(); }
  const HostPlan& plan(HostId host) const { return hosts_[host].plan; }
  std::optional<HostId> find(const std::string& url) const;
  std::size_t size() const { return hosts_.size(); }
  bool alive(HostId host) const { return hosts_[host].node != nullptr; }
  Now now_of(HostId host) const;
  std::uint64_t now_us() const { return now_us_; }
  Prng& random() { return random_; }

  // A call on a living node, on its own account of the heap; settle() must follow.
  template <class Act>
  void with_node(HostId host, Act act) {
    const heap::Owner owner(host);
    act(*hosts_[host].node);
  }
  // After calls on a node from outside: carries out what it wants and plans its next wake.
  void settle(HostId host);
  void script(std::uint64_t at_us, std::uint64_t a, std::uint64_t b = 0) { queue_.push(at_us, Kind::script, 0, a, b); }
  // The answer to a call that the watcher saw; status 0: none came.
  void answer(HostId host, CallId call, std::uint64_t after_us, int status, std::optional<std::uint32_t> retry_after_s, std::string body);
  void run_until(std::uint64_t end_us);

  // ---- faults
  void crash(HostId host, bool silent);     // silent: nobody is told, as when the power goes
  void restart(HostId host, bool with_state = true);
  void part(HostId a, HostId b, bool parted);
  // Hosts of different sides do not hear each other; all begin on side 0.
  void set_side(HostId host, std::uint8_t side) { hosts_[host].side = side; }
  void meet();                              // everybody on side 0 again, and what was held is on its way
  void set_loss(LossPlan loss) { loss_ = loss; }
  void set_corruption(std::uint32_t ppm) { corrupt_ppm_ = ppm; }    // messages with one octet changed on their way
  void set_disk_full(HostId host, bool full) { hosts_[host].disk_full = full; }
  void set_clock(HostId host, std::int64_t off_us) { hosts_[host].plan.clock_off_us = off_us; }   // the wall clock alone jumps
  void set_access(HostId host, std::uint32_t one_way_us) { hosts_[host].plan.access_us = one_way_us; }
  void set_up_kbps(std::uint32_t kbps) { for (Host& host : hosts_) host.plan.up_kbps = kbps; }
  void set_down_kbps(HostId host, std::uint32_t kbps);                // 0: it reads at once what waited
  // A host that lies: what it sends passes through here, after the watcher saw what its node meant. {}: honest again.
  using Lie = std::function<void(WireId, ByteVector&)>;
  void set_lie(HostId host, Lie lie) { hosts_[host].lie = std::move(lie); }
  // The next message of at least so many octets from the server of a wire is changed by this on its way.
  void tamper_next(WireId wire, std::function<bool(ByteVector&)> change) { tampers_[wire] = std::move(change); }
  const std::vector<Wire>& wires() const { return wires_; }

  std::uint64_t events() const { return events_; }
  std::vector<Event> newest_events(std::size_t most) const;          // the tail of the run, oldest first
  std::uint64_t digest() const { return digest_; }   // equal for equal runs

  static constexpr std::uint64_t unix_base_us = 1'790'000'000'000'000;
  static constexpr std::uint64_t start_us = 1'000'000;
  std::uint64_t tick_us = 1'500'000;          // a node's timers are served at most this often: operating systems are late too

 private:
  struct Host {
    explicit Host(HostPlan given) : plan(std::move(given)) {}
    HostPlan plan;
    std::unique_ptr<core::Node> node;
    std::unordered_map<LinkId, WireId> links;
    std::map<std::string, std::string> saved;
    std::uint64_t wake_us = UINT64_MAX;
    std::uint64_t ticked_us = 0;
    std::uint64_t up_free_us = 0, down_free_us = 0;
    Lie lie;
    std::uint8_t side = 0;
    bool disk_full = false;
    std::uint32_t life = 0;                 // rises with each crash; what was meant for an earlier life is lost
  };
  struct Message { SharedBytes bytes; WireId wire = 0; bool by_client = false; };
  struct HttpReply { CallId call = 0; int status = 0; std::optional<std::uint32_t> retry_after_s; std::string body; };

  void dispatch(const Event& event);
  void run_action(HostId host, core::Action& action);
  void dial(HostId host, const core::DialLink& dial);
  void accept(WireId wire);
  void send(HostId host, const core::SendMessage& send);
  void depart(WireId wire, bool by_client, SharedBytes message, std::uint64_t departure_us);
  void arrive(std::uint64_t slot);
  void close_from(HostId host, LinkId link);
  void tell_closed(WireId wire, bool to_client, std::uint64_t at_us);
  void on_closed(WireId wire, bool client_side, std::uint32_t life);
  void wake_later(HostId host);
  std::uint64_t delay_us(const Wire& wire) const { return hosts_[wire.client].plan.access_us + hosts_[wire.server].plan.access_us; }
  bool parted(HostId a, HostId b) const {
    return hosts_[a].side != hosts_[b].side || (!parted_.empty() && parted_.contains({std::min(a, b), std::max(a, b)}));
  }
  void release(WireId wire);
  void launch(HostId host);
  static bool is_link_of(const Host& host, LinkId link, std::uint64_t wire);
  template <class T>
  std::uint64_t keep(std::vector<T>& pool, std::vector<std::uint64_t>& free, T&& value);

  Prng random_;
  Watcher* watcher_;
  EventQueue queue_;
  std::vector<Host> hosts_;
  std::unordered_map<std::string, HostId> by_url_;
  std::vector<Wire> wires_;
  std::vector<Message> messages_;
  std::vector<std::uint64_t> free_messages_;
  std::vector<HttpReply> replies_;
  std::vector<std::uint64_t> free_replies_;
  std::map<std::pair<HostId, HostId>, bool> parted_;
  std::map<WireId, std::function<bool(ByteVector&)>> tampers_;
  LossPlan loss_;
  std::uint32_t corrupt_ppm_ = 0;
  std::uint64_t now_us_ = start_us;
  std::uint64_t events_ = 0;
  std::array<Event, 256> trace_{};
  std::uint64_t digest_ = 0xcbf29ce484222325ull;
};

}  // namespace streamr::sim
