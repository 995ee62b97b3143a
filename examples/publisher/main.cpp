// streamr-publish: takes a live source over RTMP or through ffmpeg, cuts it into parts, signs them and publishes them.
#include <poll.h>

#include <cstdio>
#include <string_view>

#include "common/cli.hpp"
#include "common/exit_codes.hpp"
#include "common/json_text.hpp"
#include "common/log.hpp"
#include "common/stop_signal.hpp"
#include "publisher/library_sink.hpp"
#include "publisher/publisher.hpp"

namespace {

using namespace streamr::programs;
using namespace streamr::publisher;

constexpr const char* program = "streamr-publish";
constexpr const char* examples =
    "Examples:\n"
    "  streamr-keygen root channel.key\n"
    "  STREAMR_STREAM_KEY=… streamr-publish --coordinator http://127.0.0.1:8080 --key channel.key --rtmp 127.0.0.1:1935 --alias ada\n"
    "      then OBS or ffmpeg publish to rtmp://127.0.0.1:1935/live with that stream key\n"
    "  streamr-publish --coordinator http://127.0.0.1:8080 --key channel.key --input film.mp4\n"
    "  streamr-publish --coordinator http://127.0.0.1:8080 --session-key today.key --certificate today.cert --rtmp 127.0.0.1:0 \\\n"
    "      --stream-key-file secret.txt\n"
    "\n"
    "A newer source with the right stream key takes the place of the present one. Key frames should come every 2 s; up to 10 s\n"
    "the stream is published with longer segments, beyond that it is refused. Prefer the environment or a file of mode 0600\n"
    "for the stream key: arguments can be read by other users of the machine.\n";

constexpr int tick_ms = 50;
constexpr std::uint32_t stop_deadline_ms = 1'200;
constexpr std::uint64_t second_us = 1'000'000;

struct Flags {
  std::string coordinator, key, session_key, rtmp, stream_key, stream_key_file, input, alias, title, pool, origin,
      bearer_file;
  std::vector<std::string> certificates;
  std::uint32_t max_kbps = 0;
  std::uint64_t seconds = 0;
  bool json = false;
};

void add_flags(CLI::App& app, Flags& flags) {
  app.add_option("--coordinator", flags.coordinator, "Address of the coordinator, http(s)://host:port");
  app.add_option("--key", flags.key, "Root key file; a certificate is issued from it for every epoch");
  app.add_option("--session-key", flags.session_key, "Session key file, where the root key is kept offline");
  app.add_option("--certificate", flags.certificates, "Certificates of the session key, one for each start of the source");
  auto* rtmp = app.add_option("--rtmp", flags.rtmp, "Listen for a source: HOST:PORT, port 0 = any free one");
  app.add_option("--stream-key", flags.stream_key, "Stream key that a source must give");
  app.add_option("--stream-key-file", flags.stream_key_file, "File (mode 0600) with the stream key on its first line");
  app.add_option("--input", flags.input, "Publish a file or an address that ffmpeg can read")->excludes(rtmp);
  app.add_option("--alias", flags.alias, "Human name of the stream: a-z, 0-9 and -");
  app.add_option("--title", flags.title, "Title that people see");
  app.add_option("--pool", flags.pool, "Sum an hour for those who carry the stream, such as 1000.0");
  app.add_option("--max-kbps", flags.max_kbps, "Highest rate that certificates allow (default: twice the measured one)");
  app.add_option("--origin", flags.origin, "Origin relay to dial, ws(s)://host:port/relay (default: as the coordinator says)");
  app.add_option("--bearer-file", flags.bearer_file, "File (mode 0600) with the account token on its first line");
  app.add_option("--seconds", flags.seconds, "End that long after the stream began");
  app.add_flag("--json", flags.json, "One JSON object a second on standard output, and one at the end");
}

bool is_alias(std::string_view text) {
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz0123456789";
  return text.size() <= 63 && letters.find(text.front()) != std::string_view::npos &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos;
}

bool is_sum(std::string_view text) {
  constexpr std::string_view digits = "0123456789";
  const std::size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  const std::string_view fraction = point == std::string_view::npos ? "0" : text.substr(point + 1);
  const auto all_digits = [&](std::string_view part, std::size_t most) {
    return !part.empty() && part.size() <= most && part.find_first_not_of(digits) == std::string_view::npos;
  };
  return all_digits(whole, 12) && all_digits(fraction, 6);
}

// Nothing, or the exit code after a sentence was printed.
std::optional<int> check_flags(const Flags& flags) {
  const auto wrong = [](const char* sentence) { return fail(program, exit_usage, sentence); };
  if (flags.rtmp.empty() && flags.input.empty()) return wrong("give a source: --rtmp HOST:PORT or --input FILE_OR_ADDRESS");
  if (!flags.rtmp.empty() && !parse_host_port(flags.rtmp)) return wrong("--rtmp wants HOST:PORT, such as 127.0.0.1:1935");
  if (flags.key.empty() == flags.session_key.empty()) {
    return wrong("give either --key with the root key or --session-key with --certificate");
  }
  if (!flags.alias.empty() && !is_alias(flags.alias)) {
    return wrong("--alias wants 1 to 63 of a-z, 0-9 and -, not beginning with -, such as ada-live");
  }
  if (!flags.pool.empty() && !is_sum(flags.pool)) return wrong("--pool wants a decimal sum with at most six decimals, such as 1000.0");
  if (flags.session_key.empty() != flags.certificates.empty()) return wrong("--session-key and --certificate belong together");
  if (flags.coordinator.empty() && flags.origin.empty()) return wrong("give --coordinator URL, or --origin URL of a relay");
  if (!flags.rtmp.empty() && flags.stream_key.empty() && flags.stream_key_file.empty()) {
    return wrong("--rtmp needs a stream key: STREAMR_STREAM_KEY, --stream-key-file or --stream-key");
  }
  return std::nullopt;
}

std::optional<int> load_secrets(Flags& flags, SinkOptions& sink) {
  std::string sentence;
  const auto wrong = [&] { return fail(program, exit_key, sentence); };
  KeyPtr& key = flags.key.empty() ? sink.session : sink.root;
  key = load_key(flags.key.empty() ? flags.session_key : flags.key, sentence);
  if (!key) return wrong();
  for (const std::string& path : flags.certificates) {
    const auto bytes = read_file(path, STREAMR_CERTIFICATE_BYTES, sentence);
    if (!bytes) return wrong();
    streamr_certificate_t fields = STREAMR_CERTIFICATE_INIT;
    const streamr_status_t status = streamr_certificate_check(bytes->data(), bytes->size(), &fields);
    if (status != STREAMR_OK) {
      sentence = path + " is not a certificate of streamr-keygen: " + streamr_status_message(status);
      return wrong();
    }
    if (to_hex(fields.session_key, sizeof fields.session_key) != public_hex(sink.session.get())) {
      sentence = "the certificate " + path + " belongs to another session key";
      return wrong();
    }
    if (fields.not_after_s <= unix_us() / second_us) {
      sentence = "the certificate " + path + " is past its time; make a new one with streamr-keygen session";
      return wrong();
    }
    CertificateBytes& kept = sink.certificates.emplace_back();
    std::copy(bytes->begin(), bytes->end(), kept.begin());
  }
  if (!flags.stream_key_file.empty()) {
    auto secret = read_secret(flags.stream_key_file, sentence);
    if (!secret) return wrong();
    flags.stream_key = std::move(*secret);
  }
  if (!flags.bearer_file.empty()) {
    auto secret = read_secret(flags.bearer_file, sentence);
    if (!secret) return wrong();
    sink.bearer = std::move(*secret);
  }
  return std::nullopt;
}

// Other users can read the arguments of a process; from here on they see only that there was one.
void hide_argument(int argc, char** argv, std::string_view flag) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    char* secret = nullptr;
    if (word == flag && i + 1 < argc) secret = argv[i + 1];
    if (word.starts_with(flag) && word.size() > flag.size() && word[flag.size()] == '=') secret = argv[i] + flag.size() + 1;
    for (; secret != nullptr && *secret != 0; ++secret) *secret = 'x';
  }
}

void print_figures(const char* event, const LibrarySink& sink, const Publisher& publisher) {
  const SinkFigures& figures = sink.figures();
  const auto number = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
  JsonObject object;
  object.text("event", event).text("stream", sink.stream_id_hex()).text("epoch", std::to_string(figures.epoch));
  object.number("epochs", number(figures.epochs)).number("segments", number(figures.segments));
  object.number("published_chunks", number(figures.chunks)).number("parts", number(figures.parts));
  object.number("published_bytes", number(figures.bytes)).number("gaps", number(figures.gaps));
  object.number("samples_skipped", number(publisher.samples_skipped()));
  object.boolean("source", publisher.has_source()).boolean("coordinator", figures.coordinator).boolean("ready", figures.ready);
  std::printf("%s\n", object.str().c_str());
  std::fflush(stdout);
}

void run_loop(const Flags& flags, Publisher& publisher, LibrarySink& sink, StopSignal& stop) {
  std::vector<pollfd> entries;
  std::uint64_t next_figures_us = unix_us() + second_us;
  while (!publisher.done() && stop.count() < 2) {
    entries.clear();
    entries.push_back({stop.fd(), POLLIN, 0});
    entries.push_back({sink.event_fd(), POLLIN, 0});
    publisher.add_descriptors(entries);
    poll(entries.data(), entries.size(), tick_ms);
    const std::uint64_t now_us = unix_us();
    if (entries[0].revents != 0) stop.take_reload();
    if (stop.requested()) publisher.finish(now_us);
    sink.on_ready();
    publisher.on_ready(std::span<const pollfd>(entries).subspan(2), now_us);
    if (flags.json && now_us >= next_figures_us) {
      next_figures_us = now_us + second_us;
      print_figures("figures", sink, publisher);
    }
  }
}

int publish(Flags& flags, SinkOptions sink_options) {
  StopSignal stop;
  LibrarySink sink(std::move(sink_options));
  PublisherOptions options{flags.input, flags.stream_key, flags.seconds * second_us};
  Publisher publisher(std::move(options), sink);
  std::string reason;
  if (!flags.rtmp.empty()) {
    const HostPort where = *parse_host_port(flags.rtmp);
    const auto opened = publisher.server().open(where.host, where.port, reason);
    if (opened != RtmpServer::Opened::yes) {
      return fail(program, opened == RtmpServer::Opened::in_use ? exit_in_use : exit_failed, reason);
    }
  }
  if (!sink.start()) return fail(program, exit_failed, sink.reason());
  if (!flags.rtmp.empty()) print_listening(publisher.server().address());
  log_info("started", "ready to publish", {{"stream", sink.stream_id_hex()}});
  if (!flags.input.empty() && !publisher.start_input(unix_us(), reason)) return fail(program, exit_source, reason);

  run_loop(flags, publisher, sink, stop);
  sink.on_ready();
  sink.stop(stop.count() < 2 ? stop_deadline_ms : 0);
  if (flags.json) print_figures("ended", sink, publisher);
  if (publisher.exit_code() != exit_ok) return fail(program, publisher.exit_code(), publisher.last_sentence());
  return exit_ok;
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  Cli cli(program, "Publishes a live source as signed chunks.", examples);
  add_flags(cli.app(), flags);
  if (const auto code = cli.parse(argc, argv)) return *code;
  hide_argument(argc, argv, "--stream-key");
  if (const auto code = check_flags(flags)) return *code;
  SinkOptions sink;
  sink.coordinator_url = flags.coordinator;
  sink.alias = flags.alias;
  sink.title = flags.title;
  sink.pool = flags.pool;
  sink.origin_url = flags.origin;
  sink.max_kbps = flags.max_kbps;
  if (const auto code = load_secrets(flags, sink)) return *code;
  return publish(flags, std::move(sink));
}
