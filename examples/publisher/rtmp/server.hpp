// Decides: who may hold an RTMP connection, whose media counts, and when a connection is given up.
// Never: blocks, and never lets one connection starve another.
// Called by: the program's poll loop.
#pragma once

#include <poll.h>

#include <list>
#include <memory>
#include <string>

#include "publisher/rtmp/session.hpp"

namespace streamr::publisher {

// What a server tells about the one source whose key was right.
class RtmpListener {
 public:
  virtual ~RtmpListener() = default;
  virtual void on_source_begin(std::uint64_t now_us) = 0;
  virtual void on_source_media(RtmpMessage message, std::uint64_t now_us) = 0;
  virtual void on_source_end() = 0;
};

class RtmpServer {
 public:
  static constexpr std::size_t max_connections = 32;

  RtmpServer(std::string stream_key, RtmpListener& listener);
  ~RtmpServer();
  RtmpServer(const RtmpServer&) = delete;
  RtmpServer& operator=(const RtmpServer&) = delete;

  enum class Opened : std::uint8_t { yes, in_use, failed };
  // Port 0 takes any free one. The sentence of a failure goes to `reason`.
  Opened open(const std::string& host, unsigned short port, std::string& reason);
  const std::string& address() const { return address_; }

  void add_descriptors(std::vector<pollfd>& out) const;
  // `ready` holds the entries that add_descriptors appended, in the same order.
  void on_ready(std::span<const pollfd> ready, std::uint64_t now_us);
  // The present source is told why and goes.
  void end_source(std::string_view sentence, std::uint64_t now_us);
  bool has_source() const { return source_ != nullptr; }

 private:
  struct Connection {
    int fd = -1;
    std::string peer;
    std::unique_ptr<RtmpSession> session;
    bool gone = false;
  };
  void accept_all(std::uint64_t now_us);
  void make_room();
  void read_some(Connection& connection, std::uint64_t now_us);
  void drain_events(Connection& connection, std::uint64_t now_us);
  void write_some(Connection& connection);
  void sweep(std::uint64_t now_us);

  RtmpListener& listener_;
  KeyGate gate_;
  int fd_ = -1;
  std::string address_;
  std::list<Connection> connections_;
  Connection* source_ = nullptr;
};

}  // namespace streamr::publisher
