// One line of the control socket, one answer; what is wrong anywhere changes nothing.
#include "relay/requests.hpp"

#include <doctest/doctest.h>

using namespace streamr::programs;

namespace {

struct Target final : ControlTarget {
  LiveSettings live;
  std::string refusal;
  int changes = 0;
  bool drained = false;

  LiveSettings settings() const override { return live; }
  std::string change(const LiveSettings& settings) override {
    if (!refusal.empty()) return refusal;
    live = settings;
    ++changes;
    return {};
  }
  Reloaded reload() override { return {refusal, {"upload_kbps 0 -> 5"}, {"--listen"}}; }
  void drain() override { drained = true; }
  std::string stats_json() const override { return "{\"node\":\"a\"}"; }
};

bool holds(const std::string& text, const std::string& word) { return text.find(word) != std::string::npos; }

}  // namespace

TEST_CASE("a set line changes all its members and tells what was and what is") {
  Target target;
  const std::string answer = answer_request(R"({"set": {"upload_kbps": 5000, "log_level": "debug"}})", target);
  CHECK(answer == R"({"ok":true,"changed":["upload_kbps 0 -> 5000","log_level info -> debug"]})");
  CHECK(target.live.upload_kbps == 5000);
  CHECK(target.live.log_level == "debug");
  CHECK(to_limits(target.live).upload_kbps == 5000);
  CHECK(answer_request(R"({"set": {"upload_kbps": 0}})", target) == R"({"ok":true,"changed":["upload_kbps 5000 -> 0"]})");
}

TEST_CASE("one member out of range leaves the others unchanged as well") {
  Target target;
  for (const char* line : {
           R"({"set": {"max_viewers": 5, "memory_mb": 1}})", R"({"set": {"max_viewers": 5, "upload_kbps": 255}})",
           R"({"set": {"max_viewers": 5, "upload_kbps": "much"}})",
           R"({"set": {"max_viewers": 5, "log_level": "loud"}})", R"({"set": {"max_viewers": -1}})",
           R"({"set": {"max_viewers": 9223372036854775807}})", R"({"set": {}})", R"({"set": 5})"}) {
    const std::string answer = answer_request(line, target);
    CAPTURE(line);
    CHECK(holds(answer, R"({"ok":false,"error":")"));
    CHECK(holds(answer, "expects"));
  }
  CHECK(holds(answer_request(R"({"set": {"max_viewers": 5, "nobody": 1}})", target), "\\\"nobody\\\" is no setting"));
  CHECK(target.changes == 0);
  CHECK(target.live.max_viewers == 0);
}

TEST_CASE("a line that is no request is refused with what would be one") {
  Target target;
  for (const char* line : {"", "hello", "[]", "{}", "{\"get\":\"limits\",\"drain\":true}", "{\"drain\":false}", "{\"reload\":1}",
                           "{\"burn\":true}", "{\"get\":\"keys\"}", "{\"set\":{\"a\":1},\"set\":{}}", "{\"get\":1.5}"}) {
    CAPTURE(line);
    CHECK(holds(answer_request(line, target), R"("ok":false)"));
  }
  CHECK_FALSE(target.drained);
}

TEST_CASE("get, reload and drain are answered; a refused reload says why") {
  Target target;
  CHECK(holds(answer_request(R"({"get": "limits"})", target), R"("limits":{"upload_kbps":0,"max_viewers":0,"memory_mb":256,)"));
  CHECK(answer_request(R"({"get": "stats"})", target) == R"({"ok":true,"stats":{"node":"a"}})");
  CHECK(answer_request(R"({"reload": true})", target) ==
        R"({"ok":true,"changed":["upload_kbps 0 -> 5"],"restart_needed":["--listen"]})");
  target.refusal = "line 3 is wrong";
  CHECK(answer_request(R"({"reload": true})", target) == R"({"ok":false,"error":"line 3 is wrong"})");
  CHECK(answer_request(R"({"set": {"max_viewers": 1}})", target) == R"({"ok":false,"error":"line 3 is wrong"})");
  CHECK(answer_request(R"({"drain": true})", target) == R"({"ok":true})");
  CHECK(target.drained);
}
