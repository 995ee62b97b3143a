// streamr-watch: watches a stream through relays that nobody has to trust, writes or serves what verified, shows figures.
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>

#include "common/event_log.hpp"
#include "common/exit_codes.hpp"
#include "common/identity.hpp"
#include "common/log.hpp"
#include "common/stop_signal.hpp"
#include "viewer/figures.hpp"
#include "viewer/media_writer.hpp"
#include "viewer/options.hpp"

namespace {

using namespace streamr::programs;
using namespace streamr::viewer;

constexpr const char* program = "streamr-watch";
constexpr std::uint32_t stop_within_ms = 2'000;
constexpr std::uint64_t after_end_us = 6'000'000;        // 3 x target duration: a new epoch may follow
constexpr std::uint64_t second_us = 1'000'000;
constexpr std::uint64_t log_every_us = 5'000'000;

std::uint64_t mono_us() {
  using namespace std::chrono;
  return static_cast<std::uint64_t>(duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count());
}

const char* or_null(const std::string& text) { return text.empty() ? nullptr : text.c_str(); }

class Viewer {
 public:
  explicit Viewer(const Options& options)
      : options_(options), began_us_(mono_us()), figures_(began_us_, unix_us()), player_(1000ull * options.buffer_ms) {}
  ~Viewer() {
    streamr_subscription_close(subscription_);
    streamr_node_destroy(node_);
  }

  int start(const streamr_key_t* key);
  int run(StopSignal& stop);

 private:
  int start_node(const streamr_key_t* key);
  bool drain_events();
  bool on_chunk(const streamr_event_t& event);
  void tick(std::uint64_t now_us);
  void print(const std::string& json) const;
  bool over(std::uint64_t now_us) const;
  int finish();

  const Options& options_;
  std::uint64_t began_us_;
  Figures figures_;
  PlayerModel player_;
  MediaWriter writer_;
  EventLog log_;
  streamr_node_t* node_ = nullptr;
  streamr_subscription_t* subscription_ = nullptr;
  std::uint64_t ended_us_ = 0;                            // when END came; 0 = the stream runs
  std::uint64_t told_us_ = 0;
  bool stopped_ = false;
  bool cannot_write_ = false;
};

int Viewer::start_node(const streamr_key_t* key) {
  streamr_node_options_t options = STREAMR_NODE_OPTIONS_INIT;
  options.role = STREAMR_ROLE_VIEWER;
  options.identity = key;
  options.coordinator_url = or_null(options_.coordinator);
  options.listen = or_null(options_.serve);
  options.software = "streamr-watch/" STREAMR_VERSION_STRING;
  streamr_error_t error = STREAMR_ERROR_INIT;
  streamr_status_t status = streamr_node_create(&options, &node_, &error);
  if (status == STREAMR_OK) status = streamr_node_start(node_, &error);
  if (status == STREAMR_OK) return exit_ok;
  const int code = status == STREAMR_E_INUSE || status == STREAMR_E_IO ? exit_in_use
                   : status == STREAMR_E_INVALID                       ? exit_usage
                                                                       : exit_failed;
  return fail(program, code, error.text[0] != 0 ? error.text : streamr_status_message(status));
}

int Viewer::start(const streamr_key_t* key) {
  if (!options_.out.empty() && !writer_.open(options_.out)) return fail(program, exit_storage, writer_.trouble());
  if (const int code = start_node(key); code != exit_ok) return code;
  if (!options_.serve.empty()) {
    char address[320] = {};
    streamr_node_listening(node_, address, sizeof address);
    if (options_.out == "-") std::fprintf(stderr, "listening on %s\n", address);
    else print_listening(address);
    log_info("serving", std::string("open http://") + address + "/live/" + options_.stream + ".m3u8 in a player");
  }
  streamr_subscription_options_t wanted = STREAMR_SUBSCRIPTION_OPTIONS_INIT;
  wanted.stream = options_.stream.c_str();
  wanted.start = options_.start_number();
  wanted.relay_url = or_null(options_.relay);
  wanted.relay_key = options_.relay_key_bytes ? options_.relay_key_bytes->data() : nullptr;
  wanted.ticket = options_.ticket_bytes ? options_.ticket_bytes->data() : nullptr;
  wanted.track_mask = options_.serve.empty() ? 1u << options_.track : 0;
  wanted.max_latency_ms = options_.max_latency_ms;
  streamr_error_t error = STREAMR_ERROR_INIT;
  const streamr_status_t status = streamr_subscription_open(node_, &wanted, &subscription_, &error);
  if (status == STREAMR_OK) return exit_ok;
  return fail(program, status == STREAMR_E_INVALID ? exit_usage : exit_failed,
              "the stream cannot be watched: " + std::string(error.text[0] != 0 ? error.text : streamr_status_message(status)));
}

bool Viewer::on_chunk(const streamr_event_t& event) {
  const std::uint64_t now_us = mono_us();
  const std::size_t len = streamr_blob_size(event.blob);
  figures_.on_chunk(event, len, now_us);
  if (event.header.track != options_.track) return true;
  if ((event.header.flags & STREAMR_CHUNK_INIT) == 0) {
    player_.on_chunk(event.header.duration_us, now_us);
    ended_us_ = 0;
  }
  if (writer_.on_chunk(event.header, streamr_blob_data(event.blob), len)) return true;
  cannot_write_ = !writer_.reader_gone();
  return false;
}

// False: nothing more is wanted.
bool Viewer::drain_events() {
  streamr_event_t event;
  std::memset(&event, 0, sizeof event);
  event.struct_size = sizeof event;
  while (streamr_node_poll(node_, &event, 0) == STREAMR_OK) {
    bool go_on = true;
    if (event.kind == STREAMR_EVENT_CHUNK) {
      go_on = on_chunk(event);
    } else {
      figures_.on_event(event, mono_us());
      log_.on_event(event);
    }
    if (event.kind == STREAMR_EVENT_ENDED && event.value == 1) {
      ended_us_ = mono_us();
      player_.on_end(ended_us_);
    }
    stopped_ = stopped_ || event.kind == STREAMR_EVENT_STOPPED;
    streamr_blob_release(event.blob);
    event.blob = nullptr;
    if (!go_on || stopped_) return false;
  }
  return true;
}

void Viewer::print(const std::string& json) const {
  std::FILE* to = options_.out == "-" ? stderr : stdout;
  std::fprintf(to, "%s\n", json.c_str());
  std::fflush(to);
}

void Viewer::tick(std::uint64_t now_us) {
  player_.on_tick(now_us);
  if (const std::uint32_t stall_ms = player_.take_stall_ms(); stall_ms > 0) streamr_subscription_stalled(subscription_, stall_ms);
  const std::uint64_t every_us = options_.json ? second_us : log_every_us;
  if (now_us < told_us_ + every_us) return;
  told_us_ = now_us;
  if (options_.json) print(figures_.json(player_, "live", now_us));
  else log_info("figures", figures_.any() ? figures_.line(player_) : "waiting for the stream");
}

bool Viewer::over(std::uint64_t now_us) const {
  if (options_.seconds != 0 && now_us >= began_us_ + options_.seconds * second_us) return true;
  return options_.serve.empty() && ended_us_ != 0 && now_us >= ended_us_ + after_end_us;
}

int Viewer::run(StopSignal& stop) {
  pollfd waited[2] = {{streamr_node_fd(node_), POLLIN, 0}, {stop.fd(), POLLIN, 0}};
  told_us_ = mono_us();
  bool wanted = true;
  while (wanted && !stop.requested() && !over(mono_us())) {
    poll(waited, 2, 100);
    stop.take_reload();
    wanted = drain_events();
    tick(mono_us());
  }
  const bool asked_to_stop = stop.requested();
  const int code = finish();
  return code == exit_timeout && asked_to_stop ? exit_ok : code;
}

int Viewer::finish() {
  player_.on_end(mono_us());
  if (const std::uint32_t stall_ms = player_.take_stall_ms(); stall_ms > 0) streamr_subscription_stalled(subscription_, stall_ms);
  streamr_subscription_close(subscription_);
  subscription_ = nullptr;
  const bool died = stopped_;
  if (!died) streamr_node_stop(node_, stop_within_ms);
  const bool closed = writer_.close();
  if (options_.json) print(figures_.json(player_, "summary", mono_us()));
  else log_info("summary", figures_.line(player_));
  if (cannot_write_ || !closed) return fail(program, exit_storage, writer_.trouble());
  if (died) return fail(program, exit_failed, "the node stopped by itself");
  if (!figures_.any()) return fail(program, exit_timeout, "nothing of the stream " + options_.stream + " came in the time allowed");
  return exit_ok;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  Cli cli(program, "Watches a live stream and verifies every byte of it.", examples_text);
  add_flags(cli.app(), options);
  if (const auto code = cli.parse(argc, argv)) return *code;
  if (const std::string wrong = check(options); !wrong.empty()) return fail(program, exit_usage, wrong);
  StopSignal stop;
  Identity identity;
  if (!options.key.empty()) {
    identity = load_or_make_key(options.key);
    if (!identity.key) return fail(program, exit_key, identity.sentence);
  }
  Viewer viewer(options);
  if (const int code = viewer.start(identity.key.get()); code != exit_ok) return code;
  return viewer.run(stop);
}
