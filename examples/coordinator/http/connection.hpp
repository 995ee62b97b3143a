// Decides the order and form of the answers on one connection and when it ends.
// Never blocks; what does not fit the socket waits in a bounded buffer.
// Called by http/server for each event of its socket.
#pragma once

#include <cstdint>
#include <string>

#include "coordinator/http/message.hpp"
#include "coordinator/http/parser.hpp"

struct lws;

namespace coordinator {

class Connection {
 public:
  Connection(lws* socket, std::string address, Application& application);

  // Each returns false when the socket is to be closed at once.
  bool on_bytes(const char* bytes, size_t len);
  bool on_writable();
  void refuse(int status, const std::string& code, const std::string& message);
  bool flush();

  const std::string& address() const { return address_; }

 private:
  enum class Phase { open, answering_last, draining };

  void send(const Request* request, Response response, bool keep_alive);
  void set_timeout();

  lws* socket_;
  std::string address_;
  Application& application_;
  HttpParser parser_;
  std::string out_;
  size_t sent_ = 0;
  size_t drained_ = 0;
  Phase phase_ = Phase::open;
  bool reading_ = true;
};

}  // namespace coordinator
