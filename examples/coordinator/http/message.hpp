// Decides the shape of a request and an answer between the server and the routes.
// Never touches a socket.
// Called by http/server, which fills and sends them, and by every route.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace coordinator {

struct Request {
  std::string method;
  std::string target;  // as received, signed requests sign these octets
  std::string path;    // percent-decoded, without the query
  std::vector<std::pair<std::string, std::string>> query;
  std::map<std::string, std::string> headers;  // names in lower case; the first of a repeated one
  std::string body;
  std::string address;  // who asks, as the coordinator sees it

  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string() : found->second;
  }
  std::optional<std::string> argument(const std::string& name) const {
    for (const auto& [key, value] : query) {
      if (key == name) return value;
    }
    return std::nullopt;
  }
};

struct Response {
  int status = 200;
  std::string type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers = {};

  static Response json(std::string text, int status = 200) { return {status, "application/json", std::move(text)}; }
};

// What the server asks of the application; all calls come from the one service thread.
class Application {
 public:
  virtual ~Application() = default;
  virtual Response answer(Request& request) = 0;
  // Largest body that the route takes.
  virtual size_t body_limit(const std::string& method, const std::string& path) = 0;
  // An answer to something that never became a request: bad HTTP, too many connections.
  virtual Response refuse(int status, const std::string& code, const std::string& message) = 0;
  virtual void every_second() = 0;
  virtual void woken() = 0;  // another thread called Server::wake
};

}  // namespace coordinator
