#include "viewer/options.hpp"

#include "common/hex.hpp"
#include "common/key_files.hpp"

namespace streamr::viewer {

const char* const examples_text =
    "Examples:\n"
    "  streamr-watch --coordinator https://streams.example show --out show.mp4 --seconds 60\n"
    "  streamr-watch --coordinator https://streams.example show --out - | mpv -\n"
    "  streamr-watch --coordinator https://streams.example show --serve 127.0.0.1:8080\n"
    "      then open http://127.0.0.1:8080/live/show.m3u8 in VLC or a browser\n"
    "  streamr-watch --relay ws://192.0.2.7:8443/relay --ticket @ticket.hex STREAM_ID --out show.mp4\n"
    "\n"
    "Everything that is written was verified against the signatures of the stream. With --json figures go to standard\n"
    "output as one JSON line a second and a last line of kind \"summary\"; with --out - they go to standard error instead.\n"
    "Exit code 8 says that nothing of the stream came in the time allowed.\n";

void add_flags(CLI::App& app, Options& options) {
  app.add_option("stream", options.stream, "Stream to watch: its alias, or its id of 64 hex digits")->required();
  app.add_option("--coordinator", options.coordinator, "Address of the coordinator, http(s)://HOST:PORT");
  app.add_option("--out", options.out, "File for the media, - for standard output");
  app.add_option("--serve", options.serve, "HOST:PORT for a local HLS address; port 0 is any free one");
  app.add_option("--seconds", options.seconds, "End after so many seconds; 0 goes on until the stream ends")->capture_default_str();
  app.add_flag("--json", options.json, "Figures as JSON lines");
  app.add_option("--relay", options.relay, "Relay to watch from, ws(s)://HOST:PORT/relay, instead of asking the coordinator");
  app.add_option("--ticket", options.ticket, "Ticket for --relay: 496 hex digits, or @FILE that holds them");
  app.add_option("--relay-key", options.relay_key, "Public key, in hex, that --relay must prove");
  app.add_option("--key", options.key, "Key file of this viewer; made where it does not exist. Without it a fresh key for this run");
  app.add_option("--start", options.start, "Where to begin: edge, independent (newest whole picture), oldest")
      ->check(CLI::IsMember({"edge", "independent", "oldest"}))->capture_default_str();
  app.add_option("--track", options.track, "Track that is written to --out")->check(CLI::Range(0u, STREAMR_TRACK_MAX))->capture_default_str();
  app.add_option("--buffer-ms", options.buffer_ms, "Buffer of the player that stalls are counted for")->capture_default_str();
  app.add_option("--max-latency-ms", options.max_latency_ms, "Chunks later than this may be dropped by the relay; 0 is its default of about 2 s")->capture_default_str();
}

std::uint32_t Options::start_number() const {
  if (start == "edge") return STREAMR_START_EDGE;
  return start == "oldest" ? STREAMR_START_OLDEST : STREAMR_START_INDEPENDENT;
}

namespace {

std::string read_ticket(Options& options) {
  std::string text = options.ticket, sentence;
  if (text.front() == '@') {
    const auto bytes = programs::read_file(text.substr(1), 4096, sentence);
    if (!bytes) return sentence;
    text.assign(bytes->begin(), bytes->end());
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  }
  options.ticket_bytes.emplace();
  if (programs::from_hex(text, options.ticket_bytes->data(), options.ticket_bytes->size())) return {};
  return "--ticket expects " + std::to_string(2 * STREAMR_TICKET_BYTES) + " lower-case hex digits or @FILE, and got " +
         std::to_string(text.size()) + " characters";
}

}  // namespace

std::string check(Options& options) {
  if (options.out.empty() && options.serve.empty()) return "nothing to do with the stream: give --out FILE or --serve HOST:PORT";
  if (options.coordinator.empty() && options.relay.empty()) return "nobody to ask for the stream: give --coordinator URL or --relay URL";
  if (!options.serve.empty() && !programs::parse_host_port(options.serve)) return "--serve expects HOST:PORT, and got " + options.serve;
  if (options.relay.empty() && (!options.ticket.empty() || !options.relay_key.empty())) return "--ticket and --relay-key belong to --relay URL";
  if (!options.relay_key.empty()) {
    options.relay_key_bytes.emplace();
    if (!programs::from_hex(options.relay_key, options.relay_key_bytes->data(), STREAMR_KEY_BYTES))
      return "--relay-key expects 64 lower-case hex digits";
  }
  return options.ticket.empty() ? std::string{} : read_ticket(options);
}

}  // namespace streamr::viewer
