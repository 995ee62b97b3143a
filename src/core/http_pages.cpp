#include "core/http_pages.hpp"

#include <algorithm>

namespace streamr::core {
namespace {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

constexpr std::string_view page_head =
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>streamr relay</title>\n"
    "<style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem "
    "auto;padding:0 1rem}"
    "code{word-break:break-all}li{margin:.8rem 0}.small{opacity:.7;font-size:.9rem}</style>\n</head>\n<body>\n"
    "<h1>streamr relay</h1>\n"
    "<p>This machine passes live streams on. Every piece is checked against the streamer's signature first.</p>\n";

void append_stream(std::string& out, const RelayPageStream& stream, const std::string& origin) {
  const std::string name = escaped(stream.alias.empty() ? stream.stream : stream.alias);
  const std::string address = escaped(origin) + "/live/" + name + ".m3u8";
  out += "<li><strong>" + name + "</strong> " + (stream.live ? "is live" : "is not live now");
  if (stream.viewers != 0) out += ", " + std::to_string(stream.viewers) + (stream.viewers == 1 ? " viewer" : " viewers");
  out += "<br><a href=\"" + address + "\"><code>" + address + "</code></a></li>\n";
}

}  // namespace

std::string page_origin(std::string_view advertise_url, std::string_view host_header) {
  const bool plausible = !host_header.empty() && host_header.size() <= 255 &&
                         std::all_of(host_header.begin(), host_header.end(), [](char c) {
                           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                                  c == '.' || c == '-' || c == ':' || c == '[' || c == ']';
                         });
  if (!plausible) return {};
  return (advertise_url.starts_with("wss:") ? "https://" : "http://") + std::string(host_header);
}

std::string relay_index_html(const RelayPage& page) {
  std::string out(page_head);
  if (page.streams.empty()) {
    out += "<p>It carries no stream at the moment.</p>\n";
  } else {
    out += "<h2>Streams</h2>\n<p>Copy an address into VLC, mpv, Safari or any HLS player.</p>\n<ul>\n";
    for (const RelayPageStream& stream : page.streams) append_stream(out, stream, page.origin);
    out += "</ul>\n";
  }
  out +=
      "<p class=\"small\"><a href=\"/stats.json\">Figures</a> · <a href=\"/metrics\">Prometheus</a> · <a "
      "href=\"/healthz\">Health</a><br>";
  out += escaped(page.software) + ", role " + escaped(page.role) + ", key <code>" + escaped(page.node_key) +
         "</code></p>\n</body>\n</html>\n";
  return out;
}

}  // namespace streamr::core
