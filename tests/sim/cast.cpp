#include "cast.hpp"

namespace streamr::sim {

crypto::KeyPair key_number(std::uint64_t number) {
  std::array<std::uint8_t, 32> seed{};
  store_u64(seed.data(), number);
  seed[31] = 0x51;
  return crypto::KeyPair::from_seed(seed);
}

std::vector<HostId> add_relays(Network& network, Coordinator& coordinator, const RelaysPlan& wanted) {
  Prng& random = network.random();
  std::vector<HostId> hosts;
  for (std::uint32_t n = 0; n <= wanted.relays; ++n) {
    HostPlan plan{{}, key_number(1'000 + n), "ws://relay-" + std::to_string(n) + "/relay"};
    plan.config.role = n == 0 ? STREAMR_ROLE_ORIGIN : STREAMR_ROLE_RELAY;
    plan.config.coordinator_url = "http://coordinator";
    plan.config.advertise_url = plan.url;
    plan.config.name = "relay-" + std::to_string(n);
    plan.config.memory_bytes = wanted.memory_bytes;
    plan.config.serves_http = false;
    plan.access_us = static_cast<std::uint32_t>(random.between(2'000, 30'000));
    plan.up_kbps = n == 0 ? 1'000'000 : static_cast<std::uint32_t>(random.between(20'000, 200'000));
    plan.clock_off_us = static_cast<std::int64_t>(random.between(0, 200'000)) - 100'000;
    const HostId host = static_cast<HostId>(network.size());
    const std::uint32_t near = std::max(4u, wanted.relays / 20), middle = std::max(4u, wanted.relays / 4);
    coordinator.place(host, n == 0 ? 0 : n <= near ? 1 : n <= near + middle ? 2 : 3);
    hosts.push_back(host);
    network.add(std::move(plan));
  }
  return hosts;
}

HostId add_viewer(Network& network, std::uint32_t number, std::uint64_t memory_bytes) {
  Prng& random = network.random();
  HostPlan plan{{}, key_number(100'000 + number), ""};
  plan.config.role = STREAMR_ROLE_VIEWER;
  plan.config.coordinator_url = "http://coordinator";
  plan.config.name = "viewer";
  plan.config.memory_bytes = memory_bytes;
  plan.config.serves_http = false;
  plan.access_us = static_cast<std::uint32_t>(random.between(5'000, 60'000));
  plan.up_kbps = 5'000;
  plan.clock_off_us = static_cast<std::int64_t>(random.between(0, 1'000'000)) - 500'000;
  return network.add(std::move(plan));
}

Channel::Channel(Network& network, Monitor& monitor, ChannelPlan plan)
    : network_(network), monitor_(monitor), plan_(plan), session_(key_number(3)) {}

void Channel::open() {
  HostPlan plan{{}, key_number(4), "", 5'000, 100'000};
  plan.config.role = STREAMR_ROLE_PUBLISHER;
  plan.config.coordinator_url = "http://coordinator";
  plan.config.name = "publisher";
  publisher_ = network_.add(std::move(plan));
  monitor_.set_publisher(publisher_);
  const Now now = network_.now_of(publisher_);
  proto::Certificate fields;
  fields.session_key = session_.public_key();
  fields.epoch = now.unix_us / 1000 << 16;
  fields.serial = 1;
  fields.not_before_s = now.unix_us / second_us - 60;
  fields.not_after_s = fields.not_before_s + 2 * 3600;
  fields.track_mask = 1;
  fields.max_kbps = 8'000;
  certificate_ = proto::issue_certificate(fields, key_number(2));
  const std::uint32_t kbps = std::max(64u, (plan_.payload_least + plan_.payload_most) / 2 * 8 / plan_.part_ms);
  core::PublishOptions options{certificate_, session_, {{0, proto::TrackKind::muxed, proto::ContentType::cmaf, kbps}}, "show", "", "", "", ""};
  options.part_target_us = plan_.part_ms * 1000;
  options.target_duration_s = static_cast<std::uint8_t>(std::max(2u, (plan_.part_ms * plan_.parts_a_segment + 999) / 1000));
  network_.with_node(publisher_, [&](core::Node& node) {
    auto opened = node.publish(std::move(options), now);
    if (!opened) throw Broken("publish: " + opened.error().text);
    publication_ = *opened;
  });
  network_.settle(publisher_);
}

void Channel::push(std::uint8_t flags, std::size_t bytes, std::uint32_t duration_us) {
  const Now now = network_.now_of(publisher_);
  ByteVector payload(bytes);
  for (std::size_t at = 0; at + 8 <= bytes; at += 8) store_u64(payload.data() + at, network_.random().next());
  const core::PublicationPart part{0, flags, SharedBytes::copy(payload), media_us_, now.unix_us, duration_us};
  monitor_.published(media_us_, (flags & proto::init) != 0, std::move(payload));
  network_.with_node(publisher_, [&](core::Node& node) {
    if (const auto pushed = node.push(publication_, part, now); !pushed) throw Broken("push: " + pushed.error().text);
  });
}

void Channel::push_part() {
  if (parts_ == 0) push(proto::init, 600, 0);
  const std::uint32_t in_segment = parts_++ % plan_.parts_a_segment;
  std::uint8_t flags = in_segment == 0 ? proto::independent : 0;
  if (in_segment + 1 == plan_.parts_a_segment) flags |= proto::last_in_segment;
  push(flags, network_.random().between(plan_.payload_least, plan_.payload_most), plan_.part_ms * 1000);
  media_us_ += plan_.part_ms * 1000ull;
  network_.settle(publisher_);
}

}  // namespace streamr::sim
