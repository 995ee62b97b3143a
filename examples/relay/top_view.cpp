#include "relay/top_view.hpp"

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>

namespace streamr::programs {

namespace {

constexpr const char* plain = "\033[0m";
constexpr const char* bold = "\033[1m";
constexpr const char* faint = "\033[2m";
constexpr const char* red = "\033[31m";
constexpr const char* green = "\033[32m";
constexpr const char* yellow = "\033[33m";
constexpr const char* inverse = "\033[7m";
constexpr std::size_t widest_name = 40;

__attribute__((format(printf, 1, 2))) std::string form(const char* pattern, ...) {
  std::array<char, 512> out{};
  va_list values;
  va_start(values, pattern);
  std::vsnprintf(out.data(), out.size(), pattern, values);
  va_end(values);
  return out.data();
}

std::string cut(const std::string& text, std::size_t width) {
  if (text.size() <= width) return text;
  return width < 2 ? text.substr(0, width) : text.substr(0, width - 1) + "~";
}

std::string filled(const std::string& text, std::size_t width) {
  std::string out = cut(text, width);
  return out + std::string(width - out.size(), ' ');
}

std::string right(const std::string& text, std::size_t width) {
  const std::string out = cut(text, width);
  return std::string(width - out.size(), ' ') + out;
}

std::string rate(std::optional<double> mbit) {
  if (!mbit) return "-";
  return form(*mbit < 10 ? "%.2f" : *mbit < 1000 ? "%.1f" : "%.0f", *mbit);
}

std::string bytes(double value) {
  constexpr double kib = 1024, mib = kib * kib;
  if (value < 10 * kib) return form("%.0f B", value);
  return value < 10 * mib ? form("%.0f KiB", value / kib) : form("%.0f MiB", value / mib);
}

std::string duration(double seconds) {
  const auto whole = static_cast<unsigned long long>(seconds);
  const std::string clock = form("%02llu:%02llu:%02llu", whole / 3600 % 24, whole / 60 % 60, whole % 60);
  return whole >= 86'400 ? form("%llud ", whole / 86'400) + clock : clock;
}

std::string count(double value) { return form(value < 1e6 ? "%.0f" : "%.3g", value); }

class Screen {
 public:
  Screen(const TopLook& look, const TopShape& shape) : look_(look), now_(*look.now), shape_(shape) {
    if (look.before != nullptr) seconds_ = (now_.time_us - look.before->time_us) / 1e6;
  }

  std::vector<std::string> draw() {
    header();
    peers();
    streams();
    return std::move(lines_);
  }

 private:
  // Too low for lines that say nothing: the streams need them.
  bool low() const { return shape_.height != 0 && shape_.height < 24; }
  bool full() const { return shape_.height != 0 && lines_.size() >= shape_.height; }
  void add(const std::string& text, const char* colour = nullptr) {
    if (full()) return;
    std::string line = cut(text, shape_.width);
    if (shape_.colour && colour != nullptr) line = colour + line + plain;
    lines_.push_back(std::move(line));
  }
  // A head of a table: the whole width of the terminal, so that the eye finds it.
  void add_head(const std::string& text) { add(shape_.colour ? filled(text, shape_.width) : text, inverse); }

  std::optional<double> change(double before, double after) const { return mbit_a_second(before, after, seconds_); }
  std::optional<double> traffic(std::map<std::string, double> RelayFigures::*side) const {
    if (look_.before == nullptr) return std::nullopt;
    return change(sum_of(look_.before->*side), sum_of(now_.*side));
  }
  std::optional<double> traffic(std::map<std::string, double> RelayFigures::*side, const std::string& kind) const {
    if (look_.before == nullptr) return std::nullopt;
    const auto value = [&](const RelayFigures& figures) {
      const auto found = (figures.*side).find(kind);
      return found == (figures.*side).end() ? 0.0 : found->second;
    };
    return change(value(*look_.before), value(now_));
  }

  void header();
  void peers();
  void streams();
  void stream_row(const StreamFigures& stream, std::size_t name_width);
  void upstream_row(const UpstreamFigures& upstream);

  const TopLook& look_;
  const RelayFigures& now_;
  const TopShape& shape_;
  double seconds_ = 0;
  std::vector<std::string> lines_;
};

void Screen::header() {
  const std::string name = now_.name.empty() ? now_.node.substr(0, 12) : now_.name;
  const std::string left = now_.role + " " + name + "  " + now_.software;
  const std::string up = "up " + duration(now_.uptime_s);
  const std::size_t room = shape_.width > up.size() + 2 ? shape_.width - up.size() : shape_.width;
  add(filled(left, room) + (room < shape_.width ? up : ""), bold);
  if (!look_.trouble.empty()) add("NO ANSWER from " + look_.url + ": " + look_.trouble, red);
  const double memory_pct = now_.memory_limit_bytes > 0 ? 100 * now_.memory_bytes / now_.memory_limit_bytes : 0;
  add(form("load %.0f %%   memory %s of %s   in %s, out %s Mbit/s", now_.load_pct, bytes(now_.memory_bytes).c_str(),
           bytes(now_.memory_limit_bytes).c_str(), rate(traffic(&RelayFigures::bytes_in)).c_str(),
           rate(traffic(&RelayFigures::bytes_out)).c_str()),
      now_.load_pct >= 95 ? red : now_.load_pct >= 80 || memory_pct >= 95 ? yellow : nullptr);
  const std::string upload = now_.upload_kbps > 0 ? form("%.1f Mbit/s", now_.upload_kbps / 1000) : "none";
  const std::string viewers = now_.max_viewers > 0 ? count(now_.max_viewers) : "none";
  add("limits: upload " + upload + ", viewers " + viewers + ", connections " + count(now_.connections_limit));
  const std::string hop = now_.hop_count == 0 ? "-" : form("p50 %.2f p99 %.2f ms", now_.hop_p50_us / 1000, now_.hop_p99_us / 1000);
  add(form("hop %s   queued %s, oldest %.0f ms   upstream switches %s", hop.c_str(), bytes(now_.queue_bytes).c_str(), now_.queue_oldest_us / 1000, count(now_.switches).c_str()));
  const double refused = now_.rejected + now_.receipts_refused + now_.admission_refused + now_.connections_refused;
  add("refused: slices " + count(now_.rejected) + ", receipts " + count(now_.receipts_refused) + ", no room " +
          count(now_.admission_refused) + ", connections " + count(now_.connections_refused) + ", dropped chunks " + count(now_.dropped),
      refused > 0 ? yellow : nullptr);
}

void Screen::peers() {
  add("");
  add_head(filled("PEERS", 12) + right("OPEN", 8) + right("IN Mbit/s", 12) + right("OUT Mbit/s", 12));
  for (const char* kind : {"upstream", "publisher", "relay", "viewer"}) {
    const auto found = now_.links.find(kind);
    const double open = found == now_.links.end() ? 0 : found->second;
    if (open == 0 && low()) continue;
    add(filled(kind, 12) + right(count(open), 8) + right(rate(traffic(&RelayFigures::bytes_in, kind)), 12) +
            right(rate(traffic(&RelayFigures::bytes_out, kind)), 12),
        open == 0 ? faint : nullptr);
  }
  std::optional<double> http;
  for (const char* kind : {"http_media", "http_playlist", "http_other"})
    if (const auto part = traffic(&RelayFigures::bytes_out, kind)) http = http.value_or(0) + *part;
  add(filled("http", 12) + right(count(now_.http), 8) + right("-", 12) + right(rate(http), 12) +
          form("   sessions %.0f, receipts %.0f", now_.sessions, now_.receipts_ok),
      now_.http == 0 ? faint : nullptr);
}

void Screen::streams() {
  constexpr std::size_t rest_width = 6 + 5 + 8 + 8 + 11 + 11 + 8;
  const std::size_t name_width = std::clamp<std::size_t>(shape_.width > rest_width ? shape_.width - rest_width : 0, 14, widest_name);
  add("");
  add_head(filled("STREAM", name_width) + right("LIVE", 6) + right("HOP", 5) + right("LAG s", 8) + right("PEERS", 8) +
           right("IN Mbit/s", 11) + right("OUT Mbit/s", 11) + right("REJECT", 8));
  if (now_.streams.empty()) add("no stream is carried", faint);
  for (std::size_t i = 0; i < now_.streams.size(); ++i) {
    const StreamFigures& stream = now_.streams[i];
    const std::size_t left = now_.streams.size() - i;
    // The last line says what has no room any more.
    if (shape_.height != 0 && left > 1 && lines_.size() + 2 + stream.upstreams.size() > shape_.height) {
      add(form("... and %zu more; a taller terminal shows them", left), faint);
      return;
    }
    stream_row(stream, name_width);
    for (const UpstreamFigures& upstream : stream.upstreams) upstream_row(upstream);
  }
}

void Screen::stream_row(const StreamFigures& stream, std::size_t name_width) {
  const StreamFigures* before = nullptr;
  if (look_.before != nullptr)
    for (const StreamFigures& one : look_.before->streams)
      if (one.id == stream.id) before = &one;
  const auto in = before == nullptr ? std::nullopt : change(before->in_bytes, stream.in_bytes);
  const auto out = before == nullptr ? std::nullopt : change(before->out_bytes, stream.out_bytes);
  add(filled(stream.alias.empty() ? stream.id : stream.alias, name_width) + right(stream.live ? "live" : "-", 6) +
          right(count(stream.hop), 5) + right(form("%.2f", std::min(stream.lag_ms / 1000, 99'999.0)), 8) + right(count(stream.viewers), 8) +
          right(rate(in), 11) + right(rate(out), 11) + right(count(stream.rejected), 8),
      stream.rejected > 0 ? red : stream.live ? green : faint);
}

void Screen::upstream_row(const UpstreamFigures& upstream) {
  const std::string state = upstream.standby && upstream.state == "open" ? "standby" : upstream.state;
  const std::string tail = "  " + filled(state, 8) + right(count(upstream.slices), 9) + " slices";
  const std::size_t room = shape_.width > tail.size() + 20 ? shape_.width - tail.size() : 20;
  add(filled("  from " + (upstream.url.empty() ? "(not connected)" : upstream.url), std::min(room, widest_name + 16)) + tail,
      upstream.standby ? faint : nullptr);
}

}  // namespace

std::vector<std::string> render_top(const TopLook& look, const TopShape& shape) {
  if (look.now != nullptr) return Screen(look, shape).draw();
  const std::string line = look.trouble.empty() ? "asking " + look.url : "NO ANSWER from " + look.url + ": " + look.trouble;
  return {cut(line, shape.width)};
}

}  // namespace streamr::programs
