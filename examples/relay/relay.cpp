#include "relay/relay.hpp"

#include <malloc.h>
#include <poll.h>
#include <sched.h>

#include <algorithm>
#include <cstring>
#include <ctime>

#include "common/descriptors.hpp"
#include "common/exit_codes.hpp"
#include "common/hex.hpp"
#include "common/key_files.hpp"
#include "common/log.hpp"

namespace streamr::programs {

namespace {

constexpr const char* program = "streamr-relay";
constexpr std::uint32_t stop_within_ms = 2'500;

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

const char* or_null(const std::string& text) { return text.empty() ? nullptr : text.c_str(); }

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : ", ") + text;
  return out.empty() ? "nothing" : out;
}

std::uint32_t loops_of(const RelayOptions& options) {
  if (options.loops != 0) return options.loops;
  cpu_set_t ours;  // the cores that this process may run on, not those of the machine
  CPU_ZERO(&ours);
  if (sched_getaffinity(0, sizeof ours, &ours) != 0) return 1;
  return static_cast<std::uint32_t>(std::clamp(CPU_COUNT(&ours), 1, 256));
}

// After a flood the allocator would keep what it took for it.
void give_memory_back() {
#if defined(__GLIBC__)
  static std::time_t last = 0;
  const std::time_t now = std::time(nullptr);
  if (now - last < 5) return;
  last = now;
  malloc_trim(0);
#endif
}

}  // namespace

int Relay::create(const streamr_key_t* key) {
  std::uint8_t coordinator_key[STREAMR_KEY_BYTES] = {};
  from_hex(options_.coordinator_key, coordinator_key, sizeof coordinator_key);
  const streamr_limits_t limits = to_limits(options_.live);
  streamr_node_options_t options = STREAMR_NODE_OPTIONS_INIT;
  options.role = options_.role == "origin" ? STREAMR_ROLE_ORIGIN : STREAMR_ROLE_RELAY;
  options.identity = key;
  options.coordinator_url = or_null(options_.coordinator);
  options.listen = options_.listen.c_str();
  options.advertise_url = or_null(options_.advertise);
  options.state_dir = or_null(options_.state);
  options.name = or_null(options_.name);
  options.software = "streamr-relay/" STREAMR_VERSION_STRING;
  options.coordinator_key = options_.coordinator_key.empty() ? nullptr : coordinator_key;
  options.capacity_kbps = options_.capacity_kbps;
  options.memory_bytes_kib = limits.memory_kib;
  options.flags = (options_.open ? STREAMR_NODE_OPEN_TICKETS : 0) | (options_.any_stream ? STREAMR_NODE_ANY_STREAM : 0);
  options.http_per_address = limits.http_per_address;
  options.websockets_per_address = limits.websockets_per_address;
  options.max_connections = limits.max_connections;
  options.upload_kbps = limits.upload_kbps;
  options.max_viewers = limits.max_viewers;
  options.loops = loops_of(options_);
  options.tls_certificate_file = or_null(options_.tls_cert);
  options.tls_key_file = or_null(options_.tls_key);
  options.tls_authorities_file = or_null(options_.tls_authorities);
  streamr_error_t error = STREAMR_ERROR_INIT;
  const streamr_status_t status = streamr_node_create(&options, &node_, &error);
  return status == STREAMR_OK ? exit_ok : fail(program, exit_code_of(status), reason_of(status, error));
}

int Relay::start(const streamr_key_t* key) {
  const std::uint64_t descriptors = raise_descriptor_limit();
  if (const int code = create(key); code != exit_ok) return code;
  if (const int code = open_control(); code != exit_ok) return code;
  streamr_error_t error = STREAMR_ERROR_INIT;
  const streamr_status_t status = streamr_node_start(node_, &error);
  if (status != STREAMR_OK) return fail(program, exit_code_of(status), reason_of(status, error));
  char address[320] = {};
  streamr_node_listening(node_, address, sizeof address);
  print_listening(address);
  if (const int code = carry_all(); code != exit_ok) return code;
  const std::string s = options_.tls_cert.empty() ? "" : "s";
  log_info("started", "serving peers at ws" + s + "://" + address + "/relay and players at http" + s + "://" + address + "/live/",
           {{"address", std::string(address)}, {"public_key", public_hex(key)}, {"role", options_.role}});
  log_info("limits", "limits in force",
           {{"connections", options_.live.connections}, {"descriptors", descriptors}, {"loops", loops_of(options_)},
            {"memory_mb", options_.live.memory_mb}, {"upload_kbps", options_.live.upload_kbps}, {"max_viewers", options_.live.max_viewers}});
  if (descriptors < options_.live.connections + 64u)
    log_warn("descriptors_few", "fewer descriptors than connections are allowed; raise the hard limit (ulimit -n, LimitNOFILE=)",
             {{"descriptors", descriptors}, {"connections", options_.live.connections}});
  return exit_ok;
}

int Relay::carry_all() {
  std::vector<Carried> carried;
  read_carried(options_.carry, carried);
  for (const Carried& one : carried) {
    const streamr_status_t taken = streamr_relay_carry(node_, one.stream, or_null(one.upstream), nullptr, 0);
    if (taken != STREAMR_OK) return fail(program, exit_usage, std::string("--carry: ") + streamr_status_message(taken));
  }
  return exit_ok;
}

int Relay::open_control() {
  if (options_.control.empty()) return exit_ok;
  control_ = std::make_unique<ControlSocket>([this](std::string_view line) { return answer_request(line, *this); });
  const std::string wrong = control_->open(options_.control);
  return wrong.empty() ? exit_ok : fail(program, exit_in_use, wrong);
}

// ---- what changes while it runs

std::string Relay::change(const LiveSettings& settings) {
  const auto changed = differences(options_.live, settings);
  if (changed.empty()) return {};
  const streamr_limits_t limits = to_limits(settings);
  streamr_error_t error = STREAMR_ERROR_INIT;
  const streamr_status_t status = streamr_node_set_limits(node_, &limits, &error);
  if (status != STREAMR_OK) return reason_of(status, error);
  log_set_level(log_level_of(settings.log_level));
  options_.live = settings;
  log_info("limits_changed", "changed: " + joined(changed));
  return {};
}

ControlTarget::Reloaded Relay::reload() {
  Reloaded out;
  RelayOptions fresh;
  Cli cli = relay_cli();
  add_flags(cli.app(), fresh);
  if (const auto wrong = cli.parse_quietly(argc_, argv_)) out.wrong = *wrong;
  if (out.wrong.empty()) out.wrong = set_log_level(fresh.live, cli.log_level());
  if (out.wrong.empty()) out.wrong = check(fresh);
  if (out.wrong.empty() && !options_.tls_cert.empty()) {
    streamr_error_t error = STREAMR_ERROR_INIT;
    if (const streamr_status_t status = streamr_node_reload_tls(node_, &error); status != STREAMR_OK) out.wrong = reason_of(status, error);
    else log_info("certificate_reloaded", "new connections get the certificate of " + options_.tls_cert);
  }
  const LiveSettings before = options_.live;
  if (out.wrong.empty()) out.wrong = change(fresh.live);
  if (!out.wrong.empty()) {
    log_error("reload_refused", "the configuration is as before: " + out.wrong);
    return out;
  }
  out.changed = differences(before, fresh.live);
  out.restart_needed = need_restart(options_, fresh);
  log_info("reloaded", "configuration read again; changed: " + joined(out.changed));
  if (!out.restart_needed.empty()) log_warn("restart_needed", "these hold after a restart: " + joined(out.restart_needed));
  return out;
}

std::string Relay::stats_json() const {
  std::string out(16'384, '\0');
  for (std::size_t needed = 0;; out.resize(needed + 4096)) {
    const streamr_status_t status = streamr_node_stats(node_, out.data(), out.size(), &needed);
    if (status == STREAMR_OK) return out.substr(0, needed - 1);
    if (status != STREAMR_E_LIMIT) return "null";
  }
}

// ---- life

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
  std::vector<pollfd> waited;
  while (!stop.requested() && !drain_wanted_) {
    waited = {{streamr_node_fd(node_), POLLIN, 0}, {stop.fd(), POLLIN, 0}};
    if (control_) control_->add_to(waited);
    if (poll(waited.data(), waited.size(), 1'000) < 0) continue;
    if (stop.take_reload()) reload();
    if (control_) control_->serve(waited);
    if (!drain_events()) return fail(program, exit_failed, "the node stopped by itself");
    give_memory_back();
  }
  log_info("goaway", drain_wanted_ ? "drain was asked for: saying good-bye to peers" : "saying good-bye to peers");
  const streamr_status_t status = streamr_node_stop(node_, stop_within_ms);
  drain_events();
  log_info("stopped", status == STREAMR_OK ? "everything is closed" : "some peers were cut off at the deadline");
  return exit_ok;
}

}  // namespace streamr::programs
