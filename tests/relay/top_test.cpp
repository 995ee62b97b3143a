// What a person sees of a relay: every width and height, a relay that is gone, hostile words.
#include <doctest/doctest.h>

#include "relay/figures.hpp"
#include "relay/top_view.hpp"

using namespace streamr::programs;

namespace {

std::string stats(const std::string& alias, long time_us, long bytes, int streams = 1) {
  std::string list;
  for (int i = 0; i < streams; ++i)
    list += std::string(i == 0 ? "" : ",") + R"({"stream":"ab)" + std::to_string(i) + R"(","alias":")" + alias +
            R"(","hop":2,"live":true,"lag_ms":420,"viewers":12,"slices_rejected":0,"verified_bytes":)" + std::to_string(bytes) +
            R"(,"sent_bytes":)" + std::to_string(12 * bytes) +
            R"(,"upstreams":[{"url":"ws://192.0.2.7:8443/relay","state":"live","standby":false,"slices":77},)"
            R"({"url":"ws://192.0.2.8:8443/relay","state":"open","standby":true,"slices":0}]})";
  return R"({"node":"0123456789abcdef","name":"","role":"relay","software":"x/1","time_us":)" + std::to_string(time_us) +
         R"(,"uptime_s":93784,"load_pct":7,"memory_bytes":1048576,"memory_limit_bytes":268435456,"bytes_in":{"upstream":)" +
         std::to_string(bytes) + R"(},"bytes_out":{"viewer":)" + std::to_string(12 * bytes) +
         R"(},"links":{"viewer":12},"streams":[)" + list + "]}";
}

std::string text_of(const std::vector<std::string>& lines) {
  std::string out;
  for (const auto& line : lines) out += line + "\n";
  return out;
}

bool holds(const std::string& text, const std::string& word) { return text.find(word) != std::string::npos; }

}  // namespace

TEST_CASE("two looks a second apart show what goes in and out a second") {
  const auto before = read_figures(stats("my-stream", 1'000'000, 1'000'000));
  const auto now = read_figures(stats("my-stream", 2'000'000, 2'000'000));
  REQUIRE(before);
  REQUIRE(now);
  const std::string shown = text_of(render_top({&*now, &*before, "http://a", ""}, {80, 24, false}));
  CHECK(holds(shown, "up 1d 02:03:04"));
  CHECK(holds(shown, "in 8.00, out 96.0 Mbit/s"));
  CHECK(holds(shown, "my-stream"));
  CHECK(holds(shown, "standby"));
  const std::string first = text_of(render_top({&*now, nullptr, "http://a", ""}, {80, 24, false}));
  CHECK(holds(first, "in -, out - Mbit/s"));
}

TEST_CASE("a relay that began anew between two looks shows no rate rather than a wrong one") {
  CHECK_FALSE(mbit_a_second(1000, 10, 1));
  CHECK_FALSE(mbit_a_second(10, 1000, 0));
  CHECK(*mbit_a_second(0, 1'000'000, 1) == doctest::Approx(8.0));
}

TEST_CASE("no line is wider and no screen taller than the terminal, whatever its size") {
  const auto now = read_figures(stats(std::string(63, 'a'), 2'000'000, 2'000'000'000'000, 30));
  REQUIRE(now);
  for (const std::size_t width : {1u, 10u, 20u, 40u, 79u, 80u, 81u, 140u, 400u})
    for (const std::size_t height : {1u, 2u, 5u, 24u, 30u, 200u}) {
      const auto lines = render_top({&*now, &*now, "http://a", "gone"}, {width, height, false});
      CHECK(lines.size() <= height);
      for (const auto& line : lines) CHECK(line.size() <= width);
    }
  const auto lines = render_top({&*now, &*now, "http://a", ""}, {80, 24, false});
  CHECK(holds(lines.back(), "more; a taller terminal shows them"));
}

TEST_CASE("colour stands only where it was asked for") {
  const auto now = read_figures(stats("a", 1, 1));
  REQUIRE(now);
  CHECK_FALSE(holds(text_of(render_top({&*now, nullptr, "", ""}, {80, 0, false})), "\033"));
  CHECK(holds(text_of(render_top({&*now, nullptr, "", ""}, {80, 0, true})), "\033[32m"));
}

TEST_CASE("words of a hostile relay cannot move the cursor, and what is no stats.json is nothing") {
  const auto now = read_figures(stats(R"(\u001b[2Jname\u0007)", 1, 1));
  REQUIRE(now);
  CHECK(now->streams[0].alias == "?[2Jname?");
  for (const char* text : {"", "x", "[]", "{}", "{\"node\":1}", "\"\"", "<html>"}) CHECK_FALSE(read_figures(text));
  CHECK(read_figures(R"({"node":1,"streams":{"a":7},"bytes_in":[1],"links":"x","connections":[]})"));
}

TEST_CASE("a relay that does not answer is said, with the last figures where there are any") {
  const auto now = read_figures(stats("a", 1, 1));
  CHECK(holds(text_of(render_top({&*now, nullptr, "http://a", "refused"}, {80, 24, false})), "NO ANSWER from http://a: refused"));
  CHECK(holds(text_of(render_top({nullptr, nullptr, "http://a", "refused"}, {80, 24, false})), "NO ANSWER from http://a: refused"));
}
