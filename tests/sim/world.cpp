#include "world.hpp"

#include <cstdio>

namespace streamr::sim {

namespace {

constexpr std::uint64_t first_part_us = 8 * second_us;      // the origin has the stream by then
constexpr std::uint64_t viewers_from_us = 20 * second_us;
constexpr std::uint64_t viewers_within_us = 40 * second_us;
constexpr std::uint32_t behind_chunks = 10;                 // a hole is waited for as long as a repair may take, five parts

}  // namespace

World::World(WorldPlan plan)
    : plan_(plan),
      network_(plan.seed, *this),
      coordinator_(network_, key_number(1)),
      channel_(network_, monitor_, {plan.part_ms, 1, 2 * 1024, 20 * 1024}) {}

void World::broken(const std::string& what) const {
  throw Broken("at " + std::to_string(network_.now_us() / 1000) + " ms: " + what);
}

WorldReport World::run() {
  try {
    build();
    network_.run_until(Network::start_us + plan_.seconds * second_us);
  } catch (const Broken& what) {
    broken(what.what());
  }
  report_.published = monitor_.published_chunks();
  for (const Viewer& viewer : viewers_) {
    report_.delivered += viewer.told;
    report_.missed += viewer.missed;
    if (viewer.told > 0) ++report_.viewers_served;
    const bool long_here = viewer.watch && viewer.joined_us + 30 * second_us < network_.now_us();
    if (long_here && (!viewer.last || *viewer.last + behind_chunks < report_.published)) ++report_.viewers_behind;
  }
  report_.slices_checked = monitor_.slices_checked();
  report_.headers_checked = monitor_.headers_checked();
  report_.receipts = monitor_.receipts_seen();
  report_.longest_path = monitor_.longest_path();
  report_.widest_use_bytes = monitor_.widest_use_bytes();
  report_.events = network_.events();
  report_.digest = network_.digest();
  report_.coordinator = coordinator_.figures();
  check_end(report_);
  return report_;
}

void World::check_end(const WorldReport& report) const {
  if (report.published < plan_.seconds * 1000 / plan_.part_ms / 2) broken("the publisher could publish only " + std::to_string(report.published) + " chunks");
  if (report.viewers_served < plan_.viewers) broken(std::to_string(plan_.viewers - report.viewers_served) + " viewers never saw anything");
  if (!plan_.faults && report.missed != 0) broken(std::to_string(report.missed) + " chunks never came to a viewer although nothing went wrong");
  if (!plan_.faults && report.rejected != 0) broken(std::to_string(report.rejected) + " refusals although nobody lied");
  // A viewer whose both relays fail in one moment loses what is on air meanwhile; nearly nobody does, two may be unlucky.
  if (report.missed > 20 + report.delivered / 200) broken(std::to_string(report.missed) + " of " + std::to_string(report.delivered) + " chunks were missed");
  if (report.viewers_behind > 2 + plan_.viewers / 100) broken(std::to_string(report.viewers_behind) + " viewers are behind at the end");
  if (report.coordinator.receipts_settled == 0) broken("no receipt was settled");
  if (report.tampered > 0 && report.rejected == 0) broken("octets were changed on the way and nobody noticed");
}

void World::build() {
  relays_ = add_relays(network_, coordinator_, {plan_.relays, 4 << 20});
  origin_ = relays_.front();
  relays_.erase(relays_.begin());
  channel_.open();
  network_.script(first_part_us, publish_part);
  viewers_.resize(plan_.viewers);
  for (std::uint32_t n = 0; n < plan_.viewers; ++n) {
    viewers_[n].host = add_viewer(network_, n);
    viewer_of_[viewers_[n].host] = n;
    network_.script(viewers_from_us + network_.random().below(viewers_within_us), viewer_joins, n);
  }
  if (plan_.faults) plan_faults();
}

void World::join(std::uint32_t number) {
  Viewer& viewer = viewers_[number];
  if (viewer.watch) return;
  core::WatchOptions options;
  options.stream = "show";
  options.start = proto::Start::newest_independent;
  auto watch = network_.node(viewer.host)->watch(std::move(options), network_.now_of(viewer.host));
  if (!watch) throw Broken("watch: " + watch.error().text);
  viewer.watch = *watch;
  viewer.last.reset();
  viewer.joined_us = network_.now_us();
  network_.settle(viewer.host);
  // Some go after a while and come back later.
  Prng& random = network_.random();
  if (plan_.churn && random.chance(0.2)) network_.script(network_.now_us() + random.between(30, 200) * second_us, viewer_leaves, number);
}

void World::push_part() {
  channel_.push_part();
  network_.script(network_.now_us() + plan_.part_ms * 1000ull, publish_part);
}

void World::on_sent(WireId wire, const Wire& ends, bool by_client, ByteView message) {
  const HostId from = by_client ? ends.client : ends.server;
  monitor_.on_sent(wire, ends, by_client, message, network_.plan(from).key.public_key());
}

void World::on_event(HostId host, core::NodeEvent& event) {
  if (event.kind == STREAMR_EVENT_REJECTED) ++report_.rejected;
  if (plan_.talk && event.kind != STREAMR_EVENT_CHUNK)
    std::printf("%llu ms %s (%u): event %u, %lld: %s\n", static_cast<unsigned long long>(network_.now_us() / 1000),
                network_.plan(host).config.name.c_str(), host, event.kind, static_cast<long long>(event.value), event.text.c_str());
  if (event.kind == STREAMR_EVENT_UPSTREAM && event.value == 2) ++report_.switches;
  if (event.kind == STREAMR_EVENT_ERROR && host == channel_.publisher()) throw Broken("publisher: " + event.text);
  if (event.kind != STREAMR_EVENT_CHUNK) return;
  const auto number = monitor_.on_told(*event.chunk);
  const auto found = viewer_of_.find(host);
  if (found == viewer_of_.end() || !number) return;
  Viewer& viewer = viewers_[found->second];
  if (!viewer.watch) return;
  if (viewer.last && *number <= *viewer.last) throw Broken("a viewer was told chunk " + std::to_string(*number) + " after " + std::to_string(*viewer.last));
  if (viewer.last) viewer.missed += *number - *viewer.last - 1;
  if (plan_.talk && viewer.last && *number != *viewer.last + 1)
    std::printf("%llu ms viewer host %u misses %u chunks after %u\n", static_cast<unsigned long long>(network_.now_us() / 1000), host, *number - *viewer.last - 1, *viewer.last);
  viewer.last = *number;
  ++viewer.told;
}

HostId World::some_relay() { return relays_[network_.random().below(relays_.size())]; }

void World::plan_faults() {
  Prng& random = network_.random();
  const std::uint64_t from_us = 70 * second_us, to_us = plan_.seconds * second_us;
  if (to_us <= from_us + 40 * second_us) return;
  const auto some_time = [&] { return random.between(from_us, to_us - 40 * second_us); };
  const std::uint32_t often = std::max(3u, plan_.relays / 10);
  for (std::uint32_t n = 0; n < often; ++n) {
    const HostId relay = some_relay();
    const std::uint64_t at_us = some_time();
    network_.script(at_us, relay_crashes, relay * 2ull + random.below(2));
    network_.script(at_us + random.between(5, 60) * second_us, relay_restarts, relay);
    const std::uint64_t pair = std::uint64_t{some_relay()} << 32 | some_relay();
    const std::uint64_t parted_us = some_time();
    network_.script(parted_us, hosts_part, pair);
    network_.script(parted_us + random.between(2, 40) * second_us, hosts_meet, pair);
    for (int times = 0; times < 3; ++times) network_.script(some_time(), wire_tampered);
  }
  const std::uint64_t down_us = some_time(), loss_us = some_time();
  network_.script(down_us, coordinator_down);
  network_.script(down_us + 30 * second_us, coordinator_up);
  network_.script(loss_us, loss_begins);
  network_.script(loss_us + 20 * second_us, loss_ends);
}

// One bit of the next slice on some connection of a relay flips on its way.
void World::tamper() {
  const auto& wires = network_.wires();
  for (int tries = 0; tries < 200; ++tries) {
    const auto wire = static_cast<WireId>(network_.random().below(wires.size()));
    if (!wires[wire].open || !network_.alive(wires[wire].server) || wires[wire].server == origin_) continue;
    const std::uint64_t where = network_.random().next();
    network_.tamper_next(wire, [where, this](ByteVector& message) {
      std::size_t at = 0;
      while (at + 8 < message.size() && message[at] != 0x08) at += 8 + load_u32(message.data() + at + 4);
      if (at + 17 >= message.size()) return false;
      const std::size_t length = load_u32(message.data() + at + 4) - 8;
      message[at + 16 + where % length] ^= static_cast<std::uint8_t>(1u << (where >> 60 & 7));
      ++report_.tampered;
      return true;
    });
    return;
  }
}

void World::on_script(std::uint64_t what, std::uint64_t whom) {
  if (plan_.talk)
    std::printf("%llu ms script %llu, %llx\n", static_cast<unsigned long long>(network_.now_us() / 1000),
                static_cast<unsigned long long>(what), static_cast<unsigned long long>(whom));
  switch (what) {
    case publish_part: return push_part();
    case viewer_joins: return join(static_cast<std::uint32_t>(whom));
    case viewer_leaves: {
      Viewer& viewer = viewers_[whom];
      if (!viewer.watch) return;
      network_.node(viewer.host)->unwatch(*viewer.watch, network_.now_of(viewer.host));
      viewer.watch.reset();
      network_.settle(viewer.host);
      return network_.script(network_.now_us() + network_.random().between(5, 60) * second_us, viewer_joins, whom);
    }
    case relay_crashes: ++report_.crashes; return network_.crash(static_cast<HostId>(whom / 2), whom % 2 == 1);
    case relay_restarts: return network_.restart(static_cast<HostId>(whom));
    case hosts_part: ++report_.partings; return network_.part(static_cast<HostId>(whom >> 32), static_cast<HostId>(whom), true);
    case hosts_meet: return network_.part(static_cast<HostId>(whom >> 32), static_cast<HostId>(whom), false);
    case coordinator_down: return coordinator_.set_down(true);
    case coordinator_up: return coordinator_.set_down(false);
    case wire_tampered: return tamper();
    case loss_begins: return network_.set_loss({20'000, 300'000});
    case loss_ends: return network_.set_loss({});
    default: return;
  }
}

}  // namespace streamr::sim
