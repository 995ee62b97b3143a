// When a player with a small buffer would have stood still.
#include <doctest/doctest.h>

#include "viewer/player_model.hpp"

using streamr::viewer::PlayerModel;

namespace {
constexpr std::uint64_t second = 1'000'000;
constexpr std::uint32_t part = 500'000;
}

TEST_CASE("a stream whose parts come in time never stands still") {
  PlayerModel player(second);
  for (std::uint64_t n = 0; n < 100; ++n) player.on_chunk(part, 10 * second + n * part);
  player.on_tick(60 * second);
  CHECK(player.stall_us() == 0);
  CHECK(player.stalls() == 0);
}

TEST_CASE("before the first chunk nothing stands still") {
  PlayerModel player(second);
  player.on_tick(100 * second);
  CHECK(player.stall_us() == 0);
}

TEST_CASE("a part later than the buffer reaches is one stall of exactly that time") {
  PlayerModel player(second);
  player.on_chunk(part, 0);
  player.on_chunk(part, 500'000);                 // media until 2 s with the buffer
  player.on_chunk(part, 2'300'000);
  CHECK(player.stall_us() == 300'000);
  CHECK(player.stalls() == 1);
  player.on_chunk(part, 2'400'000);
  player.on_tick(3'200'000);
  CHECK(player.stall_us() == 300'000);
}

TEST_CASE("a stall that goes on counts while it goes on, as one") {
  PlayerModel player(second);
  player.on_chunk(part, 0);
  for (std::uint64_t at = second; at <= 4 * second; at += 100'000) player.on_tick(at);
  CHECK(player.stall_us() == 2'500'000);
  CHECK(player.stalls() == 1);
  CHECK(player.take_stall_ms() == 2'500);
  CHECK(player.take_stall_ms() == 0);
  player.on_chunk(part, 4 * second);
  player.on_tick(5 * second);
  CHECK(player.stalls() == 2);
  CHECK(player.take_stall_ms() == 500);
}

TEST_CASE("after the end of a stream nothing stands still") {
  PlayerModel player(second);
  player.on_chunk(part, 0);
  player.on_end(second);
  player.on_tick(100 * second);
  CHECK(player.stall_us() == 0);
}
