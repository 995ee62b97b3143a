#include "storm.hpp"

#include <cstdio>

namespace streamr::sim {

namespace {

constexpr std::uint64_t first_part_us = 8 * second_us;
constexpr std::uint64_t viewers_from_us = 15 * second_us, viewers_within_us = 30 * second_us;
constexpr std::uint64_t look_every_us = 5 * second_us;
constexpr std::uint64_t relay_memory_bytes = 1 << 20;
// A node is more than its store: connections, sessions, what the coordinator told. None of it may grow with time.
constexpr std::int64_t beside_memory_bytes = 1 << 20;
constexpr std::uint64_t queue_cap_bytes = 512 * 1024 + 128 * 1024;   // the cap, and a message that was begun below it
// The storm ends a minute and a half before the run. Half of it is for who was hit last: a peer that went without a word is
// given up after 30 s of silence, then a redial (10 s ± 50 %) or a heartbeat that brings another parent (10 s ± 20 %).
// Then every part comes within three of its own length, and what timers are late here.
constexpr std::uint64_t calm_us = 90 * second_us, settled_us = 45 * second_us;

}  // namespace

Storm::Storm(StormPlan plan)
    : plan_(plan),
      network_(plan.seed, *this),
      coordinator_(network_, key_number(1)),
      channel_(network_, monitor_, {plan.part_ms, plan.parts_a_segment, 512, 3'000}) {}

void Storm::broken(const std::string& what) const {
  throw Broken("at " + std::to_string(network_.now_us() / 1000) + " ms: " + what);
}

StormReport Storm::run() {
  try {
    build();
    network_.run_until(Network::start_us + plan_.seconds * second_us);
    check_quiet();
  } catch (const Broken& what) {
    broken(what.what());
  }
  report_.published = monitor_.published_chunks();
  for (const Viewer& viewer : viewers_) report_.delivered += viewer.told;
  report_.slices_checked = monitor_.slices_checked();
  report_.receipts = monitor_.receipts_seen();
  report_.events = network_.events();
  report_.digest = network_.digest();
  report_.coordinator = coordinator_.figures();
  for (const HostId relay : relays_) report_.most_heap_bytes = std::max(report_.most_heap_bytes, heap::most_held_by(relay));
  check_end();
  return report_;
}

void Storm::build() {
  std::fill(std::begin(heap::most_held), std::end(heap::most_held), 0);
  coordinator_.ticket_minutes = 15;
  relays_ = add_relays(network_, coordinator_, {plan_.relays, relay_memory_bytes});
  channel_.open();
  network_.script(first_part_us, publish_part);
  viewers_.resize(plan_.viewers);
  for (std::uint32_t n = 0; n < plan_.viewers; ++n) {
    viewers_[n].host = add_viewer(network_, n);
    viewer_of_[viewers_[n].host] = n;
    network_.script(viewers_from_us + network_.random().below(viewers_within_us), viewer_joins, n);
  }
  for (HostId host = 0; host < network_.size(); ++host) {
    access_us_.push_back(network_.plan(host).access_us);
    clock_off_us_.push_back(network_.plan(host).clock_off_us);
  }
  for (std::uint64_t at_us = look_every_us; at_us < plan_.seconds * second_us; at_us += look_every_us) network_.script(at_us, look_around);
  network_.script((plan_.seconds * second_us) - calm_us, all_calm);
  plan_faults();
}

void Storm::join(std::uint32_t number) {
  Viewer& viewer = viewers_[number];
  if (viewer.watch) return;
  core::WatchOptions options;
  options.stream = "show";
  options.start = proto::Start::newest_independent;
  network_.with_node(viewer.host, [&](core::Node& node) {
    auto watch = node.watch(std::move(options), network_.now_of(viewer.host));
    if (!watch) throw Broken("watch: " + watch.error().text);
    viewer.watch = *watch;
  });
  viewer.last.reset();
  viewer.joined_us = network_.now_us();
  network_.settle(viewer.host);
  Prng& random = network_.random();
  const std::uint64_t goes_us = network_.now_us() + random.between(30, 200) * second_us;
  if (random.chance(0.2) && goes_us + 2 * calm_us < plan_.seconds * second_us) network_.script(goes_us, viewer_leaves, number);
}

void Storm::leave(std::uint32_t number) {
  Viewer& viewer = viewers_[number];
  if (!viewer.watch) return;
  network_.with_node(viewer.host, [&](core::Node& node) { node.unwatch(*viewer.watch, network_.now_of(viewer.host)); });
  viewer.watch.reset();
  network_.settle(viewer.host);
  network_.script(network_.now_us() + network_.random().between(5, 60) * second_us, viewer_joins, number);
}

void Storm::push_part() {
  channel_.push_part();
  published_us_.push_back(network_.now_us());
  network_.script(network_.now_us() + plan_.part_ms * 1000ull, publish_part);
}

void Storm::look() {
  for (const HostId relay : relays_) {
    const std::int64_t held = heap::held_by(relay);
    if (held > static_cast<std::int64_t>(relay_memory_bytes) + beside_memory_bytes)
      broken(network_.plan(relay).config.name + " holds " + std::to_string(held) + " octets of memory, its setting is " +
             std::to_string(relay_memory_bytes));
  }
  for (const Wire& wire : network_.wires())
    for (const std::uint64_t waits : wire.outstanding) {
      report_.most_outstanding_bytes = std::max(report_.most_outstanding_bytes, waits);
      if (waits > queue_cap_bytes) broken(std::to_string(waits) + " octets wait in one connection");
    }
}

// Each part that was published when all had settled came to every viewer, within three part targets.
void Storm::check_quiet() {
  const std::uint64_t end_us = Network::start_us + plan_.seconds * second_us;
  const std::uint64_t within_us = 3 * plan_.part_ms * 1000ull + network_.tick_us;
  for (std::size_t number = 0; number < published_us_.size(); ++number) {
    const std::uint64_t at_us = published_us_[number];
    if (at_us < end_us - calm_us + settled_us || at_us + within_us > end_us || !forged_.empty()) continue;
    for (const Viewer& viewer : viewers_) {
      if (!viewer.watch) continue;
      const std::uint64_t told_us = number < viewer.told_us.size() ? viewer.told_us[number] : 0;
      if (told_us == 0) throw Broken("viewer host " + std::to_string(viewer.host) + " never got chunk " + std::to_string(number) + " of the quiet time, published at " + std::to_string(at_us / 1000) + " ms");
      if (told_us > at_us + within_us) throw Broken("viewer host " + std::to_string(viewer.host) + " got chunk " + std::to_string(number) + " of the quiet time after " + std::to_string((told_us - at_us) / 1000) + " ms");
      ++report_.quiet_parts;
      report_.slowest_ms = std::max(report_.slowest_ms, (told_us - at_us) / 1000);
    }
  }
}

void Storm::check_end() const {
  if (report_.published + 5 < (plan_.seconds - 8) * 1000 / plan_.part_ms) broken("the publisher could publish only " + std::to_string(report_.published) + " chunks");
  for (const Viewer& viewer : viewers_)
    if (viewer.told == 0 && forged_.empty()) broken("viewer host " + std::to_string(viewer.host) + " never saw anything");
  if (report_.coordinator.receipts_settled == 0) broken("no receipt was settled");
  if (forged_.empty() && report_.coordinator.equivocations != 0) broken("an equivocation was proven of a key that signed once");
  if (report_.forged > 50 && report_.coordinator.equivocations == 0) broken("a key signed twice and nobody told the coordinator");
}

void Storm::on_sent(WireId wire, const Wire& ends, bool by_client, ByteView message) {
  const HostId from = by_client ? ends.client : ends.server;
  monitor_.on_sent(wire, ends, by_client, message, network_.plan(from).key.public_key());
}

void Storm::on_event(HostId host, core::NodeEvent& event) {
  if (event.kind == STREAMR_EVENT_REJECTED) ++report_.rejected;
  if (event.kind == STREAMR_EVENT_UPSTREAM && event.value == 2) ++report_.switches;
  if (plan_.talk && event.kind != STREAMR_EVENT_CHUNK)
    std::printf("%llu ms %s (%u): event %u, %lld: %s\n", static_cast<unsigned long long>(network_.now_us() / 1000),
                network_.plan(host).config.name.c_str(), host, event.kind, static_cast<long long>(event.value), event.text.c_str());
  if (event.kind != STREAMR_EVENT_CHUNK) return;
  const auto number = monitor_.on_told(*event.chunk);
  const auto found = viewer_of_.find(host);
  if (found == viewer_of_.end() || !number) return;
  Viewer& viewer = viewers_[found->second];
  if (!viewer.watch) return;
  if (viewer.last && *number <= *viewer.last) throw Broken("viewer host " + std::to_string(host) + " was told chunk " + std::to_string(*number) + " after " + std::to_string(*viewer.last));
  if (viewer.last) report_.missed += *number - *viewer.last - 1;
  viewer.last = *number;
  ++viewer.told;
  viewer.told_us.resize(std::max<std::size_t>(viewer.told_us.size(), *number + 1));
  viewer.told_us[*number] = network_.now_us();
}

std::string Storm::tail() const {
  constexpr std::size_t notes_most = 30, events_most = 40;
  static constexpr const char* names[] = {"wake", "dial_accept", "dial_done", "arrive", "departed", "closed", "http_answer", "script"};
  std::string told = "the newest faults:\n";
  for (std::size_t n = notes_.size() - std::min(notes_.size(), notes_most); n < notes_.size(); ++n) told += "  " + notes_[n] + "\n";
  told += "the newest events:\n";
  for (const Event& event : network_.newest_events(events_most))
    told += "  " + std::to_string(event.at_us) + " us host " + std::to_string(event.host) + " " + names[static_cast<int>(event.kind)] +
            " " + std::to_string(event.a) + " " + std::to_string(event.b) + "\n";
  return told;
}

void Storm::on_script(std::uint64_t what, std::uint64_t whom) {
  switch (what) {
    case publish_part: return push_part();
    case viewer_joins: return join(static_cast<std::uint32_t>(whom));
    case viewer_leaves: return leave(static_cast<std::uint32_t>(whom));
    case look_around: return look();
    default: return apply(static_cast<Script>(what), whom);
  }
}

}  // namespace streamr::sim
