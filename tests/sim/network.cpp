#include "network.hpp"

namespace streamr::sim {

namespace {

constexpr std::uint64_t never_us = UINT64_MAX;
constexpr std::uint64_t dial_gives_up_us = 10'000'000;
constexpr std::uint64_t socket_buffer_us = 1'000;         // what leaves within this is not waited for

}  // namespace

template <class T>
std::uint64_t Network::keep(std::vector<T>& pool, std::vector<std::uint64_t>& free, T&& value) {
  if (free.empty()) {
    pool.push_back(std::move(value));
    return pool.size() - 1;
  }
  const std::uint64_t slot = free.back();
  free.pop_back();
  pool[slot] = std::move(value);
  return slot;
}

Now Network::now_of(HostId host) const {
  return {now_us_, static_cast<std::uint64_t>(static_cast<std::int64_t>(unix_base_us + now_us_) + hosts_[host].plan.clock_off_us)};
}

HostId Network::add(HostPlan plan) {
  const auto id = static_cast<HostId>(hosts_.size());
  if (!plan.url.empty()) by_url_[plan.url] = id;
  hosts_.push_back(Host(std::move(plan)));
  launch(id);
  return id;
}

void Network::launch(HostId id) {
  Host& host = hosts_[id];
  const heap::Owner owner(id);
  core::NodeConfig config = host.plan.config;
  config.seed = random_.next();
  store_u64(config.boot_id.data(), random_.next());
  for (const auto& [name, value] : host.saved) config.state.emplace_back(name, value);
  host.node = std::make_unique<core::Node>(std::move(config), host.plan.key);
  host.node->start(now_of(id));
  settle(id);
}

// Links are numbered anew in each life of a node, wires never.
bool Network::is_link_of(const Host& host, LinkId link, std::uint64_t wire) {
  const auto known = host.links.find(link);
  return known != host.links.end() && known->second == wire;
}

std::optional<HostId> Network::find(const std::string& url) const {
  const auto found = by_url_.find(url);
  return found == by_url_.end() ? std::nullopt : std::optional<HostId>(found->second);
}

void Network::settle(HostId id) {
  while (hosts_[id].node) {
    auto action = [&] {
      const heap::Owner owner(id);
      return hosts_[id].node->poll(now_of(id));
    }();
    if (!action) break;
    run_action(id, *action);
  }
  wake_later(id);
}

void Network::wake_later(HostId id) {
  Host& host = hosts_[id];
  if (!host.node || host.wake_us <= now_us_ + tick_us) return;   // soon enough: it is asked again then
  const std::uint64_t due_us = host.node->deadline_us();
  if (due_us == never_us) return;
  const std::uint64_t at_us = std::max({due_us, host.ticked_us + tick_us, now_us_});
  if (at_us >= host.wake_us) return;
  host.wake_us = at_us;
  queue_.push(at_us, Kind::wake, id);
}

void Network::run_until(std::uint64_t end_us) {
  while (!queue_.empty() && queue_.next_us() <= end_us) {
    const Event event = queue_.pop();
    now_us_ = event.at_us;
    ++events_;
    trace_[events_ % trace_.size()] = event;
    for (const std::uint64_t word : {event.at_us, static_cast<std::uint64_t>(event.kind), std::uint64_t{event.host}, event.a})
      digest_ = (digest_ ^ word) * 0x100000001b3ull;
    dispatch(event);
  }
  now_us_ = end_us;
}

std::vector<Event> Network::newest_events(std::size_t most) const {
  std::vector<Event> told;
  const std::uint64_t held = std::min<std::uint64_t>({events_, trace_.size(), most});
  for (std::uint64_t n = events_ - held + 1; n <= events_; ++n) told.push_back(trace_[n % trace_.size()]);
  return told;
}

void Network::dispatch(const Event& event) {
  Host* host = event.host < hosts_.size() ? &hosts_[event.host] : nullptr;
  switch (event.kind) {
    case Kind::wake:
      if (!host->node || host->wake_us != event.at_us) return;
      host->wake_us = never_us;
      host->ticked_us = now_us_;
      with_node(event.host, [&](core::Node& node) { node.on_time(now_of(event.host)); });
      return settle(event.host);
    case Kind::dial_accept: return accept(static_cast<WireId>(event.a));
    case Kind::dial_done: {
      const Wire& wire = wires_[event.a];
      if (!host->node || !is_link_of(*host, wire.client_link, event.a)) return;
      if (event.b != 0) {
        with_node(event.host, [&](core::Node& node) { node.on_dialed(wire.client_link, now_of(event.host)); });
      } else {
        host->links.erase(wire.client_link);
        with_node(event.host, [&](core::Node& node) { node.on_closed(wire.client_link, "connection refused", now_of(event.host)); });
      }
      return settle(event.host);
    }
    case Kind::arrive: return arrive(event.a);
    case Kind::departed: {
      Wire& wire = wires_[event.a];
      const bool by_client = wire.client == event.host;
      wire.outstanding[by_client ? 0 : 1] -= event.b;
      const LinkId link = by_client ? wire.client_link : wire.server_link;
      if (!host->node || !is_link_of(*host, link, event.a)) return;
      with_node(event.host, [&](core::Node& node) { node.on_sent(link, wire.outstanding[by_client ? 0 : 1], now_of(event.host)); });
      return settle(event.host);
    }
    case Kind::closed: return on_closed(static_cast<WireId>(event.a), wires_[event.a].client == event.host, static_cast<std::uint32_t>(event.b));
    case Kind::http_answer: {
      HttpReply reply = std::move(replies_[event.a]);
      free_replies_.push_back(event.a);
      if (!host->node || host->life != event.b) return;
      with_node(event.host, [&](core::Node& node) {
        node.on_http_answer(reply.call, reply.status, reply.retry_after_s, view_of(reply.body),
                            reply.status == 0 ? "connection refused" : "", now_of(event.host));
      });
      return settle(event.host);
    }
    case Kind::script: return watcher_->on_script(event.a, event.b);
  }
}

void Network::run_action(HostId id, core::Action& action) {
  if (auto* out = std::get_if<core::SendMessage>(&action)) return send(id, *out);
  if (auto* told = std::get_if<core::NodeEvent>(&action)) return watcher_->on_event(id, *told);
  if (auto* start = std::get_if<core::DialLink>(&action)) return dial(id, *start);
  if (auto* close = std::get_if<core::CloseLink>(&action)) return close_from(id, close->link);
  if (auto* call = std::get_if<core::HttpCall>(&action)) return watcher_->on_call(id, *call);
  if (auto* save = std::get_if<core::SaveState>(&action); save && !hosts_[id].disk_full) hosts_[id].saved[save->name] = save->value;
}

void Network::dial(HostId id, const core::DialLink& start) {
  const auto wire_id = static_cast<WireId>(wires_.size());
  const auto target = find(start.url);
  Wire wire;
  wire.client = id;
  wire.server = target.value_or(id);
  wire.client_link = start.link;
  wires_.push_back(wire);
  hosts_[id].links[start.link] = wire_id;
  const std::uint64_t one_way_us = delay_us(wire);
  if (!target || !alive(*target)) queue_.push(now_us_ + 2 * one_way_us, Kind::dial_done, id, wire_id, 0);
  else if (parted(id, *target)) queue_.push(now_us_ + dial_gives_up_us, Kind::dial_done, id, wire_id, 0);
  else queue_.push(now_us_ + 2 * one_way_us, Kind::dial_accept, wire.server, wire_id);
}

void Network::accept(WireId id) {
  Wire& wire = wires_[id];
  Host& server = hosts_[wire.server];
  if (!hosts_[wire.client].node || !is_link_of(hosts_[wire.client], wire.client_link, id)) return;
  if (!server.node) return queue_.push(now_us_ + delay_us(wire), Kind::dial_done, wire.client, id, 0);
  wire.open = true;
  with_node(wire.server, [&](core::Node& node) {
    wire.server_link = node.on_accepted(hosts_[wire.client].plan.config.name, now_of(wire.server));
  });
  server.links[wire.server_link] = id;
  watcher_->on_opened(id, wire);
  queue_.push(now_us_ + delay_us(wire), Kind::dial_done, wire.client, id, 1);
  settle(wire.server);
}

void Network::send(HostId id, const core::SendMessage& out) {
  Host& host = hosts_[id];
  const auto link = host.links.find(out.link);
  if (link == host.links.end()) return;
  const WireId wire_id = link->second;
  Wire& wire = wires_[wire_id];
  if (!wire.open) return;
  std::size_t length = 0;
  for (const SharedBytes& piece : out.pieces) length += piece.size();
  ByteVector message;
  message.reserve(length);
  for (const SharedBytes& piece : out.pieces) message.insert(message.end(), piece.data(), piece.data() + piece.size());
  const bool by_client = wire.client == id;
  watcher_->on_sent(wire_id, wire, by_client, message);
  if (!by_client && !tampers_.empty())
    if (const auto tamper = tampers_.find(wire_id); tamper != tampers_.end() && tamper->second(message)) tampers_.erase(tamper);

  if (host.lie) host.lie(wire_id, message);
  if (corrupt_ppm_ != 0 && random_.below(1'000'000) < corrupt_ppm_ && !message.empty())
    message[random_.below(message.size())] ^= static_cast<std::uint8_t>(random_.between(1, 255));

  std::uint64_t departure_us = std::max(now_us_, host.up_free_us) + length * 8'000 / host.plan.up_kbps;
  host.up_free_us = departure_us;
  // A slow reader: what it has not read yet waits at the sender, and only this reader's connections feel it.
  if (Host& reader = hosts_[by_client ? wire.server : wire.client]; reader.plan.down_kbps != 0)
    departure_us = reader.down_free_us = std::max(departure_us, reader.down_free_us) + length * 8'000 / reader.plan.down_kbps;
  depart(wire_id, by_client, SharedBytes::take(std::move(message)), departure_us);
  std::uint64_t& outstanding = wires_[wire_id].outstanding[by_client ? 0 : 1];
  if (parted(wire.client, wire.server)) {
    outstanding += length;                              // nobody acknowledges it: it stays in the socket
  } else if (departure_us > now_us_ + socket_buffer_us) {
    outstanding += length;
    queue_.push(departure_us, Kind::departed, id, wire_id, length);
  }
  with_node(id, [&](core::Node& node) { node.on_sent(out.link, outstanding, now_of(id)); });
}

void Network::depart(WireId id, bool by_client, SharedBytes message, std::uint64_t departure_us) {
  Wire& wire = wires_[id];
  const int way = by_client ? 0 : 1;
  if (parted(wire.client, wire.server)) {
    wire.held[way].push_back(std::move(message));
    return;
  }
  std::uint64_t at_us = departure_us + delay_us(wire);
  if (loss_.ppm != 0) {
    const std::size_t packets = loss_.packet_bytes == 0 ? 1 : 1 + message.size() / loss_.packet_bytes;
    bool lost = false;
    for (std::size_t packet = 0; packet < packets && !lost; ++packet) lost = random_.below(1'000'000) < loss_.ppm;
    if (lost) at_us += loss_.retry_us;
  }
  at_us = std::max(at_us, wire.last_arrival_us[way]);
  wire.last_arrival_us[way] = at_us;
  const std::uint64_t slot = keep(messages_, free_messages_, Message{std::move(message), id, by_client});
  queue_.push(at_us, Kind::arrive, by_client ? wire.server : wire.client, slot);
}

void Network::arrive(std::uint64_t slot) {
  const Message message = std::move(messages_[slot]);
  free_messages_.push_back(slot);
  const Wire& wire = wires_[message.wire];
  const HostId to = message.by_client ? wire.server : wire.client;
  const LinkId link = message.by_client ? wire.server_link : wire.client_link;
  Host& host = hosts_[to];
  if (!host.node || !wire.open) return;
  if (!is_link_of(host, link, message.wire)) return;
  digest_ = (digest_ ^ message.bytes.size()) * 0x100000001b3ull;
  watcher_->on_arrived(message.wire, wire, message.by_client, message.bytes);
  with_node(to, [&](core::Node& node) { node.on_message(link, message.bytes, now_of(to)); });
  settle(to);
}

void Network::close_from(HostId id, LinkId link) {
  const auto known = hosts_[id].links.find(link);
  if (known == hosts_[id].links.end()) return;
  const WireId wire_id = known->second;
  Wire& wire = wires_[wire_id];
  const bool by_client = wire.client == id;
  const bool was_open = wire.open;
  queue_.push(now_us_, Kind::closed, id, wire_id, hosts_[id].life);
  // What was sent before arrives first.
  if (was_open) tell_closed(wire_id, !by_client, std::max(now_us_ + delay_us(wire), wire.last_arrival_us[by_client ? 0 : 1]));
}

void Network::tell_closed(WireId id, bool to_client, std::uint64_t at_us) {
  Wire& wire = wires_[id];
  const HostId to = to_client ? wire.client : wire.server;
  if (parted(wire.client, wire.server)) {               // nobody hears of it: half-open
    wire.close_held[to_client ? 0 : 1] = true;
    return;
  }
  queue_.push(at_us, Kind::closed, to, id, hosts_[to].life);
}

void Network::on_closed(WireId id, bool client_side, std::uint32_t life) {
  Wire& wire = wires_[id];
  const HostId at = client_side ? wire.client : wire.server;
  const LinkId link = client_side ? wire.client_link : wire.server_link;
  Host& host = hosts_[at];
  if (!host.node || host.life != life || host.links.erase(link) == 0) return;
  watcher_->on_closed(id, wire);
  with_node(at, [&](core::Node& node) { node.on_closed(link, "closed", now_of(at)); });
  settle(at);
}

void Network::answer(HostId host, CallId call, std::uint64_t after_us, int status, std::optional<std::uint32_t> retry_after_s, std::string body) {
  const std::uint64_t slot = keep(replies_, free_replies_, HttpReply{call, status, retry_after_s, std::move(body)});
  queue_.push(now_us_ + after_us, Kind::http_answer, host, slot, hosts_[host].life);
}

void Network::crash(HostId id, bool silent) {
  Host& host = hosts_[id];
  if (!host.node) return;
  host.node.reset();
  ++host.life;
  host.wake_us = never_us;
  for (const auto& [link, wire_id] : std::map<LinkId, WireId>(host.links.begin(), host.links.end())) {
    const Wire& wire = wires_[wire_id];
    const bool is_client = wire.client == id;
    if (!silent && wire.open) tell_closed(wire_id, !is_client, now_us_ + delay_us(wire));
  }
  host.links.clear();
}

void Network::restart(HostId id, bool with_state) {
  if (hosts_[id].node) return;
  if (!with_state) hosts_[id].saved.clear();
  launch(id);
}

void Network::set_down_kbps(HostId id, std::uint32_t kbps) {
  hosts_[id].plan.down_kbps = kbps;
  if (kbps != 0 || hosts_[id].down_free_us <= now_us_) return;
  const std::uint64_t by_us = now_us_ + 1'000'000;      // whatever the path: later than any delay of a calm network
  hosts_[id].down_free_us = now_us_;
  for (Wire& wire : wires_)
    for (const int way : {0, 1})
      if ((way == 0 ? wire.server : wire.client) == id) wire.last_arrival_us[way] = std::min(wire.last_arrival_us[way], by_us);
  queue_.hasten(by_us, [&](const Event& event) {
    if (event.kind == Kind::arrive || event.kind == Kind::closed) return event.host == id;
    if (event.kind != Kind::departed) return false;
    const Wire& wire = wires_[event.a];
    return (wire.client == event.host ? wire.server : wire.client) == id;
  });
}

void Network::meet() {
  for (Host& host : hosts_) host.side = 0;
  for (WireId id = 0; id < wires_.size(); ++id) release(id);
}

// What could not pass goes on now, as far as nothing else parts its ends.
void Network::release(WireId id) {
  for (const int way : {0, 1}) {
    std::vector<SharedBytes> held = std::exchange(wires_[id].held[way], {});
    const HostId from = way == 0 ? wires_[id].client : wires_[id].server;
    for (SharedBytes& message : held) {
      queue_.push(now_us_, Kind::departed, from, id, message.size());
      depart(id, way == 0, std::move(message), now_us_);
    }
  }
  for (const int way : {0, 1})
    if (std::exchange(wires_[id].close_held[way], false))
      tell_closed(id, way == 0, std::max(now_us_ + delay_us(wires_[id]), wires_[id].last_arrival_us[way == 0 ? 1 : 0]));
}

void Network::part(HostId a, HostId b, bool parted_now) {
  const std::pair<HostId, HostId> pair{std::min(a, b), std::max(a, b)};
  if (parted_now) {
    parted_[pair] = true;
    return;
  }
  parted_.erase(pair);
  for (WireId id = 0; id < wires_.size(); ++id) {
    const Wire& wire = wires_[id];
    if (std::min(wire.client, wire.server) != pair.first || std::max(wire.client, wire.server) != pair.second) continue;
    release(id);
  }
}

}  // namespace streamr::sim
