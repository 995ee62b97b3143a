#include <doctest/doctest.h>

#include <algorithm>

#include "io/command_queue.hpp"
#include "io/state_dir.hpp"
#include "recorder.hpp"
#include "temporary_directory.hpp"

using namespace streamr;
using namespace streamr::io;
using namespace streamr::io::test;

TEST_CASE("facts survive, the newest value of each, whatever their name") {
  const TemporaryDirectory directory;
  const auto path = directory.path("state");
  {
    Loop world;
    StateDir state(&world.loop, path);
    REQUIRE(state.load());
    for (int i = 0; i < 50; ++i) state.save("epochs", std::to_string(i));
    state.save("Strange/../Name", "kept");
    CHECK(world.until([&] { return state.idle(); }));
    CHECK(state.problem().empty());
  }
  Loop world;
  StateDir state(&world.loop, path);
  auto facts = state.load();
  REQUIRE(facts);
  std::sort(facts->begin(), facts->end());
  REQUIRE(facts->size() == 2);
  CHECK((*facts)[0] == std::pair<std::string, std::string>("Strange/../Name", "kept"));
  CHECK((*facts)[1] == std::pair<std::string, std::string>("epochs", "49"));
  CHECK(directory.entries() == 1);
}

TEST_CASE("what still waits when the loop ends is written then") {
  const TemporaryDirectory directory;
  Loop world;
  StateDir state(&world.loop, directory.path("state"));
  REQUIRE(state.load());
  state.save("a", "1");
  state.save("a", "2");
  CHECK(world.until([&] { return state.idle(); }));
  state.save("b", "3");
  state.save("b", "4");
  state.write_rest();
  CHECK(world.until([&] { return state.idle(); }));
  CHECK(StateDir(&world.loop, directory.path("state")).load()->size() == 2);
}

TEST_CASE("no directory keeps nothing, one that cannot be made is an error") {
  Loop world;
  StateDir none(&world.loop, "");
  CHECK(none.load()->empty());
  none.save("a", "1");
  CHECK(none.idle());
  StateDir impossible(&world.loop, "/proc/none/state");
  CHECK_FALSE(impossible.load());
}

TEST_CASE("commands run in the order in which each thread gave them, and a full queue says so") {
  CommandQueue queue;
  std::string order;
  for (const char c : {'a', 'b', 'c'}) CHECK(queue.push([&order, c] { order += c; }, 3));
  CHECK_FALSE(queue.push([] {}, 3));
  CHECK(queue.run_all() == 3);
  CHECK(order == "abc");
  CHECK(queue.push([] {}, 3));
}
