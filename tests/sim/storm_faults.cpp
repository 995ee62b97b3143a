// What goes wrong in a storm: planned before the run from its seed, carried out by the script.
#include <cstdio>
#include <cstring>

#include "storm.hpp"

namespace streamr::sim {

namespace {

constexpr std::uint64_t storm_from_us = 60 * second_us, calm_before_end_us = 92 * second_us;
constexpr std::uint8_t chunk_frame = 0x07, slice_frame = 0x08;
constexpr std::size_t frame_bytes = 8, ref_bytes = 8, header_bytes = 224;
constexpr const char* words[] = {"part", "joins", "leaves", "look", "all calm", "crash", "restart", "restart without state",
                                 "parted", "meet", "loss", "no loss", "far away", "near again", "corruption", "no corruption",
                                 "clock jumps", "clock right", "disk full", "disk free", "slow reader", "quick reader", "lies",
                                 "honest", "forges", "forges no more", "coordinator down", "coordinator up", "coordinator confused",
                                 "coordinator clear", "coordinator forgets"};

// Every frame of a message that is whole; `act` may change its payload in place.
template <class Act>
void each_frame(ByteVector& message, Act act) {
  std::size_t at = 0;
  while (at + frame_bytes <= message.size()) {
    const std::size_t length = load_u32(message.data() + at + 4);
    if (at + frame_bytes + length > message.size()) return;
    act(message[at], std::span<std::uint8_t>(message).subspan(at + frame_bytes, length));
    at += frame_bytes + length;
  }
}

}  // namespace

HostId Storm::some_relay() { return relays_[1 + network_.random().below(relays_.size() - 1)]; }

HostId Storm::somebody() {
  return network_.random().chance(0.8) ? some_relay() : viewers_[network_.random().below(viewers_.size())].host;
}

// So many times: something begins and ends again, all within the storm.
void Storm::span(std::uint32_t times, Script begins, Script ends, std::uint32_t least_s, std::uint32_t most_s,
                 const std::function<std::uint64_t()>& whom) {
  Prng& random = network_.random();
  const std::uint64_t end_us = plan_.seconds * second_us - calm_before_end_us;
  for (std::uint32_t n = 0; n < times; ++n) {
    const std::uint64_t who = whom();
    const std::uint64_t from_us = random.between(storm_from_us, end_us - second_us);
    network_.script(from_us, begins, who);
    network_.script(std::min(end_us, from_us + random.between(least_s, most_s) * second_us), ends, who);
  }
}

void Storm::plan_faults() {
  if (plan_.seconds * second_us < storm_from_us + calm_before_end_us + 30 * second_us) throw Broken("a storm needs at least 182 s");
  Prng& random = network_.random();
  const std::uint32_t minutes = plan_.seconds / 60;
  const auto a_relay = [this] { return std::uint64_t{some_relay()}; };
  const auto anybody = [this] { return std::uint64_t{somebody()}; };
  const auto any_number = [&] { return random.next() >> 16; };
  const std::uint32_t often = std::max(2u, plan_.relays / 100);
  // The top bit of a crash says that nobody is told, as when the power goes.
  const auto crashed = [&] { return std::uint64_t{some_relay()} | (random.chance(0.5) ? std::uint64_t{1} << 63 : 0); };
  span(often * minutes, crash, restart, 2, 60, crashed);
  span(often * minutes / 3, crash, restart_empty, 2, 60, crashed);
  if (random.chance(0.3)) span(1, crash, random.chance(0.5) ? restart : restart_empty, 2, 30, [this] { return std::uint64_t{relays_[0]}; });
  span(minutes, side_changes, sides_meet, 3, 40, any_number);
  span(4, loss_begins, loss_ends, 10, 30, any_number);
  span(often * minutes, far_away, near_again, 5, 40, anybody);
  span(3, corruption_begins, corruption_ends, 5, 20, any_number);
  span(often * 4, clock_jumps, clock_right, 10, 90, anybody);
  span(often * 4, disk_full, disk_free, 20, 120, a_relay);
  span(often * 4, reader_slow, reader_quick, 10, 60, anybody);
  span(often, lies_begin, lies_end, 30, 240, a_relay);
  span(2, coordinator_down, coordinator_up, 15, 60, any_number);
  span(2, coordinator_confused, coordinator_clear, 10, 30, any_number);
  if (plan_.seed % 10 == 3) span(3, forgery_begins, forgery_ends, 20, 60, a_relay);
}

void Storm::apply(Script what, std::uint64_t whom) {
  const auto host = static_cast<HostId>(whom);
  ++report_.faults;
  notes_.push_back(std::to_string(network_.now_us() / 1000) + " ms " + words[what] + " " + std::to_string(host));
  if (plan_.talk) std::printf("%s\n", notes_.back().c_str());
  Prng& random = network_.random();
  switch (what) {
    case all_calm: return calm();
    case crash: return network_.crash(host, whom >> 63 != 0);
    case restart: return network_.restart(host);
    case restart_empty: return network_.restart(host, false);
    case side_changes: return part_some(whom);
    case sides_meet: return network_.meet();
    case loss_begins: return network_.set_loss({static_cast<std::uint32_t>(whom % 100'000), 200'000 + whom % 800'000, 1448});
    case loss_ends: return network_.set_loss({});
    case far_away: return network_.set_access(host, static_cast<std::uint32_t>(random.between(100'000, 900'000)));
    case near_again: return network_.set_access(host, access_us_[host]);
    case corruption_begins: return network_.set_corruption(static_cast<std::uint32_t>(50 + whom % 1'000));
    case corruption_ends: return network_.set_corruption(0);
    case clock_jumps: return network_.set_clock(host, static_cast<std::int64_t>(random.below(14'400)) * 1'000'000 - 7'200'000'000);
    case clock_right: return network_.set_clock(host, clock_off_us_[host]);
    case disk_full: return network_.set_disk_full(host, true);
    case disk_free: return network_.set_disk_full(host, false);
    case reader_slow: return network_.set_down_kbps(host, static_cast<std::uint32_t>(random.between(1, 16)));
    case reader_quick: return network_.set_down_kbps(host, 0);
    case lies_begin: return network_.set_lie(host, altered_slices());
    case forgery_begins: return network_.set_lie(host, second_signatures());
    case lies_end:
    case forgery_ends: return network_.set_lie(host, {});
    case coordinator_down: return coordinator_.set_down(true);
    case coordinator_up: return coordinator_.set_down(false);
    case coordinator_confused: return coordinator_.set_confused(true);
    case coordinator_clear: return coordinator_.set_confused(false);
    default: return;
  }
}

// A group of hosts, the origin perhaps among them, hears only itself.
void Storm::part_some(std::uint64_t whom) {
  Prng& random = network_.random();
  const double share = 0.02 + static_cast<double>(whom % 100) / 250;
  for (HostId host = 0; host < network_.size(); ++host)
    if (host != channel_.publisher() && random.chance(share)) network_.set_side(host, static_cast<std::uint8_t>(1 + whom % 3));
}

void Storm::calm() {
  for (HostId host = 0; host < network_.size(); ++host) {
    network_.set_access(host, access_us_[host]);
    network_.set_clock(host, clock_off_us_[host]);
    network_.set_disk_full(host, false);
    network_.set_down_kbps(host, 0);
    network_.set_lie(host, {});
    network_.restart(host);
  }
  network_.set_loss({});
  network_.set_corruption(0);
  network_.meet();
  coordinator_.set_down(false);
  coordinator_.set_confused(false);
}

// Some slices and some leaves go out with another octet.
Network::Lie Storm::altered_slices() {
  return [this](WireId, ByteVector& message) {
    Prng& random = network_.random();
    each_frame(message, [&](std::uint8_t type, std::span<std::uint8_t> payload) {
      const std::size_t fixed = type == slice_frame ? 8 : type == chunk_frame ? ref_bytes + header_bytes : payload.size();
      if (fixed < payload.size() && random.chance(0.2)) payload[fixed + random.below(payload.size() - fixed)] ^= 1;
    });
  };
}

// Who has the streamer's session key signs another chunk for a place, and gives it to some instead of the first.
Network::Lie Storm::second_signatures() {
  return [this](WireId wire, ByteVector& message) {
    if (network_.wires()[wire].server == channel_.publisher()) return;
    each_frame(message, [&](std::uint8_t type, std::span<std::uint8_t> payload) {
      if (type == chunk_frame && network_.random().chance(0.3)) forge(wire, payload, payload.data() + ref_bytes);
      if (type != slice_frame) return;
      const auto known = forged_refs_.find({wire, load_u32(payload.data())});
      if (known == forged_refs_.end()) return;
      const ByteVector& other = forged_.at(known->second).payload;
      const std::size_t offset = std::size_t{load_u16(payload.data() + 4)} << limits::default_slice_log2;
      if (offset + payload.size() - 8 <= other.size()) std::memcpy(payload.data() + 8, other.data() + offset, payload.size() - 8);
    });
  };
}

void Storm::forge(WireId wire, ByteView chunk, std::uint8_t* header_and_leaves) {
  auto header = proto::parse_chunk_header(chunk.subspan(ref_bytes, header_bytes));
  if (!header || header->payload_length == 0 || header->has(proto::init)) return;
  const std::uint64_t media_us = header->media_time_us;
  auto made = forged_.find(media_us);
  if (made == forged_.end()) {
    Forged fresh;
    fresh.payload.assign(header->payload_length, static_cast<std::uint8_t>(media_us / 1000));
    std::vector<Hash> leaves;
    const auto other = proto::issue_chunk_header(*header, fresh.payload, channel_.certificate(), channel_.session(), leaves);
    fresh.header_and_leaves.assign(other.raw.begin(), other.raw.end());
    for (const Hash& leaf : leaves) fresh.header_and_leaves.insert(fresh.header_and_leaves.end(), leaf.octets.begin(), leaf.octets.end());
    monitor_.signed_twice(media_us, other.raw, fresh.payload);
    made = forged_.emplace(media_us, std::move(fresh)).first;
  }
  if (made->second.header_and_leaves.size() != chunk.size() - ref_bytes) return;
  std::memcpy(header_and_leaves, made->second.header_and_leaves.data(), made->second.header_and_leaves.size());
  forged_refs_[{wire, load_u32(chunk.data())}] = media_us;
  ++report_.forged;
}

}  // namespace streamr::sim
