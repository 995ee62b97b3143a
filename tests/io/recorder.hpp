// Decides nothing: writes down what server, dialer and coordinator client tell, and turns the loop until a test has
// seen what it waits for. Never uses the network beyond 127.0.0.1. Called by the tests in this directory.
#pragma once

#include <uv.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "io/handler.hpp"
#include "io/sigpipe.hpp"
#include "io/system.hpp"
#include "io/transport.hpp"

namespace streamr::io::test {

struct Recorder : Handler {
  LinkId last_link = 1000;
  std::vector<LinkId> accepted, dialed;
  std::vector<std::pair<LinkId, SharedBytes>> messages;
  std::vector<LinkId> texts, oversized;
  std::map<LinkId, std::string> closed;
  std::map<LinkId, std::uint64_t> outstanding;
  std::vector<core::HttpRequest> requests;
  std::vector<HttpId> gone;
  struct Answer {
    CallId call;
    int status;
    std::optional<std::uint32_t> retry_after_s;
    std::string body, failure;
  };
  std::vector<Answer> answers;
  std::function<void(LinkId, const SharedBytes&)> message_hook;
  std::function<void(const core::HttpRequest&)> request_hook;

  LinkId on_accepted(const std::string&) override {
    accepted.push_back(++last_link);
    return last_link;
  }
  void on_dialed(LinkId link) override { dialed.push_back(link); }
  void on_message(LinkId link, const SharedBytes& message) override {
    messages.emplace_back(link, message);
    if (message_hook) message_hook(link, message);
  }
  void on_text_message(LinkId link) override { texts.push_back(link); }
  void on_oversized_message(LinkId link) override { oversized.push_back(link); }
  void on_closed(LinkId link, const std::string& why) override { closed[link] += why; }
  void on_sent(LinkId link, std::uint64_t bytes) override { outstanding[link] = bytes; }
  void on_http(const core::HttpRequest& request) override {
    requests.push_back(request);
    if (request_hook) request_hook(request);
  }
  void on_http_closed(HttpId id) override { gone.push_back(id); }
  void on_http_answer(CallId call, int status, std::optional<std::uint32_t> retry, ByteView body,
                      const std::string& failure) override {
    answers.push_back({call, status, retry, std::string(body.begin(), body.end()), failure});
  }
};

// A loop that is turned by hand until something is so, or 10 s passed.
struct Loop {
  SigpipeBlocked quiet;  // as the runtime's thread does
  uv_loop_t loop{};
  uv_timer_t beat{};
  TransportLoop sockets{&loop};
  std::function<void()> each_turn;

  Loop() {
    uv_loop_init(&loop);
    sockets.poller.open();
    uv_timer_init(&loop, &beat);
    uv_timer_start(
        &beat, [](uv_timer_t*) {}, 2, 2);
  }
  ~Loop() {
    uv_close(reinterpret_cast<uv_handle_t*>(&beat), nullptr);
    sockets.poller.close();
    uv_run(&loop, UV_RUN_NOWAIT);
    uv_loop_close(&loop);
  }
  bool until(const std::function<bool()>& so) {
    const std::uint64_t give_up = read_clocks().mono_us + s_to_us(10);
    while (!so() && read_clocks().mono_us < give_up) {
      if (each_turn) each_turn();
      uv_run(&loop, UV_RUN_ONCE);
    }
    return so();
  }
};

}  // namespace streamr::io::test
