// Plays storms: hundreds of real nodes on one virtual clock while everything that can goes wrong, promises checked at every
// message. A seed that fails says when and what, how the run ended, and the command that plays it again.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "storm.hpp"

namespace {

using namespace streamr::sim;

constexpr const char* usage =
    "sim_storm [--seed N] [--seeds COUNT] [--relays N] [--viewers N] [--seconds VIRTUAL] [--part-ms N] [--parts-a-segment N]\n"
    "          [--twice] [--talk]\n"
    "  plays storms on a virtual network; --twice: each seed twice, the traces must be equal, --talk: print what happens\n"
    "  exit 0: every promise held   1: one was broken, the lines say which, when, and how to see it again   2: wrong arguments\n";

bool read(const char* text, std::uint64_t& value) {
  char* end = nullptr;
  value = std::strtoull(text, &end, 10);
  return end != text && *end == 0;
}

std::string command(const StormPlan& plan) {
  const StormPlan usual;
  std::string told = "sim_storm --seed " + std::to_string(plan.seed);
  const auto add = [&told](const char* name, std::uint32_t value, std::uint32_t usually) {
    if (value != usually) told += std::string(" ") + name + " " + std::to_string(value);
  };
  add("--relays", plan.relays, usual.relays);
  add("--viewers", plan.viewers, usual.viewers);
  add("--seconds", plan.seconds, usual.seconds);
  add("--part-ms", plan.part_ms, usual.part_ms);
  add("--parts-a-segment", plan.parts_a_segment, usual.parts_a_segment);
  return told;
}

void print(const StormPlan& plan, const StormReport& report, double took_s) {
  std::printf("seed %llu: %.1f s, %llu events, %llu faults, %llu refusals, %llu switches, %llu chunks told, %llu missed in the storm, "
              "%llu in the quiet (slowest %llu ms), relay heap <= %lld, queue <= %llu, trace %016llx\n",
              static_cast<unsigned long long>(plan.seed), took_s, static_cast<unsigned long long>(report.events),
              static_cast<unsigned long long>(report.faults), static_cast<unsigned long long>(report.rejected),
              static_cast<unsigned long long>(report.switches), static_cast<unsigned long long>(report.delivered),
              static_cast<unsigned long long>(report.missed), static_cast<unsigned long long>(report.quiet_parts),
              static_cast<unsigned long long>(report.slowest_ms), static_cast<long long>(report.most_heap_bytes),
              static_cast<unsigned long long>(report.most_outstanding_bytes), static_cast<unsigned long long>(report.digest));
  std::fflush(stdout);
}

// The digest of the run, nothing where a promise was broken.
std::optional<std::uint64_t> play(const StormPlan& plan) {
  const auto began = std::chrono::steady_clock::now();
  Storm storm(plan);
  try {
    const StormReport report = storm.run();
    print(plan, report, std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
    return report.digest;
  } catch (const Broken& what) {
    std::printf("seed %llu: a promise was broken %s\n%sto play it again: %s\n", static_cast<unsigned long long>(plan.seed),
                what.what(), storm.tail().c_str(), command(plan).c_str());
    std::fflush(stdout);
    return std::nullopt;
  }
}

}  // namespace

int main(int argc, char** argv) {
  StormPlan plan;
  std::uint64_t seeds = 1;
  bool twice = false;
  for (int at = 1; at < argc; ++at) {
    const std::string name = argv[at];
    std::uint64_t value = 0;
    if (name == "--no-intro") continue;               // how the test runner calls every program
    if (name == "--twice") { twice = true; continue; }
    if (name == "--talk") { plan.talk = true; continue; }
    if (at + 1 >= argc || !read(argv[++at], value)) return std::fputs(usage, stderr), 2;
    if (name == "--seed") plan.seed = value;
    else if (name == "--seeds") seeds = value;
    else if (name == "--relays") plan.relays = static_cast<std::uint32_t>(value);
    else if (name == "--viewers") plan.viewers = static_cast<std::uint32_t>(value);
    else if (name == "--seconds") plan.seconds = static_cast<std::uint32_t>(value);
    else if (name == "--part-ms") plan.part_ms = static_cast<std::uint32_t>(value);
    else if (name == "--parts-a-segment") plan.parts_a_segment = static_cast<std::uint32_t>(value);
    else return std::fputs(usage, stderr), 2;
  }
  std::uint64_t failed = 0;
  for (std::uint64_t n = 0; n < seeds; ++n, ++plan.seed) {
    const auto trace = play(plan);
    bool held = trace.has_value();
    if (held && twice) {
      const auto again = play(plan);
      if (again && *again != *trace)
        std::printf("seed %llu: two runs differ, the traces are %016llx and %016llx\n", static_cast<unsigned long long>(plan.seed),
                    static_cast<unsigned long long>(*trace), static_cast<unsigned long long>(*again));
      held = again && *again == *trace;
    }
    if (!held) ++failed;
  }
  std::printf("%llu of %llu storms broke no promise\n", static_cast<unsigned long long>(seeds - failed), static_cast<unsigned long long>(seeds));
  return failed == 0 ? 0 : 1;
}
