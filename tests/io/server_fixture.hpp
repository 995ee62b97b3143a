// Decides nothing: one server on a free port of 127.0.0.1 with short time limits, and a recorder that answers "hello".
// Never shares anything between tests.
// Called by the tests in this directory.
#pragma once

#include "io/server.hpp"
#include "recorder.hpp"

namespace streamr::io::test {

inline core::HttpResponse text_response(std::string_view text, int status = 200) {
  core::HttpResponse response;
  response.status = status;
  response.headers = {{"Content-Type", "text/plain"}};
  response.pieces.push_back(SharedBytes::copy(view_of(text)));
  return response;
}

struct ServerFixture : Loop {
  Recorder seen;
  Server server;

  explicit ServerFixture(ServerOptions options = {}) : server(&loop, sockets, seen, quick(options)) {
    each_turn = [this] { server.flush(); };
    seen.request_hook = [this](const core::HttpRequest& request) {
      server.reply(request.id, text_response("hello " + request.target));
    };
    const auto bound = server.listen({"127.0.0.1", 0});
    if (!bound) throw std::runtime_error(bound.error().text);
  }
  ~ServerFixture() {
    server.close_all();
    until([this] { return server.idle(); });
  }
  std::uint16_t port() const { return server.listening().port; }
  static ServerOptions quick(ServerOptions options) {
    options.tick_ms = 10;
    options.linger_ms = std::min<std::uint64_t>(options.linger_ms, 200);
    return options;
  }
};

}  // namespace streamr::io::test
