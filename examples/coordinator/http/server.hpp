// Decides how connections are served: one libwebsockets service thread, timeouts, a cap an address, ordered answers.
// Never knows a route; it asks the Application.
// Called by main.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "coordinator/http/message.hpp"

struct lws_context;

namespace coordinator {

struct ServerOptions {
  std::string host;
  uint16_t port = 0;
  size_t connections = 4096;
  size_t connections_per_address = 256;
};

class Server {
 public:
  // Throws std::runtime_error with one sentence where it cannot listen.
  Server(const ServerOptions& options, Application& application);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  uint16_t port() const { return port_; }
  void run();   // until stop()
  void stop();  // from any thread
  void wake();  // from any thread: Application::woken on the service thread

  struct State;

 private:
  std::unique_ptr<State> state_;
  uint16_t port_ = 0;
};

}  // namespace coordinator
