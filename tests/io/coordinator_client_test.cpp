#include <doctest/doctest.h>

#include "io/coordinator_client.hpp"
#include "server_fixture.hpp"

using namespace streamr;
using namespace streamr::io;
using namespace streamr::io::test;

namespace {

struct Asked : ServerFixture {
  Recorder told;
  CoordinatorClient client{&loop, told};
  ~Asked() {
    client.close_all();
    CHECK(until([this] { return client.idle(); }));
  }
  core::HttpCall call(CallId id, const std::string& method, const std::string& path, std::string_view body = {}) const {
    core::HttpCall out;
    out.call = id;
    out.method = method;
    out.url = "http://127.0.0.1:" + std::to_string(port()) + path;
    out.headers = {{"Streamr-Sig", "v1;abc"}, {"Content-Type", "application/json"}};
    out.body = SharedBytes::copy(view_of(body));
    return out;
  }
  const Recorder::Answer& answer() {
    REQUIRE(until([this] { return !told.answers.empty(); }));
    return told.answers.back();
  }
};

}  // namespace

TEST_CASE("a call carries its method, headers and body, and brings status and body back") {
  Asked world;
  world.client.call(world.call(5, "POST", "/v1/nodes/heartbeat", "{\"seq\":1}"));
  const auto& answer = world.answer();
  CHECK(answer.call == 5);
  CHECK(answer.status == 200);
  CHECK(answer.body == "hello /v1/nodes/heartbeat");
  CHECK(answer.failure.empty());
  REQUIRE(world.seen.requests.size() == 1);
  const auto& request = world.seen.requests[0];
  CHECK(request.method == "POST");
  CHECK(request.header("streamr-sig") == "v1;abc");
  CHECK(request.header("content-type") == "application/json");
  CHECK(request.header("expect").empty());
  CHECK(request.body.size() == 9);
}

TEST_CASE("an empty POST and a GET are what they say") {
  Asked world;
  world.client.call(world.call(1, "POST", "/a"));
  world.client.call(world.call(2, "GET", "/b"));
  REQUIRE(world.until([&] { return world.told.answers.size() == 2; }));
  REQUIRE(world.seen.requests.size() == 2);
  for (const auto& request : world.seen.requests) CHECK(request.method == (request.target == "/a" ? "POST" : "GET"));
}

TEST_CASE("Retry-After is read, and a redirect is an answer like any other") {
  Asked world;
  world.seen.request_hook = [&](const core::HttpRequest& request) {
    auto response = text_response("later", request.target == "/busy" ? 503 : 302);
    response.headers.emplace_back(request.target == "/busy" ? "Retry-After" : "Location",
                                  request.target == "/busy" ? "7" : "/elsewhere");
    world.server.reply(request.id, std::move(response));
  };
  world.client.call(world.call(1, "GET", "/busy"));
  CHECK(world.answer().status == 503);
  CHECK(world.answer().retry_after_s == 7);
  world.told.answers.clear();
  world.client.call(world.call(2, "GET", "/moved"));
  CHECK(world.answer().status == 302);
  CHECK(world.seen.requests.size() == 2);
}

TEST_CASE("a reply longer than the call allows is given up") {
  Asked world;
  world.seen.request_hook = [&](const core::HttpRequest& request) {
    world.server.reply(request.id, text_response(std::string(5000, 'x')));
  };
  auto call = world.call(1, "GET", "/big");
  call.max_reply_bytes = 4999;
  world.client.call(call);
  CHECK(world.answer().status == 0);
  CHECK(world.answer().failure.find("longer") != std::string::npos);
  world.told.answers.clear();
  call.max_reply_bytes = 5000;
  world.client.call(call);
  CHECK(world.answer().status == 200);
}

TEST_CASE("nobody there and no answer in time are failures with a sentence") {
  Asked world;
  world.seen.request_hook = {};
  auto slow = world.call(1, "GET", "/held");
  slow.timeout_ms = 100;
  world.client.call(slow);
  CHECK(world.answer().status == 0);
  CHECK_FALSE(world.answer().failure.empty());
  world.told.answers.clear();
  auto nowhere = world.call(2, "GET", "/");
  nowhere.url = "http://127.0.0.1:1/";
  world.client.call(nowhere);
  CHECK(world.answer().status == 0);
  CHECK_FALSE(world.answer().failure.empty());
  world.told.answers.clear();
  auto file = world.call(3, "GET", "/");
  file.url = "file:///etc/hostname";
  world.client.call(file);
  CHECK(world.answer().status == 0);
}

TEST_CASE("a client that stops drops what is under way") {
  Asked world;
  world.seen.request_hook = {};
  world.client.call(world.call(1, "GET", "/held"));
  REQUIRE(world.until([&] { return world.seen.requests.size() == 1; }));
  world.client.close_all();
  CHECK(world.until([&] { return world.client.idle(); }));
  CHECK(world.told.answers.empty());
}
