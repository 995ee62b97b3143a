// Decides the life of one further loop that serves the port: its thread, its sockets, its own table of answers. What
// needs the core goes to the node's loop through a mailbox, and comes back the same way; octets wait for nobody.
// Never calls the core. Called by serving_group, on the node's thread.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

#include "io/load_meter.hpp"
#include "io/mailbox.hpp"
#include "io/server.hpp"

namespace streamr::io {

// Messages of one link between the loops. Who has as many on the way as it may is not read, so that nobody's messages
// wait long behind those of another; the node tells what it took in portions that are smaller than that.
struct Ahead {
  std::size_t messages = 0, bytes = 0;

  void add(std::size_t message_bytes) { ++messages, bytes += message_bytes; }
  bool full() const { return messages >= 64 || bytes >= 256 * 1024; }
  bool worth_telling() const { return messages >= 16 || bytes >= 64 * 1024; }
};

// What a loop tells the node's loop; links are named by the loop's own numbers.
struct LoopAccepted { LinkId number; std::string peer_address; };
struct LoopMessage { LinkId number; SharedBytes message; };
struct LoopTextMessage { LinkId number; };
struct LoopOversizedMessage { LinkId number; };
struct LoopClosed { LinkId number; std::string why; };
struct LoopSent { LinkId number; std::uint64_t taken_bytes; };  // of all that was ever handed over, what the kernel has
struct LoopRequest { core::HttpRequest request; };
struct LoopRequestClosed { HttpId id; };
using LoopEvent = std::variant<LoopAccepted, LoopMessage, LoopTextMessage, LoopOversizedMessage, LoopClosed, LoopSent,
                               LoopRequest, LoopRequestClosed>;

// What the node's loop asks of it.
struct LoopSend { LinkId number; std::vector<SharedBytes> pieces; };
struct LoopCloseLink { LinkId number; };
struct LoopReply { HttpId id; core::HttpResponse response; };
struct LoopPieces { HttpId id; std::vector<SharedBytes> pieces; bool end; };
struct LoopTaken { LinkId number; Ahead taken; };  // of its messages
struct LoopStopListening {};
struct LoopCloseAll {};
using LoopCommand =
    std::variant<LoopSend, LoopCloseLink, LoopReply, LoopPieces, LoopTaken, LoopStopListening, LoopCloseAll>;

class ServingLoop final : Handler {
 public:
  // `told` is called on this loop's thread after events were put; it wakes the node's loop.
  ServingLoop(ServerOptions options, std::function<void()> told);
  ~ServingLoop() override;
  ServingLoop(const ServingLoop&) = delete;
  ServingLoop& operator=(const ServingLoop&) = delete;

  Status start(const HostPort& address);
  void post(std::vector<LoopCommand> commands);
  std::vector<std::vector<LoopEvent>> take_events() { return events_.take(); }
  bool ended() const { return ended_.load(std::memory_order_acquire); }
  std::size_t busy() const { return busy_.load(std::memory_order_relaxed); }
  core::HttpServed take_served();
  std::uint32_t busy_permille() const { return busy_permille_.load(std::memory_order_relaxed); }

 private:
  LinkId on_accepted(const std::string& peer_address) override;
  void on_dialed(LinkId) override {}
  void on_message(LinkId link, const SharedBytes& message) override;
  void on_text_message(LinkId link) override;
  void on_oversized_message(LinkId link) override;
  void on_closed(LinkId link, const std::string& why) override;
  void on_sent(LinkId link, std::uint64_t outstanding_bytes) override;
  void on_http(const core::HttpRequest& request) override;
  void on_http_closed(HttpId id) override;
  void on_http_answer(CallId, int, std::optional<std::uint32_t>, ByteView, const std::string&) override {}

  void run();
  void pump();
  void tell_figures();
  void act(LoopCommand& command);
  void taken(LinkId link, const Ahead& taken);
  void close_all();
  void release();

  ServerOptions options_;
  std::function<void()> told_;
  uv_loop_t loop_{};
  uv_async_t wake_{};
  uv_prepare_t before_sleep_{};
  std::unique_ptr<TransportLoop> sockets_;
  std::unique_ptr<Server> server_;
  std::thread thread_;
  bool loop_open_ = false, closing_ = false;
  LinkId last_number_ = 0;
  struct Traffic {
    std::uint64_t handed_bytes = 0;  // ever given to the link
    Ahead ahead;                     // told to the node and not taken yet
  };
  std::unordered_map<LinkId, Traffic> traffic_;
  std::vector<LoopEvent> told_next_;
  Mailbox<std::vector<LoopCommand>> commands_;
  Mailbox<std::vector<LoopEvent>> events_;
  Mailbox<core::HttpServed> served_;
  LoadMeter load_;
  std::atomic<std::size_t> busy_{0};
  std::atomic<std::uint32_t> busy_permille_{0};
  std::atomic<bool> ended_{true};
};

}  // namespace streamr::io
