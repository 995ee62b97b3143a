// Decides: what HTTP viewers ask and when: paced parts, back to back, blocking playlists, players, the live edge, stalled.
// Never: copies or reads a body; the kernel discards it (over TLS: decrypted, not looked at).
// Called by: bench/load/main.
#pragma once

#include <openssl/ssl.h>

#include <memory>

#include "load/load.hpp"

namespace streamr::bench {

// paced     one object each interval, the viewers evenly spread over it
// burst     one object each interval, all at once
// saturate  the next object as soon as the last is there
// playlist  blocking reload of the next part, without end
// player    blocking reload, then the part
// edge      the part that is not there yet
// stall     asks and never reads
// idle      connects and stays; with --ask 1 after one answer
enum class Plan { paced, burst, saturate, playlist, player, edge, stall, idle };

class HttpLoad {
 public:
  HttpLoad(LoadOptions options, const Arguments& arguments);
  ~HttpLoad();
  void run();

 private:
  enum class Stage : std::uint8_t { quiet, playlist, object };
  struct Client {
    int fd = -1;
    SSL* tls = nullptr;
    Stage stage = Stage::quiet;
    bool in_body = false;
    std::uint32_t head_bytes = 0;
    std::uint64_t body_left = 0, ordinal = 0, asked_ns = 0, body_bytes = 0;
    char head[1024];
  };

  void open(Client& client, std::uint32_t index);
  void begin(Client& client);
  void ask(Client& client, Stage stage, std::uint64_t now);
  void ask_next(Client& client, std::uint64_t now);
  bool readable(Client& client);
  long receive(Client& client, char* into, std::size_t most, bool discard);
  bool take_head(Client& client, std::size_t end);
  void answered(Client& client);
  void fail(Client& client, const char* why);
  void run_due(std::uint64_t now);
  std::uint64_t due_ns() const;
  std::uint64_t published() const;
  std::string expand(const std::string& path, std::uint64_t ordinal) const;

  LoadOptions options_;
  Plan plan_;
  std::string object_path_, playlist_path_;
  std::uint64_t interval_ns_, begin_ns_ = 0, turn_ = 0, ring_, behind_;
  bool ask_once_;
  std::vector<Client> clients_;
  std::vector<char> scratch_;
  Poller poller_;
  Tally tally_;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> tls_{nullptr, SSL_CTX_free};
  bool measuring_ = false;
};

}  // namespace streamr::bench
