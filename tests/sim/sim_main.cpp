// Plays the simulated network: many real nodes on one virtual clock, promises checked at every message.
// Without arguments: the size that the project promises. A failure prints the seed that repeats it.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "world.hpp"

namespace {

using namespace streamr::sim;

constexpr const char* usage =
    "sim_network [--seed N] [--seeds COUNT] [--relays N] [--viewers N] [--seconds VIRTUAL] [--part-ms N] [--calm] [--talk]\n"
    "  plays relays and viewers on a virtual network; --calm: nothing goes wrong, --talk: print what happens\n"
    "  exit 0: every promise held   1: one was broken, the line says which, when, and the seed   2: wrong arguments\n";

bool read(const char* text, std::uint64_t& value) {
  char* end = nullptr;
  value = std::strtoull(text, &end, 10);
  return end != text && *end == 0;
}

void print(const WorldPlan& plan, const WorldReport& report, double took_s) {
  std::printf("seed %llu: %u relays, %u viewers, %u s in %.1f s\n", static_cast<unsigned long long>(plan.seed), plan.relays, plan.viewers, plan.seconds, took_s);
  const auto line = [](const char* name, std::uint64_t value) { std::printf("  %-22s %llu\n", name, static_cast<unsigned long long>(value)); };
  line("events", report.events);
  line("published chunks", report.published);
  line("delivered chunks", report.delivered);
  line("missed chunks", report.missed);
  line("viewers behind", report.viewers_behind);
  line("headers checked", report.headers_checked);
  line("slices checked", report.slices_checked);
  line("slices changed", report.tampered);
  line("refusals", report.rejected);
  line("switches", report.switches);
  line("crashes", report.crashes);
  line("partings", report.partings);
  line("receipts", report.receipts);
  line("receipts settled", report.coordinator.receipts_settled);
  line("longest path", report.longest_path);
  line("widest use of a window", report.widest_use_bytes);
  line("sessions", report.coordinator.sessions);
  line("heartbeats", report.coordinator.heartbeats);
  std::printf("  %-22s %016llx\n", "digest", static_cast<unsigned long long>(report.digest));
}

bool play(const WorldPlan& plan) {
  const auto began = std::chrono::steady_clock::now();
  try {
    World world(plan);
    const WorldReport report = world.run();
    print(plan, report, std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
    return true;
  } catch (const Broken& what) {
    std::printf("seed %llu: a promise was broken %s\nto play it again: sim_network --seed %llu --relays %u --viewers %u --seconds %u --part-ms %u%s\n",
                static_cast<unsigned long long>(plan.seed), what.what(), static_cast<unsigned long long>(plan.seed), plan.relays,
                plan.viewers, plan.seconds, plan.part_ms, plan.faults ? "" : " --calm");
    return false;
  }
}

}  // namespace

int main(int argc, char** argv) {
  WorldPlan plan;
  std::uint64_t seeds = 1;
  for (int at = 1; at < argc; ++at) {
    const std::string name = argv[at];
    std::uint64_t value = 0;
    if (name == "--no-intro") continue;               // how the test runner calls every program
    if (name == "--calm") { plan.faults = false; plan.churn = false; continue; }
    if (name == "--talk") { plan.talk = true; continue; }
    if (at + 1 >= argc || !read(argv[++at], value)) return std::fputs(usage, stderr), 2;
    if (name == "--seed") plan.seed = value;
    else if (name == "--seeds") seeds = value;
    else if (name == "--relays") plan.relays = static_cast<std::uint32_t>(value);
    else if (name == "--viewers") plan.viewers = static_cast<std::uint32_t>(value);
    else if (name == "--seconds") plan.seconds = static_cast<std::uint32_t>(value);
    else if (name == "--part-ms") plan.part_ms = static_cast<std::uint32_t>(value);
    else return std::fputs(usage, stderr), 2;
  }
  bool held = true;
  for (std::uint64_t n = 0; n < seeds; ++n, ++plan.seed) held = play(plan) && held;
  return held ? 0 : 1;
}
