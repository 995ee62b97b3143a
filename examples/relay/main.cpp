// streamr-relay: carries live streams for others, as a coordinator assigns them or as the command line names them.
#include <poll.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "common/cli.hpp"
#include "common/event_log.hpp"
#include "common/exit_codes.hpp"
#include "common/hex.hpp"
#include "common/identity.hpp"
#include "common/log.hpp"
#include "common/stop_signal.hpp"

namespace {

using namespace streamr::programs;

constexpr const char* program = "streamr-relay";
constexpr std::uint32_t stop_within_ms = 2'500;
constexpr const char* examples =
    "Examples:\n"
    "  streamr-relay --coordinator https://streams.example --listen 0.0.0.0:8443 --key relay.key \\\n"
    "                --advertise ws://relay.example:8443/relay\n"
    "      registers, carries what it is assigned, serves viewers and players on one port\n"
    "  streamr-relay --listen 127.0.0.1:0 --key relay.key --open --any-stream\n"
    "      a relay for friends, without a coordinator: takes any stream that a publisher announces to it\n"
    "  streamr-relay --listen 127.0.0.1:9000 --key relay.key --open --carry STREAM_ID=ws://192.0.2.7:8443/relay\n"
    "      carries one stream on from another relay\n"
    "\n"
    "The first line of output is \"listening on HOST:PORT\". SIGTERM or Ctrl-C says good-bye to peers and ends within 3 s.\n"
    "A coordinator that is down is waited for; streams that are under way go on without it.\n";

struct Wishes {
  std::string coordinator, listen, key, role = "relay", advertise, state, name, coordinator_key;
  std::vector<std::string> carry;
  std::uint32_t capacity_kbps = 100'000;
  std::uint32_t memory_mb = 256;
  bool open = false, any_stream = false;
};

struct Carried {
  std::uint8_t stream[STREAMR_KEY_BYTES];
  std::string upstream;
};

void add_flags(CLI::App& app, Wishes& wishes) {
  app.add_option("--coordinator", wishes.coordinator, "Address of the coordinator, http(s)://HOST:PORT");
  app.add_option("--listen", wishes.listen, "HOST:PORT for peers and players; port 0 is any free one")->required();
  app.add_option("--key", wishes.key, "Key file of this relay; made, readable by its owner only, where it does not exist")->required();
  app.add_option("--role", wishes.role, "relay, or origin: the operator's own, named to the coordinator")
      ->check(CLI::IsMember({"relay", "origin"}))->capture_default_str();
  app.add_option("--advertise", wishes.advertise, "Address that others reach this relay at, ws(s)://HOST:PORT/relay; else from --listen");
  app.add_option("--state", wishes.state, "Directory for what must survive a restart; made where it does not exist");
  app.add_option("--capacity-kbps", wishes.capacity_kbps, "Upload offered to others")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--memory-mb", wishes.memory_mb, "Limit of the media kept")->check(CLI::Range(8u, 1u << 20))->capture_default_str();
  app.add_option("--name", wishes.name, "Name shown by the coordinator, at most 64 bytes");
  app.add_option("--carry", wishes.carry, "STREAM_ID, or STREAM_ID=ws://HOST:PORT/relay to take it from there; may be repeated");
  app.add_option("--coordinator-key", wishes.coordinator_key, "The coordinator's public key in hex; else the one it shows first is kept");
  app.add_flag("--open", wishes.open, "Viewers and relays need no ticket here");
  app.add_flag("--any-stream", wishes.any_stream, "Take any stream that a publisher announces to this relay");
}

// Nothing, or the sentence that says what is wrong.
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

int exit_code_of(streamr_status_t status) {
  switch (status) {
    case STREAMR_E_INUSE:
    case STREAMR_E_IO: return exit_in_use;
    case STREAMR_E_INVALID: return exit_usage;
    default: return exit_failed;
  }
}

std::string reason_of(streamr_status_t status, const streamr_error_t& error) {
  return error.text[0] != 0 ? error.text : streamr_status_message(status);
}

class Relay {
 public:
  ~Relay() { streamr_node_destroy(node_); }

  int start(const Wishes& wishes, const streamr_key_t* key, const std::vector<Carried>& carried);
  int run(StopSignal& stop);

 private:
  int create(const Wishes& wishes, const streamr_key_t* key);
  bool drain_events();

  streamr_node_t* node_ = nullptr;
  EventLog log_;
};

int Relay::create(const Wishes& wishes, const streamr_key_t* key) {
  std::uint8_t coordinator_key[STREAMR_KEY_BYTES];
  if (!wishes.coordinator_key.empty() && !from_hex(wishes.coordinator_key, coordinator_key, sizeof coordinator_key))
    return fail(program, exit_usage, "--coordinator-key expects 64 lower-case hex digits");
  const auto or_null = [](const std::string& text) { return text.empty() ? nullptr : text.c_str(); };
  streamr_node_options_t options = STREAMR_NODE_OPTIONS_INIT;
  options.role = wishes.role == "origin" ? STREAMR_ROLE_ORIGIN : STREAMR_ROLE_RELAY;
  options.identity = key;
  options.coordinator_url = or_null(wishes.coordinator);
  options.listen = wishes.listen.c_str();
  options.advertise_url = or_null(wishes.advertise);
  options.state_dir = or_null(wishes.state);
  options.name = or_null(wishes.name);
  options.software = "streamr-relay/" STREAMR_VERSION_STRING;
  options.coordinator_key = wishes.coordinator_key.empty() ? nullptr : coordinator_key;
  options.capacity_kbps = wishes.capacity_kbps;
  options.memory_bytes_kib = wishes.memory_mb * 1024;
  options.flags = (wishes.open ? STREAMR_NODE_OPEN_TICKETS : 0) | (wishes.any_stream ? STREAMR_NODE_ANY_STREAM : 0);
  streamr_error_t error = STREAMR_ERROR_INIT;
  const streamr_status_t status = streamr_node_create(&options, &node_, &error);
  return status == STREAMR_OK ? exit_ok : fail(program, exit_code_of(status), reason_of(status, error));
}

int Relay::start(const Wishes& wishes, const streamr_key_t* key, const std::vector<Carried>& carried) {
  if (const int code = create(wishes, key); code != exit_ok) return code;
  streamr_error_t error = STREAMR_ERROR_INIT;
  const streamr_status_t status = streamr_node_start(node_, &error);
  if (status != STREAMR_OK)
    return fail(program, exit_code_of(status), reason_of(status, error));
  char address[320] = {};
  streamr_node_listening(node_, address, sizeof address);
  print_listening(address);
  for (const Carried& one : carried) {
    const char* upstream = one.upstream.empty() ? nullptr : one.upstream.c_str();
    const streamr_status_t taken = streamr_relay_carry(node_, one.stream, upstream, nullptr, 0);
    if (taken != STREAMR_OK) return fail(program, exit_usage, std::string("--carry: ") + streamr_status_message(taken));
  }
  log_info("started", std::string("serving peers at ws://") + address + "/relay and players at http://" + address + "/live/",
           {{"address", std::string(address)}, {"public_key", public_hex(key)}, {"role", wishes.role}});
  return exit_ok;
}

// False: the node has stopped by itself.
bool Relay::drain_events() {
  streamr_event_t event;
  std::memset(&event, 0, sizeof event);
  event.struct_size = sizeof event;
  while (streamr_node_poll(node_, &event, 0) == STREAMR_OK) {
    streamr_blob_release(event.blob);
    if (event.kind == STREAMR_EVENT_STOPPED) return false;
    log_.on_event(event);
  }
  return true;
}

int Relay::run(StopSignal& stop) {
  pollfd waited[2] = {{streamr_node_fd(node_), POLLIN, 0}, {stop.fd(), POLLIN, 0}};
  while (!stop.requested()) {
    poll(waited, 2, 1'000);
    if (stop.take_reload()) log_info("reload", "SIGHUP: there is nothing to read anew");
    if (!drain_events()) return fail(program, exit_failed, "the node stopped by itself");
  }
  log_info("stopping", "saying good-bye to peers");
  const streamr_status_t status = streamr_node_stop(node_, stop_within_ms);
  drain_events();
  log_info("stopped", status == STREAMR_OK ? "everything is closed" : "some peers were cut off at the deadline");
  return exit_ok;
}

}  // namespace

int main(int argc, char** argv) {
  Wishes wishes;
  Cli cli(program, "Carries live streams for others and proves what it delivered.", examples);
  add_flags(cli.app(), wishes);
  if (const auto code = cli.parse(argc, argv)) return *code;
  std::vector<Carried> carried;
  if (const std::string wrong = read_carried(wishes.carry, carried); !wrong.empty()) return fail(program, exit_usage, wrong);
  if (!parse_host_port(wishes.listen)) return fail(program, exit_usage, "--listen expects HOST:PORT, and got " + wishes.listen);
  if (wishes.coordinator.empty() && carried.empty() && !wishes.any_stream)
    return fail(program, exit_usage, "nothing to carry: give --coordinator, --carry or --any-stream");
  if (wishes.name.size() > 64) return fail(program, exit_usage, "--name takes at most 64 bytes");
  if (!wishes.state.empty() && mkdir(wishes.state.c_str(), 0700) != 0 && errno != EEXIST)
    return fail(program, exit_storage, "the directory " + wishes.state + " cannot be made: " + std::strerror(errno));

  StopSignal stop;
  const Identity identity = load_or_make_key(wishes.key);
  if (!identity.key) return fail(program, exit_key, identity.sentence);
  if (identity.made) log_info("key_made", "made a new key file " + wishes.key, {{"public_key", public_hex(identity.key.get())}});
  Relay relay;
  if (const int code = relay.start(wishes, identity.key.get(), carried); code != exit_ok) return code;
  return relay.run(stop);
}
