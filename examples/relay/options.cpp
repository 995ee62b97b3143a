#include "relay/options.hpp"

#include <algorithm>

#include "common/hex.hpp"

namespace streamr::programs {

namespace {

constexpr const char* examples =
    "Commands:\n"
    "  streamr-relay top                        what a running relay does, once a second (see top --help)\n"
    "  streamr-relay ctl --control PATH ...     asks a running relay or changes its limits (see ctl --help)\n"
    "\n"
    "Examples:\n"
    "  streamr-relay --coordinator https://streams.example --listen 0.0.0.0:8443 --key relay.key \\\n"
    "                --advertise ws://relay.example:8443/relay\n"
    "      registers, carries what it is assigned, serves viewers and players on one port\n"
    "  streamr-relay --listen 127.0.0.1:0 --key relay.key --open --any-stream\n"
    "      a relay for friends, without a coordinator: takes any stream that a publisher announces to it\n"
    "  streamr-relay --listen 127.0.0.1:9000 --key relay.key --open --carry STREAM_ID=ws://192.0.2.7:8443/relay\n"
    "      carries one stream on from another relay\n"
    "  streamr-relay --config /etc/streamr/relay.toml\n"
    "      all of it from a file; after \"kill -HUP\" limits, log level and TLS certificate are read again\n"
    "\n"
    "The first line of output is \"listening on HOST:PORT\". SIGTERM or Ctrl-C says good-bye to peers and ends within 3 s.\n"
    "A coordinator that is down is waited for; streams that are under way go on without it.\n";

std::string flag_of(const char* setting) {
  std::string out = std::string("--") + setting;
  std::replace(out.begin(), out.end(), '_', '-');
  return out;
}

}  // namespace

Cli relay_cli() { return Cli("streamr-relay", "Carries live streams for others and proves what it delivered.", examples); }

void add_flags(CLI::App& app, RelayOptions& options) {
  app.add_option("--coordinator", options.coordinator, "Address of the coordinator, http(s)://HOST:PORT");
  app.add_option("--listen", options.listen, "HOST:PORT for peers and players; port 0 is any free one")->required();
  app.add_option("--key", options.key, "Key file of this relay; made, readable by its owner only, where it does not exist")->required();
  app.add_option("--role", options.role, "relay, or origin: the operator's own, named to the coordinator")
      ->check(CLI::IsMember({"relay", "origin"}))->capture_default_str();
  app.add_option("--advertise", options.advertise, "Address that others reach this relay at, ws(s)://HOST:PORT/relay; else from --listen");
  app.add_option("--state", options.state, "Directory for what must survive a restart; made where it does not exist");
  app.add_option("--capacity-kbps", options.capacity_kbps, "Upload offered to others")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--loops", options.loops, "Event loops that serve the port, a thread each; 0 is one for each core")
      ->check(CLI::Range(0u, 256u))->capture_default_str();
  app.add_option("--tls-cert", options.tls_cert, "Certificate chain (PEM) for https and wss; read again at SIGHUP");
  app.add_option("--tls-key", options.tls_key, "Its private key (PEM), readable by its owner only");
  app.add_option("--tls-authorities", options.tls_authorities, "Authorities (PEM) trusted for wss:// upstreams beside the system's");
  app.add_option("--control", options.control, "Path of a Unix socket for streamr-relay ctl; made for its owner only");
  for (const LiveNumber& number : live_numbers())
    app.add_option(flag_of(number.name), options.live.*number.member, number.help)->capture_default_str();
  app.add_option("--name", options.name, "Name shown by the coordinator, at most 64 bytes");
  app.add_option("--carry", options.carry, "STREAM_ID, or STREAM_ID=ws://HOST:PORT/relay to take it from there; may be repeated");
  app.add_option("--coordinator-key", options.coordinator_key, "The coordinator's public key in hex; else the one it shows first is kept");
  app.add_flag("--open", options.open, "Viewers and relays need no ticket here");
  app.add_flag("--any-stream", options.any_stream, "Take any stream that a publisher announces to this relay");
}

std::string check(const RelayOptions& options) {
  std::vector<Carried> carried;
  std::uint8_t key[STREAMR_KEY_BYTES];
  if (std::string wrong = read_carried(options.carry, carried); !wrong.empty()) return wrong;
  if (!parse_host_port(options.listen)) return "--listen expects HOST:PORT, and got " + options.listen;
  if (options.coordinator.empty() && carried.empty() && !options.any_stream)
    return "nothing to carry: give --coordinator, --carry or --any-stream";
  if (options.name.size() > 64) return "--name takes at most 64 bytes";
  if (!options.coordinator_key.empty() && !from_hex(options.coordinator_key, key, sizeof key))
    return "--coordinator-key expects 64 lower-case hex digits";
  if (options.tls_cert.empty() != options.tls_key.empty()) return "--tls-cert and --tls-key are given together or not at all";
  return check(options.live);
}

std::string read_carried(const std::vector<std::string>& texts, std::vector<Carried>& carried) {
  for (const std::string& text : texts) {
    const std::size_t mark = text.find('=');
    Carried one{};
    if (!from_hex(text.substr(0, mark), one.stream, sizeof one.stream))
      return "--carry expects STREAM_ID (64 hex digits) or STREAM_ID=URL, and got " + text;
    if (mark != std::string::npos) one.upstream = text.substr(mark + 1);
    carried.push_back(one);
  }
  return {};
}

std::vector<std::string> need_restart(const RelayOptions& before, const RelayOptions& after) {
  std::vector<std::string> out;
  const auto compare = [&](const char* flag, const auto& was, const auto& is) {
    if (was != is) out.emplace_back(flag);
  };
  compare("--coordinator", before.coordinator, after.coordinator);
  compare("--listen", before.listen, after.listen);
  compare("--key", before.key, after.key);
  compare("--role", before.role, after.role);
  compare("--advertise", before.advertise, after.advertise);
  compare("--state", before.state, after.state);
  compare("--capacity-kbps", before.capacity_kbps, after.capacity_kbps);
  compare("--loops", before.loops, after.loops);
  compare("--tls-cert", before.tls_cert, after.tls_cert);
  compare("--tls-key", before.tls_key, after.tls_key);
  compare("--tls-authorities", before.tls_authorities, after.tls_authorities);
  compare("--control", before.control, after.control);
  compare("--name", before.name, after.name);
  compare("--carry", before.carry, after.carry);
  compare("--coordinator-key", before.coordinator_key, after.coordinator_key);
  compare("--open", before.open, after.open);
  compare("--any-stream", before.any_stream, after.any_stream);
  return out;
}

}  // namespace streamr::programs
