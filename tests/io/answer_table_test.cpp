#include <doctest/doctest.h>

#include "io/answer_table.hpp"

using namespace streamr;
using namespace streamr::io;

namespace {

struct Client : AnswerTable::Waiter {
  AnswerTable::Seat seat;
  int answers = 0;
  std::string body;
  void on_answer(const PreparedAnswer& answer) override {
    ++answers;
    body.clear();
    for (const auto& piece : answer.body) body.append(piece.view().begin(), piece.view().end());
  }
};

core::HttpResponse answer_of(std::string_view text, std::shared_ptr<const core::Freshness> shared, int status = 200) {
  core::HttpResponse response;
  response.status = status;
  response.headers = {{"Content-Type", "text/plain"}};
  response.pieces.push_back(SharedBytes::copy(view_of(text)));
  response.shared = std::move(shared);
  return response;
}

std::string text_of(const SharedBytes& bytes) {
  return {bytes.view().begin(), bytes.view().end()};
}

}  // namespace

TEST_CASE("who asks the same while it is asked waits for the one answer") {
  AnswerTable table;
  Client first, second, other;
  const auto asked = table.ask("/live/x/0.m3u8", false, first, first.seat, 7);
  CHECK(asked.seated);
  CHECK(asked.ask == HttpId{7});
  const auto joined = table.ask("/live/x/0.m3u8", false, second, second.seat, 8);
  CHECK(joined.seated);
  CHECK_FALSE(joined.ask);
  const auto zipped = table.ask("/live/x/0.m3u8", true, other, other.seat, 9);
  CHECK(zipped.ask == HttpId{9});
  CHECK(table.target_of(7) == "/live/x/0.m3u8");
  CHECK(table.settle(7, answer_of("one", nullptr)) == 2);
  CHECK(first.body == "one");
  CHECK(second.body == "one");
  CHECK(other.answers == 0);
  CHECK_FALSE(static_cast<bool>(first.seat));
  CHECK_FALSE(table.owns(7));
  CHECK(table.owns(9));
}

TEST_CASE("a shared answer holds until the core marks it stale, one that is not shared never") {
  AnswerTable table;
  Client client;
  auto freshness = std::make_shared<core::Freshness>();
  table.ask("/a", false, client, client.seat, 1);
  table.settle(1, answer_of("old", freshness));
  const auto held = table.ask("/a", false, client, client.seat, 2);
  REQUIRE(held.answer != nullptr);
  CHECK(text_of(held.answer->head) == "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3");
  freshness->stale = true;
  const auto again = table.ask("/a", false, client, client.seat, 3);
  CHECK(again.answer == nullptr);
  CHECK(again.ask == HttpId{3});
  table.settle(3, answer_of("gone", nullptr, 404));
  CHECK(client.body == "gone");
  CHECK(table.size() == 0);
}

TEST_CASE("the core hears that nobody waits any more when the last one left") {
  AnswerTable table;
  Client first, second;
  table.ask("/a", false, first, first.seat, 1);
  table.ask("/a", false, second, second.seat, 2);
  CHECK_FALSE(table.leave(first, first.seat));
  CHECK(table.leave(second, second.seat) == HttpId{1});
  CHECK(table.size() == 0);
  CHECK(table.settle(1, answer_of("late", nullptr)) == 0);
  CHECK(first.answers + second.answers == 0);
}

TEST_CASE("an answer that came stale serves who waited and is not kept") {
  AnswerTable table;
  Client client;
  auto freshness = std::make_shared<core::Freshness>();
  freshness->stale = true;
  table.ask("/a", false, client, client.seat, 1);
  CHECK(table.settle(1, answer_of("x", freshness)) == 1);
  CHECK(client.body == "x");
  CHECK(table.size() == 0);
}

TEST_CASE("sweeping frees payloads of stale answers and keeps who waits") {
  AnswerTable table;
  Client client, waiting;
  auto freshness = std::make_shared<core::Freshness>();
  table.ask("/a", false, client, client.seat, 1);
  table.settle(1, answer_of("x", freshness));
  table.ask("/b", false, waiting, waiting.seat, 2);
  table.sweep();
  CHECK(table.size() == 2);
  freshness->stale = true;
  table.sweep();
  CHECK(table.size() == 1);
  CHECK(table.owns(2));
}

TEST_CASE("targets without end and without number do not fill the table") {
  AnswerTable table;
  std::vector<std::unique_ptr<Client>> clients;
  std::size_t refused = 0;
  for (int i = 0; i < 6000; ++i) {
    clients.push_back(std::make_unique<Client>());
    Client& one = *clients.back();
    refused += !table.ask("/live/x/0.m3u8?_HLS_msn=" + std::to_string(i), false, one, one.seat, 10 + i).seated;
  }
  CHECK(table.size() == 4096);
  CHECK(refused == 6000 - 4096);
  Client client;
  CHECK_FALSE(table.ask("/" + std::string(600, 'x'), false, client, client.seat, 1).seated);
}
