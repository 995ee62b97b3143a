// Decides a tiny network for tests: real nodes, messages handed over at once or after a delay, a clock that tests move.
// Never loses anything by itself; a test may cut links and change octets on the way.
// Called by tests/core/node_test.cpp.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/node.hpp"

namespace streamr::test {

inline crypto::KeyPair key_of(std::uint8_t number) {
  std::array<std::uint8_t, 32> seed{};
  seed.fill(number);
  return crypto::KeyPair::from_seed(seed);
}

struct MiniNetwork {
  struct Host {
    std::string name;
    std::unique_ptr<core::Node> node;
    std::vector<core::NodeEvent> events;
    std::map<HttpId, core::HttpResponse> replies;
    std::vector<std::pair<std::string, std::string>> saved;
    bool dead = false;
    bool mute = false;  // nothing comes from it or reaches it, and nobody is told: the power is gone
  };
  struct End {
    std::size_t host;
    LinkId link;
    bool operator<(const End& o) const { return std::tie(host, link) < std::tie(o.host, o.link); }
  };

  Now now{1'000'000'000, 1'790'000'000'000'000};
  std::vector<Host> hosts;
  std::map<End, End> wires;
  std::vector<std::string> dialed;  // "from to", in order
  // Sees each message on its way; may change it. Names are sender and receiver.
  std::function<void(const std::string&, const std::string&, ByteVector&)> on_wire;

  core::Node& add(const std::string& name, std::uint8_t key, core::NodeConfig config) {
    config.seed = key;
    config.name = name;
    Host host;
    host.name = name;
    host.node = std::make_unique<core::Node>(std::move(config), key_of(key));
    hosts.push_back(std::move(host));
    hosts.back().node->start(now);
    settle();
    return *hosts.back().node;
  }
  Host& host(const std::string& name) {
    for (auto& h : hosts)
      if (h.name == name) return h;
    throw std::runtime_error("no host " + name);
  }

  void kill(const std::string& name) {
    const std::size_t index = static_cast<std::size_t>(&host(name) - hosts.data());
    hosts[index].dead = true;
    cut_if([&](const End& a, const End& b) { return a.host == index || b.host == index; });
    settle();
  }
  template <class Wanted>
  void cut_if(Wanted wanted) {
    std::vector<std::pair<End, End>> gone;
    for (const auto& [a, b] : wires)
      if (wanted(a, b)) gone.emplace_back(a, b);
    for (const auto& [a, b] : gone) {
      wires.erase(a);
      if (!hosts[a.host].dead) hosts[a.host].node->on_closed(a.link, "connection reset", now);
    }
  }

  // Runs every action until nobody has one.
  void settle() {
    for (bool busy = true; busy;) {
      busy = false;
      for (std::size_t i = 0; i < hosts.size(); ++i)
        while (!hosts[i].dead) {
          auto action = hosts[i].node->poll(now);
          if (!action) break;
          busy = true;
          run(i, *action);
        }
    }
  }
  void run(std::size_t from, core::Action& action) {
    Host& host = hosts[from];
    if (auto* dial = std::get_if<core::DialLink>(&action)) {
      for (std::size_t to = 0; to < hosts.size(); ++to)
        if ("ws://" + hosts[to].name == dial->url && !hosts[to].dead) {
          dialed.push_back(host.name + " " + hosts[to].name);
          if (hosts[to].mute) return;
          const LinkId other = hosts[to].node->on_accepted(host.name, now);
          wires[{from, dial->link}] = {to, other};
          wires[{to, other}] = {from, dial->link};
          host.node->on_dialed(dial->link, now);
          return;
        }
      host.node->on_closed(dial->link, "connection refused", now);
    } else if (auto* send = std::get_if<core::SendMessage>(&action)) {
      const auto wire = wires.find({from, send->link});
      ByteVector message;
      for (const auto& piece : send->pieces) message.insert(message.end(), piece.data(), piece.data() + piece.size());
      if (wire != wires.end()) {
        const End to = wire->second;
        if (host.mute || hosts[to.host].mute) return host.node->on_sent(send->link, 0, now);
        if (on_wire) on_wire(host.name, hosts[to.host].name, message);
        hosts[to.host].node->on_message(to.link, SharedBytes::take(std::move(message)), now);
      }
      host.node->on_sent(send->link, 0, now);
    } else if (auto* close = std::get_if<core::CloseLink>(&action)) {
      const End here{from, close->link};
      const auto wire = wires.find(here);
      if (wire != wires.end()) {
        const End to = wire->second;
        wires.erase(wire);
        wires.erase(to);
        if (!hosts[to.host].dead && !host.mute && !hosts[to.host].mute) hosts[to.host].node->on_closed(to.link, "closed by peer", now);
      }
      host.node->on_closed(close->link, "closed", now);
    } else if (auto* reply = std::get_if<core::ReplyHttp>(&action)) {
      host.replies[reply->id] = std::move(reply->response);
    } else if (auto* pieces = std::get_if<core::HttpPieces>(&action)) {
      for (auto& piece : pieces->pieces) host.replies[pieces->id].pieces.push_back(piece);
    } else if (auto* save = std::get_if<core::SaveState>(&action)) {
      host.saved.emplace_back(save->name, save->value);
    } else if (auto* told = std::get_if<core::NodeEvent>(&action)) {
      host.events.push_back(std::move(*told));
    }
  }
  void pass_ms(std::uint64_t ms, std::uint64_t step_ms = 10) {
    for (std::uint64_t passed = 0; passed < ms; passed += step_ms) {
      now.mono_us += ms_to_us(step_ms);
      now.unix_us += ms_to_us(step_ms);
      for (auto& h : hosts)
        if (!h.dead) h.node->on_time(now);
      settle();
    }
  }

  // A frame that the node on the other side of a connection would not send by itself.
  void inject(const std::string& from, const std::string& to, ByteVector frame) {
    const auto a = static_cast<std::size_t>(&host(from) - hosts.data());
    const auto b = static_cast<std::size_t>(&host(to) - hosts.data());
    for (const auto& [here, there] : wires)
      if (here.host == a && there.host == b)
        return hosts[b].node->on_message(there.link, SharedBytes::take(std::move(frame)), now);
    throw std::runtime_error("no connection from " + from + " to " + to);
  }
  bool connected(const std::string& one, const std::string& other) {
    for (const auto& [here, there] : wires)
      if (hosts[here.host].name == one && hosts[there.host].name == other) return true;
    return false;
  }

  std::size_t count(const std::string& name, std::uint32_t kind) {
    std::size_t n = 0;
    for (const auto& e : host(name).events) n += e.kind == kind ? 1 : 0;
    return n;
  }
  // Payloads of the media chunks that a host was told, in order.
  std::vector<ByteVector> heard(const std::string& name) {
    std::vector<ByteVector> out;
    for (const auto& e : host(name).events)
      if (e.kind == STREAMR_EVENT_CHUNK && !e.chunk->header().has(proto::init)) {
        const auto p = e.chunk->payload();
        out.emplace_back(p.data(), p.data() + p.size());
      }
    return out;
  }
};

}  // namespace streamr::test
