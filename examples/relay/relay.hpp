// Decides: the life of one relay: its node, its log, what SIGHUP and the control socket change, and its end.
// Never: knows the wire or the media; the library does.
// Called by: main().
#pragma once

#include <memory>

#include "common/event_log.hpp"
#include "common/stop_signal.hpp"
#include "relay/control_socket.hpp"
#include "relay/options.hpp"
#include "relay/requests.hpp"

namespace streamr::programs {

class Relay final : ControlTarget {
 public:
  // `argc` and `argv` are read again, over the configuration file as it is then, at SIGHUP.
  Relay(RelayOptions options, int argc, char** argv) : options_(std::move(options)), argc_(argc), argv_(argv) {}
  ~Relay() override { streamr_node_destroy(node_); }
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  // An exit code; what is wrong was said.
  int start(const streamr_key_t* key);
  int run(StopSignal& stop);

 private:
  LiveSettings settings() const override { return options_.live; }
  std::string change(const LiveSettings& settings) override;
  Reloaded reload() override;
  void drain() override { drain_wanted_ = true; }
  std::string stats_json() const override;

  int create(const streamr_key_t* key);
  int carry_all();
  int open_control();
  bool drain_events();

  RelayOptions options_;
  int argc_;
  char** argv_;
  streamr_node_t* node_ = nullptr;
  EventLog log_;
  std::unique_ptr<ControlSocket> control_;
  bool drain_wanted_ = false;
};

}  // namespace streamr::programs
