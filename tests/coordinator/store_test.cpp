// The SQLite store, in memory: what is written comes back, and nothing of a transaction that was not committed.
#include "coordinator/store/store.hpp"

#include <doctest/doctest.h>

using namespace coordinator;

namespace {

NodeRecord node(char letter) {
  NodeRecord n;
  n.key = std::string(32, letter);
  n.node_id = std::string("n-") + letter;
  n.role = "relay";
  n.addresses = {{"public", "ws://a.example/relay", 3}};
  n.lease.current = std::string(16, 'c');
  n.lease.voided = {std::string(16, 'd'), std::string("0123456789abcde\0", 16)};
  n.lease.boot_id = std::string(16, '\0');
  n.lease.counter = UINT64_MAX;
  return n;
}

}  // namespace

TEST_CASE("a node comes back as it was written, to the top of its counter") {
  const auto store = open_store("sqlite::memory:");
  NodeRecord written = node('a');
  store->save_node(written);
  const auto read = store->node_by_key(written.key);
  REQUIRE(read);
  CHECK(read->row == written.row);
  CHECK(read->lease.counter == UINT64_MAX);
  CHECK(read->lease.voided == written.lease.voided);
  CHECK(read->addresses[0].url == "ws://a.example/relay");
  CHECK(store->node_by_id("n-a")->key == written.key);
  CHECK_FALSE(store->node_by_id("n-b"));
}

TEST_CASE("nodes keep the order of their first registration") {
  const auto store = open_store("sqlite::memory:");
  for (const char letter : {'c', 'a', 'b', 'c'}) {
    NodeRecord n = node(letter);
    store->save_node(n);
  }
  const auto nodes = store->nodes();
  REQUIRE(nodes.size() == 3);
  CHECK(nodes[0].node_id == "n-c");
  CHECK(nodes[2].node_id == "n-b");
}

TEST_CASE("a transaction that is not committed leaves nothing, a savepoint what came before it") {
  const auto store = open_store("sqlite::memory:");
  {
    const Transaction lost(*store);
    NodeRecord n = node('a');
    store->save_node(n);
  }
  CHECK(store->nodes().empty());
  Transaction kept(*store);
  NodeRecord n = node('b');
  store->save_node(n);
  store->savepoint();
  store->set_setting("x", "1");
  store->rollback_to_savepoint();
  kept.commit();
  CHECK(store->nodes().size() == 1);
  CHECK(store->setting("x").empty());
}

TEST_CASE("an hour of a stream is written once") {
  const auto store = open_store("sqlite::memory:");
  const HourRecord hour{500, std::string(32, 's'), 1, 2, 3, 4, 5};
  store->add_hour(hour);
  CHECK_THROWS_AS(store->add_hour(hour), StoreUnavailable);
  CHECK(store->last_hour(hour.stream)->fund_after == 4);
}

TEST_CASE("forgetting heartbeats keeps each node's newest reachability check") {
  const auto store = open_store("sqlite::memory:");
  const std::string n(32, 'n');
  store->add_beat({n, std::string(32, 's'), {100, 10'000}});
  store->add_beat({n, std::string(32, 's'), {900, 10'000}});
  for (const int64_t at : {10, 20, 30}) store->add_check({n, {at, at != 30}});
  store->forget_beats(500);
  CHECK(store->beats(0, 1000).size() == 1);
  const auto checks = store->checks(1000);
  REQUIRE(checks.size() == 1);
  CHECK(checks[0].check.at_ms == 30);
  CHECK_FALSE(checks[0].check.passed);
}

TEST_CASE("a seat's answer stands from its draw, however often it is repeated") {
  const auto store = open_store("sqlite::memory:");
  SessionRecord s;
  s.id = std::string(16, 'i');
  s.relay = std::string(32, 'r');
  s.viewer = std::string(32, 'v');
  s.stream = std::string(32, 's');
  s.seat = "seat";
  s.created_ms = 9000;
  s.drawn_ms = 1000;
  store->add_session(s);
  CHECK(store->seat_answer(s.stream, "seat", 1000).relays.size() == 1);
  CHECK(store->seat_answer(s.stream, "seat", 1001).relays.empty());
  CHECK(store->seat_answer(s.stream, "other", 0).relays.empty());
}

TEST_CASE("a database that cannot be had is refused with a sentence") {
  CHECK_THROWS_WITH(open_store("postgresql://h/d"), doctest::Contains("SQLite only"));
  CHECK_THROWS_WITH(open_store("sqlite:"), doctest::Contains("sqlite:FILE"));
  CHECK_THROWS_WITH(open_store("sqlite:/no/such/folder/x.db"), doctest::Contains("/no/such/folder/x.db"));
}
