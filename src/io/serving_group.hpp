// Decides how one port is served by several loops as if there were one: the node's own loop and further ones with a
// thread each, over which the kernel spreads the connections. Names links and requests so that answers find their loop.
// Runs on the node's thread only. Called by runtime.
#pragma once

#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "core/metrics.hpp"
#include "io/serving_loop.hpp"

namespace streamr::io {

class ServingGroup {
 public:
  // `wake` may be called from any thread: the node's loop shall turn, and call take_in.
  ServingGroup(uv_loop_t* loop, TransportLoop& sockets, Handler& handler, ServerOptions options, unsigned loops,
               std::function<void()> wake);
  ~ServingGroup();
  ServingGroup(const ServingGroup&) = delete;
  ServingGroup& operator=(const ServingGroup&) = delete;

  Status listen(const HostPort& address);
  const HostPort& listening() const { return own_.listening(); }

  // Tells the handler what the other loops told.
  void take_in();

  bool owns(LinkId link) const { return own_.owns(link) || others_.contains(link); }
  void send(LinkId link, const std::vector<SharedBytes>& pieces);
  void flush_link(LinkId link);
  void close_link(LinkId link);
  void reply(HttpId id, core::HttpResponse response);
  void pieces(HttpId id, const std::vector<SharedBytes>& pieces, bool end);
  bool flush();
  core::HttpServed take_served();
  core::ServerStats stats() const;
  std::uint32_t busy_permille() const;  // of the busiest further loop

  void stop_listening();
  void close_all();
  bool idle() const;
  std::size_t busy() const;

 private:
  struct Remote {
    std::size_t loop;
    LinkId number;
    std::uint64_t handed_bytes = 0;
    Ahead taken = {};  // not told yet
  };
  void tell(std::size_t loop, LoopEvent& event);
  void took(LinkId link, std::size_t message_bytes);
  void command(std::size_t loop, LoopCommand command);
  std::optional<std::size_t> loop_of(HttpId id) const;

  Handler& handler_;
  ServerOptions options_;
  std::function<void()> wake_;
  Server own_;
  std::vector<std::unique_ptr<ServingLoop>> loops_;
  std::vector<std::vector<LoopCommand>> commands_;  // a loop each, until the next flush
  std::unordered_map<LinkId, Remote> others_;
  std::vector<std::unordered_map<LinkId, LinkId>> link_of_;  // a loop each: its number → our link
};

}  // namespace streamr::io
