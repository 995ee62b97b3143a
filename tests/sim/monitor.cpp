#include "monitor.hpp"

#include <cstring>

namespace streamr::sim {

namespace {

// Frame types of protocol §3, written down again so that a mistake in the library is not repeated here.
constexpr std::uint8_t hello = 0x01, welcome = 0x02, sub_ok = 0x05, chunk = 0x07, slice = 0x08, receipt = 0x0C, receipt_ack = 0x0D, have = 0x12;
constexpr std::size_t most_path_entries = 4;            // the origin and three relays
constexpr std::uint64_t init_bit = std::uint64_t{1} << 63;

template <class Act>
void each_frame(ByteView message, Act act) {
  std::size_t at = 0;
  while (at + 8 <= message.size()) {
    const std::uint32_t length = load_u32(message.data() + at + 4);
    if (at + 8 + length > message.size()) throw Broken("a message holds a part of a frame");
    act(message[at], message[at + 1], message.subspan(at + 8, length));
    at += 8 + length;
  }
  if (at != message.size()) throw Broken("a message does not end with a frame");
}

std::string session_of_hello(ByteView payload) {
  if (payload.size() < 100 + 248) return {};
  const auto* ticket = reinterpret_cast<const char*>(payload.data() + 100);
  return std::string(ticket + 112, 16) + std::string(ticket + 48, 32);
}

}  // namespace

void Monitor::published(std::uint64_t media_time_us, bool init, ByteVector payload) {
  Truth& truth = truths_[media_time_us | (init ? init_bit : 0)];
  truth.payload = std::move(payload);
  truth.init = init;
  if (!init) truth.number = published_++;
}

void Monitor::signed_twice(std::uint64_t media_time_us, ByteView header, ByteVector payload) {
  Truth& truth = signed_twice_[media_time_us];
  const auto first = truths_.find(media_time_us);
  if (first != truths_.end()) truth.number = first->second.number;
  truth.payload = std::move(payload);
  std::memcpy(truth.header.data(), header.data(), truth.header.size());
  truth.signed_already = true;
}

const Truth& Monitor::find(const std::uint8_t* header) const {
  const bool init = (header[7] & 2) != 0;
  const auto found = truths_.find(load_u64(header + 64) | (init ? init_bit : 0));
  if (found == truths_.end()) throw Broken("a chunk header that nobody published was sent");
  if (!signed_twice_.empty() && !init)
    if (const auto other = signed_twice_.find(load_u64(header + 64));
        other != signed_twice_.end() && std::memcmp(other->second.header.data(), header, other->second.header.size()) == 0)
      return other->second;
  return found->second;
}

void Monitor::on_opened(WireId wire, const Wire&) { wires_[wire]; }

void Monitor::on_closed(WireId wire) {
  const auto found = wires_.find(wire);
  if (found == wires_.end()) return;
  if (Session* session = found->second.session) session->written_off = session->sent - std::min(session->sent, session->counted);
  wires_.erase(found);
}

void Monitor::on_sent(WireId id, const Wire& ends, bool by_client, ByteView message, const Key& sender) {
  const auto found = wires_.find(id);
  if (found == wires_.end()) return;                    // one side is gone already: nobody will read it
  Watched& wire = found->second;
  const int way = by_client ? 0 : 1;
  const HostId from = by_client ? ends.client : ends.server;
  each_frame(message, [&](std::uint8_t type, std::uint8_t, ByteView payload) {
    switch (type) {
      case hello:
        if (const std::string name = session_of_hello(payload); !name.empty()) wire.session = &sessions_[name];
        break;
      case welcome:
        if (wire.session) wire.session->window = load_u32(payload.data() + 88);
        break;
      case receipt_ack:
        if (wire.session) check_ack(*wire.session, payload);
        break;
      case receipt:
        ++receipts_seen_;
        if (wire.session) check_receipt(*wire.session, payload);
        break;
      case chunk: check_chunk(wire, way, from, payload); break;
      case slice: check_slice(wire, way, payload); break;
      case sub_ok: check_path(payload.data() + 232, payload[40], sender); break;
      case have: check_path(payload.data() + 64, payload[27], sender); break;
      default: break;
    }
  });
}

// A viewer vouches for no more than was sent to it: nobody gains by a receipt that is too high, so one would be a mistake.
void Monitor::check_receipt(Session& session, ByteView payload) {
  const std::uint64_t bytes_ok = load_u64(payload.data() + 136);
  if (bytes_ok > session.sent_in_all)
    throw Broken("a receipt vouches for " + std::to_string(bytes_ok) + " octets, sent were " + std::to_string(session.sent_in_all));
  session.claimed = std::max(session.claimed, bytes_ok);
}

// A relay counts what a receipt said, never more.
void Monitor::check_ack(Session& session, ByteView payload) {
  const std::uint64_t counted = load_u64(payload.data() + 8);
  if (counted > session.claimed)
    throw Broken("a relay counts " + std::to_string(counted) + " octets, the receipts said " + std::to_string(session.claimed));
  session.counted = std::max(session.counted, counted);
  session.window = load_u32(payload.data() + 4);
}

void Monitor::check_chunk(Watched& wire, int way, HostId sender, ByteView payload) {
  ++headers_checked_;
  const std::uint8_t* header = payload.data() + 8;
  if ((header[7] & (16 | 32)) != 0) return;             // GAP and END carry nothing
  Truth& truth = const_cast<Truth&>(find(header));
  if (!truth.signed_already) {
    if (sender != publisher_) throw Broken("a chunk was sent before its publisher sent it");
    std::memcpy(truth.header.data(), header, truth.header.size());
    truth.signed_already = true;
  }
  if (std::memcmp(truth.header.data(), header, truth.header.size()) != 0) throw Broken("a header was forwarded that is not the published one");
  wire.ways[way].refs[load_u32(payload.data())] = &truth;
}

void Monitor::check_slice(Watched& wire, int way, ByteView payload) {
  ++slices_checked_;
  const auto known = wire.ways[way].refs.find(load_u32(payload.data()));
  if (known == wire.ways[way].refs.end()) throw Broken("a slice was sent whose chunk was never announced");
  const Truth& truth = *known->second;
  const std::uint16_t index = load_u16(payload.data() + 4);
  const std::size_t slice_bytes = std::size_t{1} << truth.header[84];
  const std::size_t offset = index * slice_bytes;
  const ByteView data = payload.subspan(8);
  if (offset >= truth.payload.size() || data.size() != std::min(slice_bytes, truth.payload.size() - offset))
    throw Broken("a slice of the wrong length was sent");
  if (std::memcmp(truth.payload.data() + offset, data.data(), data.size()) != 0) throw Broken("an unverified slice was forwarded");
  // An init section is sent again on every join, so nobody waits for its receipt.
  if (way != 1 || wire.session == nullptr) return;
  wire.session->sent_in_all += data.size();
  if (!truth.init) count_session_slice(*wire.session, truth, index, data.size());
}

void Monitor::count_session_slice(Session& session, const Truth& truth, std::uint16_t index, std::size_t bytes) {
  const std::uint64_t name = load_u64(truth.header.data() + 64) << 12 | index;
  if (!session.slices.emplace(name, true).second) return;   // a repeat is not awaited
  session.sent += bytes;
  const std::uint64_t settled = session.counted + session.written_off;
  const std::uint64_t use = session.sent > settled ? session.sent - settled : 0;
  widest_use_ = std::max(widest_use_, use);
  if (use > session.window)
    throw Broken("more than the receipt window was sent without a receipt: " + std::to_string(use) + " of " + std::to_string(session.window) + " octets");
}

void Monitor::check_path(const std::uint8_t* path, std::size_t entries, const Key& sender) {
  longest_path_ = std::max(longest_path_, entries);
  if (entries > most_path_entries) throw Broken("a path of more than the origin and three relays was told");
  for (std::size_t a = 0; a < entries; ++a)
    for (std::size_t b = a + 1; b < entries; ++b)
      if (std::memcmp(path + 8 * a, path + 8 * b, 8) == 0) throw Broken("a path goes through one node twice");
  if (entries > 0 && std::memcmp(path + 8 * (entries - 1), sender.data(), 8) != 0) throw Broken("a path does not end with its sender");
}

std::optional<std::uint32_t> Monitor::on_told(const core::StoredChunk& told) const {
  const Truth& truth = find(told.header().raw.data());
  if (truth.header != told.header().raw) throw Broken("a viewer was given a header that was not published");
  const SharedBytes payload = told.payload();
  if (payload.size() != truth.payload.size() || std::memcmp(payload.data(), truth.payload.data(), payload.size()) != 0)
    throw Broken("a viewer was given octets that were not published");
  return truth.init ? std::nullopt : std::optional<std::uint32_t>(truth.number);
}

}  // namespace streamr::sim
