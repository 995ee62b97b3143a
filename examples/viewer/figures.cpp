#include "viewer/figures.hpp"

#include <algorithm>
#include <cstdio>

#include "common/cli.hpp"
#include "common/json_text.hpp"

namespace streamr::viewer {

namespace {

constexpr std::size_t latencies_kept = 65'536;

// The address in "connected to ws://…" or "now from ws://…: why".
std::string address_in(const std::string& text) {
  const std::size_t begin = std::min(text.find("ws://"), text.find("wss://"));
  if (begin == std::string::npos) return {};
  std::string address = text.substr(begin, text.find(' ', begin) - begin);
  if (!address.empty() && address.back() == ':') address.pop_back();
  return address;
}

}  // namespace

void Figures::on_chunk(const streamr_event_t& event, std::size_t bytes, std::uint64_t mono_us) {
  const std::uint32_t flags = event.header.flags;
  verified_bytes_ += bytes;
  if (stream_.empty()) stream_ = programs::to_hex(event.header.stream_id, sizeof event.header.stream_id);
  if ((flags & STREAMR_CHUNK_INIT) != 0) {
    has_init_ = true;
    return;
  }
  ++chunks_;
  if (first_chunk_ms_ < 0) first_chunk_ms_ = since_start_ms(mono_us);
  const bool picture = (flags & STREAMR_CHUNK_INDEPENDENT) != 0 && (has_init_ || event.header.content_type != STREAMR_CONTENT_CMAF);
  if (picture && first_picture_ms_ < 0) first_picture_ms_ = since_start_ms(mono_us);
  // What was captured before we came was waiting for us: its age says nothing about the network.
  if (event.header.capture_time_us >= start_unix_us_) remember_latency(event.latency_us);
}

void Figures::on_event(const streamr_event_t& event, std::uint64_t mono_us) {
  if (event.kind == STREAMR_EVENT_REJECTED) ++rejected_;
  if (event.kind != STREAMR_EVENT_UPSTREAM || event.value == 0) return;
  if (connected_ms_ < 0) connected_ms_ = since_start_ms(mono_us);
  const std::string address = address_in(event.text);
  if (event.value == 2) ++switches_;
  // A second connection is the standby; only a switch makes it the one in use.
  if (!address.empty() && (event.value == 2 || relay_.empty())) relay_ = address;
}

void Figures::remember_latency(std::uint64_t latency) {
  if (latencies_us_.size() < latencies_kept) {
    latencies_us_.push_back(latency);
    return;
  }
  latencies_us_[next_latency_] = latency;
  next_latency_ = (next_latency_ + 1) % latencies_kept;
}

std::uint64_t Figures::latency_us(unsigned percentile) const {
  if (latencies_us_.empty()) return 0;
  std::vector<std::uint64_t> sorted = latencies_us_;
  const std::size_t rank = std::min(sorted.size() - 1, sorted.size() * percentile / 100);
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(rank), sorted.end());
  return sorted[rank];
}

std::string Figures::json(const PlayerModel& player, const char* kind, std::uint64_t mono_us) const {
  const std::int64_t ttfb_ms = first_chunk_ms_ >= 0 && connected_ms_ >= 0 ? std::max<std::int64_t>(0, first_chunk_ms_ - connected_ms_) : -1;
  const auto number = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
  programs::JsonObject out;
  out.text("kind", kind).text("stream", stream_).number("elapsed_ms", since_start_ms(mono_us));
  out.number("chunks", number(chunks_)).number("verified_bytes", number(verified_bytes_)).number("rejected", number(rejected_));
  out.number("latency_p50_ms", number(latency_us(50) / 1000)).number("latency_p99_ms", number(latency_us(99) / 1000));
  out.number("latency_p50_us", number(latency_us(50))).number("latency_p99_us", number(latency_us(99)));
  out.number("ttfb_ms", ttfb_ms).number("first_chunk_ms", first_chunk_ms_).number("first_picture_ms", first_picture_ms_);
  out.number("stalls", player.stalls()).number("stall_ms", number(player.stall_us() / 1000));
  out.text("relay", relay_).number("switches", number(switches_));
  return out.str();
}

std::string Figures::line(const PlayerModel& player) const {
  char text[256];
  std::snprintf(text, sizeof text, "%llu chunks, %.1f MB verified, %llu rejected, latency %llu/%llu ms (p50/p99), %u stalls (%llu ms), %llu switches",
                static_cast<unsigned long long>(chunks_), static_cast<double>(verified_bytes_) / 1e6,
                static_cast<unsigned long long>(rejected_), static_cast<unsigned long long>(latency_us(50) / 1000),
                static_cast<unsigned long long>(latency_us(99) / 1000), player.stalls(),
                static_cast<unsigned long long>(player.stall_us() / 1000), static_cast<unsigned long long>(switches_));
  return relay_.empty() ? text : text + (", from " + relay_);
}

}  // namespace streamr::viewer
