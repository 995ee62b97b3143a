// Pay: alloc, limited, smoothing and uptime_v0, from docs/economics.md §3 and its vectors.
#include "coordinator/rules/money.hpp"

#include <cJSON.h>
#include <doctest/doctest.h>

#include <fstream>
#include <memory>
#include <sstream>

#include "coordinator/rules/settle.hpp"
#include "coordinator/rules/slots.hpp"
#include "coordinator/rules/text.hpp"

using namespace coordinator;

namespace {

struct Free {
  void operator()(cJSON* node) const { cJSON_Delete(node); }
};
using Json = std::unique_ptr<cJSON, Free>;

Json vectors() {
  std::ifstream file(STREAMR_VECTORS_DIR "/economics.json");
  REQUIRE(file.good());
  std::stringstream text;
  text << file.rdbuf();
  Json json(cJSON_Parse(text.str().c_str()));
  REQUIRE(json);
  return json;
}

const cJSON* get(const cJSON* node, const char* name) {
  return cJSON_GetObjectItemCaseSensitive(node, name);
}

const cJSON* cases(const Json& json, const char* function) {
  const cJSON* found = get(get(get(json.get(), "functions"), function), "cases");
  REQUIRE(cJSON_GetArraySize(found) > 0);
  return found;
}

// Numbers below 2^53 are JSON numbers, larger ones text.
uint64_t u64(const cJSON* node) {
  REQUIRE(node != nullptr);
  return cJSON_IsString(node) ? parse_u64(node->valuestring).value() : static_cast<uint64_t>(node->valuedouble);
}

}  // namespace

TEST_CASE("alloc gives the shares of the published vectors") {
  const Json json = vectors();
  const cJSON* item = nullptr;
  cJSON_ArrayForEach(item, cases(json, "alloc")) {
    CAPTURE(get(item, "name")->valuestring);
    std::vector<Weight> weights;
    const cJSON* weight = nullptr;
    cJSON_ArrayForEach(weight, get(get(item, "in"), "weights")) weights.push_back({weight->string, u64(weight)});
    const uint64_t pool = u64(get(get(item, "in"), "pool"));
    if (cJSON_IsTrue(get(item, "refused"))) {
      CHECK_THROWS_AS(alloc(pool, weights), PayError);
      continue;
    }
    for (const Share& share : alloc(pool, weights)) {
      CHECK(share.amount == u64(get(get(item, "out"), share.id.c_str())));
    }
  }
}

TEST_CASE("smoothing gives the figures of the published vectors") {
  const Json json = vectors();
  const cJSON* item = nullptr;
  cJSON_ArrayForEach(item, cases(json, "smooth")) {
    CAPTURE(get(item, "name")->valuestring);
    const cJSON* in = get(item, "in");
    const cJSON* out = get(item, "out");
    const Smoothed got = smooth(u64(get(in, "income")), u64(get(in, "target")), u64(get(in, "fund")));
    CHECK(got.pool == u64(get(out, "pool")));
    const cJSON* target = get(out, "target_after") ? get(out, "target_after") : get(out, "target");
    CHECK(got.target == u64(target));
  }
}

TEST_CASE("slots give the counts of the published vectors") {
  const Json json = vectors();
  const cJSON* item = nullptr;
  cJSON_ArrayForEach(item, cases(json, "slots")) {
    CAPTURE(get(item, "name")->valuestring);
    const cJSON* in = get(item, "in");
    std::vector<Beat> beats;
    std::vector<Check> checks;
    const cJSON* entry = nullptr;
    cJSON_ArrayForEach(entry, get(in, "beats")) {
      beats.push_back({static_cast<int64_t>(u64(cJSON_GetArrayItem(entry, 0))),
                       static_cast<int64_t>(u64(cJSON_GetArrayItem(entry, 1)))});
    }
    cJSON_ArrayForEach(entry, get(in, "checks")) {
      checks.push_back(
          {static_cast<int64_t>(u64(cJSON_GetArrayItem(entry, 0))), cJSON_IsTrue(cJSON_GetArrayItem(entry, 1)) != 0});
    }
    CHECK(slots_of_hour(beats, checks, static_cast<int64_t>(u64(get(in, "start_ms")))).count() ==
          u64(get(item, "out")));
  }
}

TEST_CASE("what is handed out is the pool, to the last unit, whatever the weights") {
  uint64_t state = 42;
  const auto next = [&] {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return state >> 33;
  };
  for (int round = 0; round < 200; ++round) {
    std::vector<Weight> weights;
    for (uint64_t i = 0; i < 1 + next() % 20; ++i) weights.push_back({std::to_string(i), next() % 1000});
    weights[0].weight += 1;
    const uint64_t pool = next() * next();
    uint64_t sum = 0;
    for (const Share& share : alloc(pool, weights)) sum += share.amount;
    CHECK(sum == pool);
  }
}

TEST_CASE("a limit that holds everything changes nothing") {
  const std::vector<Weight> wanted{{"a", 3}, {"b", 4}};
  CHECK(limited(7, wanted)[1].amount == 4);
  const auto shares = limited(5, wanted);
  CHECK(shares[0].amount + shares[1].amount == 5);
}

TEST_CASE("one node on a stream with a pool of 1000.0 earns 1000.0") {
  const SettledHour hour = settle_uptime_v0({parse_money("1000.0").value(), 0, 0, {{"n1", false, 3}}});
  CHECK(hour.served);
  CHECK(format_money(static_cast<int64_t>(hour.pay[0].amount)) == "1000.0");
  CHECK(hour.surplus == 0);
}

TEST_CASE("an hour in which nobody served divides nothing and keeps target and fund") {
  const SettledHour hour = settle_uptime_v0({5, 7, 9, {{"n1", false, 0}}});
  CHECK_FALSE(hour.served);
  CHECK(hour.pool == 0);
  CHECK(hour.target_after == 7);
  CHECK(hour.fund_after == 9);
  CHECK(hour.pay[0].amount == 0);
}

TEST_CASE("the operator's origin is paid only where no other node served") {
  const auto alone = divide_by_slots(100, {{"o", true, 5}});
  CHECK(alone[0].amount == 100);
  const auto helped = divide_by_slots(100, {{"o", true, 360}, {"r", false, 1}});
  CHECK(helped[0].amount == 0);
  CHECK(helped[1].amount == 100);
}
