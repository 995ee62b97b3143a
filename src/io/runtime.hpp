// Decides how one core::Node meets the world: one loop, one thread (its own or the host's), sockets, clock, disk; API
// threads hand commands over and wait for the answer. Never decides anything about streams: it feeds the node and does
// what the node asks. Called by capi.
#pragma once

#include <uv.h>

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "core/node.hpp"
#include "io/command_queue.hpp"
#include "io/coordinator_client.hpp"
#include "io/dialer.hpp"
#include "io/memory_file.hpp"
#include "io/serving_group.hpp"
#include "io/state_dir.hpp"

namespace streamr::io {

struct RuntimeOptions {
  core::NodeConfig node;  // seed, boot_id and state are filled by start
  crypto::KeyPair identity;
  std::optional<HostPort> listen;
  std::string state_dir;
  bool host_loop = false;
  ServerOptions server;
  DialerOptions dialer;
  unsigned loops = 1;  // that serve the port; those beyond the first have a thread each
  std::function<void(core::NodeEvent)> on_event;  // on the loop's thread; must not block
};

class Runtime final : Handler {
 public:
  explicit Runtime(RuntimeOptions options);
  ~Runtime() override;
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  Status start();
  // Good-bye to peers, then all is closed; false: the deadline passed and it was closed by force. Once only.
  bool stop(std::uint32_t deadline_ms);
  bool running() const { return running_; }
  std::optional<HostPort> listening() const { return listening_; }  // steady from start on

  // Reads certificate and key again; connections that stand go on. STATE without TLS, INVALID for bad files. Any thread.
  Status reload_tls();

  // Runs `work` on the loop's thread and waits. STATE where the node does not run, AGAIN where too much waits already.
  using Work = std::function<void(core::Node&, Now)>;
  Status call(Work work);
  // The same without waiting and without a limit, for what must not be lost; nothing happens where the node does not
  // run.
  void post(Work work);

  // Host loop. `also` is one more descriptor that makes the host's one readable.
  int host_fd() const { return host_fd_; }
  void host_watch(int also);
  int host_timeout_ms();
  Status host_run();

 private:
  enum class Phase : std::uint8_t { running, draining, closing, closed };

  LinkId on_accepted(const std::string& peer_address) override;
  void on_dialed(LinkId link) override;
  void on_message(LinkId link, const SharedBytes& message) override;
  void on_text_message(LinkId link) override;
  void on_oversized_message(LinkId link) override;
  void on_closed(LinkId link, const std::string& why) override;
  void on_sent(LinkId link, std::uint64_t outstanding_bytes) override;
  void on_http(const core::HttpRequest& request) override;
  void on_http_closed(HttpId id) override;
  void on_http_answer(CallId call, int status, std::optional<std::uint32_t> retry_after_s, ByteView body,
                      const std::string& failure) override;

  Status open();
  void open_host_fd();
  std::string advertised() const;
  bool enqueue(Work work, std::size_t limit);
  void run_thread();
  void pump();
  void act(core::Action& action);
  void send(core::SendMessage& message);
  void flush_sending();
  void arm_timer();
  void tell_figures(Now now);
  void advance_phase();
  void begin_draining();
  void begin_closing();
  bool all_closed() const;
  bool on_loop_thread() const { return loop_thread_.load() == std::this_thread::get_id(); }
  bool await_closed(std::uint64_t until_mono_us);
  void turn_until_closed(std::uint64_t until_mono_us);
  void release();

  RuntimeOptions options_;
  LinkId sending_ = 0;  // whose messages come one after the other at the moment
  std::unique_ptr<MemoryFile> memory_;
  std::unique_ptr<core::Node> node_;
  uv_loop_t loop_{};
  bool loop_open_ = false;
  uv_async_t wake_{};
  uv_prepare_t before_sleep_{};
  uv_timer_t timer_{};
  CommandQueue commands_;
  std::unique_ptr<TransportLoop> sockets_;
  std::unique_ptr<ServingGroup> server_;
  LoadMeter load_;
  std::unique_ptr<Dialer> dialer_;
  std::unique_ptr<CoordinatorClient> coordinator_;
  std::unique_ptr<StateDir> state_;
  std::optional<HostPort> listening_;
  std::thread thread_;
  std::atomic<std::thread::id> loop_thread_{};
  std::atomic<bool> running_{false};
  Phase phase_ = Phase::running;  // loop's thread only
  std::uint64_t drain_us_ = 0;    // set before the draining begins
  int own_handles_ = 0;           // timer and prepare that are not closed yet
  std::promise<void> closed_;
  std::future<void> closed_told_;
  std::atomic<bool> over_{false};  // no command runs any more
  int host_fd_ = -1;
};

}  // namespace streamr::io
