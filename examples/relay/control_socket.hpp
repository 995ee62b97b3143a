// Decides: how a Unix socket carries one line for each request and answer, to its owner only.
// Never: reads a request's meaning (requests.cpp does), and never waits: it lives in the relay's poll loop.
// Called by: relay.cpp, on the main thread.
#pragma once

#include <poll.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace streamr::programs {

class ControlSocket {
 public:
  using Answer = std::function<std::string(std::string_view line)>;

  explicit ControlSocket(Answer answer) : answer_(std::move(answer)) {}
  ~ControlSocket();
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;

  // Nothing, or the sentence that says why the path cannot be used. A socket that nobody answers is replaced.
  std::string open(const std::string& path);
  // What to wait for, appended to `waited`; then `serve` with what poll said of it.
  void add_to(std::vector<pollfd>& waited) const;
  void serve(const std::vector<pollfd>& waited);

 private:
  struct Client {
    int fd;
    std::string in, out;
  };
  void accept_one();
  bool read_from(Client& client);
  static bool write_to(Client& client);
  void close_client(std::size_t at);

  Answer answer_;
  std::string path_;
  int listener_ = -1;
  std::vector<Client> clients_;
};

// Connects to a relay's socket; -1 and a sentence where that fails.
int connect_control(const std::string& path, std::string& sentence);
// Sends one line and gives the one that answers it; empty where none comes within 10 s.
std::string ask_control(int fd, const std::string& request);

}  // namespace streamr::programs
