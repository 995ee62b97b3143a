#include <doctest/doctest.h>

#include "publisher/rtmp/key_gate.hpp"

using namespace streamr::publisher;

constexpr std::uint64_t second = 1'000'000;

TEST_CASE("only the very same key is right") {
  CHECK(same_secret("open sesame", "open sesame"));
  for (const char* wrong : {"", "open", "open sesame!", "Open sesame", "open sesam3"}) {
    CHECK_FALSE(same_secret(wrong, "open sesame"));
  }
}

TEST_CASE("an empty expected key lets nobody in") { CHECK_FALSE(same_secret("", "")); }

TEST_CASE("five wrong keys are answered at once, the sixth a second later") {
  KeyGate gate("right");
  for (int i = 0; i < 5; ++i) {
    const auto attempt = gate.begin("10.0.0.1", 100 * second);
    CHECK(attempt.answer_us == 100 * second);
    CHECK_FALSE(gate.check("10.0.0.1", "wrong"));
  }
  CHECK(gate.begin("10.0.0.1", 100 * second).answer_us == 101 * second);
  CHECK(gate.begin("10.0.0.1", 100 * second).answer_us == 102 * second);
}

TEST_CASE("a flood of tries is turned away unheard, and the right key still gets its turn later") {
  KeyGate gate("right");
  bool too_many = false;
  for (int i = 0; i < 20; ++i) too_many = gate.begin("10.0.0.1", 100 * second).too_many;
  CHECK(too_many);
  const auto later = gate.begin("10.0.0.1", 110 * second);
  CHECK_FALSE(later.too_many);
  CHECK(gate.check("10.0.0.1", "right"));
}

TEST_CASE("one address does not slow another down") {
  KeyGate gate("right");
  for (int i = 0; i < 10; ++i) gate.begin("10.0.0.1", 100 * second);
  CHECK(gate.begin("10.0.0.2", 100 * second).answer_us == 100 * second);
}

TEST_CASE("right keys cost nothing") {
  KeyGate gate("right");
  for (int i = 0; i < 50; ++i) {
    CHECK(gate.begin("10.0.0.1", 100 * second).answer_us == 100 * second);
    CHECK(gate.check("10.0.0.1", "right"));
  }
}

TEST_CASE("addresses that tried are forgotten when their time is over, and their number is bounded") {
  KeyGate gate("right");
  for (int i = 0; i < 1024; ++i) CHECK_FALSE(gate.begin(std::to_string(i), 100 * second).too_many);
  CHECK(gate.begin("one more", 100 * second).too_many);
  CHECK_FALSE(gate.begin("one more", 102 * second).too_many);
}
