#include "relay/top.hpp"

#include <cJSON.h>
#include <curl/curl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "common/cli.hpp"
#include "common/exit_codes.hpp"
#include "common/stop_signal.hpp"
#include "relay/control_socket.hpp"
#include "relay/top_view.hpp"

namespace streamr::programs {

namespace {

constexpr const char* program = "streamr-relay top";
constexpr long answer_within_ms = 3'000;
constexpr std::size_t longest_answer = 16u << 20;
constexpr const char* examples =
    "Examples:\n"
    "  streamr-relay top --url http://127.0.0.1:8443\n"
    "  streamr-relay top --control /run/streamr/relay.sock     over the control socket, whatever the port speaks\n"
    "  streamr-relay top --once --plain | grep my-stream       for scripts: two looks, one --interval apart\n"
    "\n"
    "q or Ctrl-C ends it.\n";

struct TopOptions {
  std::string url = "http://127.0.0.1:8443", control;
  double interval_s = 1;
  bool once = false, plain = false, insecure = false;
};

std::size_t keep(char* data, std::size_t size, std::size_t count, void* to) {
  auto& text = *static_cast<std::string*>(to);
  if (text.size() + size * count > longest_answer) return 0;
  text.append(data, size * count);
  return size * count;
}

std::string fetch_http(const TopOptions& options, std::string& trouble) {
  const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), curl_easy_cleanup);
  std::string body;
  char reason[CURL_ERROR_SIZE] = {};
  const std::string url = options.url + (options.url.back() == '/' ? "" : "/") + "stats.json";
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, answer_within_ms);
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_NOPROXY, "*");
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, reason);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, keep);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &body);
  if (options.insecure) {
    curl_easy_setopt(curl.get(), CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(curl.get(), CURLOPT_SSL_VERIFYHOST, 0L);
  }
  long status = 0;
  const CURLcode code = curl_easy_perform(curl.get());
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  if (code != CURLE_OK) trouble = reason[0] != 0 ? reason : curl_easy_strerror(code);
  else if (status != 200) trouble = "HTTP status " + std::to_string(status) + "; is this a relay?";
  return body;
}

std::string fetch_control(const TopOptions& options, std::string& trouble) {
  const int fd = connect_control(options.control, trouble);
  if (fd < 0) return {};
  const std::string line = ask_control(fd, R"({"get":"stats"})");
  close(fd);
  const std::unique_ptr<cJSON, void (*)(cJSON*)> tree(cJSON_ParseWithLength(line.data(), line.size()), cJSON_Delete);
  const cJSON* stats = cJSON_GetObjectItemCaseSensitive(tree.get(), "stats");
  const std::unique_ptr<char, void (*)(void*)> text(stats == nullptr ? nullptr : cJSON_PrintUnformatted(stats), cJSON_free);
  if (!text) trouble = "the relay gave no figures";
  return text ? text.get() : "";
}

std::optional<RelayFigures> look_at(const TopOptions& options, std::string& trouble) {
  trouble.clear();
  const std::string json = options.control.empty() ? fetch_http(options, trouble) : fetch_control(options, trouble);
  if (!trouble.empty()) return std::nullopt;
  auto figures = read_figures(json);
  if (!figures) trouble = "the answer is no /stats.json of a relay";
  return figures;
}

// The other screen, without echo and cursor, for as long as it lives.
class Terminal {
 public:
  explicit Terminal(bool wanted) : active_(wanted && tcgetattr(STDIN_FILENO, &before_) == 0) {
    if (!active_) return;
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    raw.c_cc[VSUSP] = _POSIX_VDISABLE;  // a stopped program would leave the other screen behind
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    write_out("\033[?1049h\033[?25l\033[2J");
  }
  ~Terminal() {
    if (!active_) return;
    write_out("\033[?25h\033[?1049l");
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  static TopShape shape() {
    winsize size{};
    TopShape out;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
      out.width = size.ws_col;
      out.height = size.ws_row;
    }
    return out;
  }
  static void show(const std::vector<std::string>& lines) {
    std::string frame = "\033[H";
    for (std::size_t i = 0; i < lines.size(); ++i) frame += (i == 0 ? "" : "\r\n") + lines[i] + "\033[K";
    write_out(frame + "\033[J");
  }

 private:
  static void write_out(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }

  termios before_{};
  bool active_;
};

void print(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

// True: q was pressed, or a signal asks to end.
bool wait(StopSignal& stop, int timeout_ms, bool keys) {
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + std::chrono::milliseconds(timeout_ms);
  while (!stop.requested()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    if (left <= 0) return false;
    pollfd waited[2] = {{stop.fd(), POLLIN, 0}, {keys ? STDIN_FILENO : -1, POLLIN, 0}};
    poll(waited, 2, static_cast<int>(left));
    stop.take_reload();
    char key = 0;
    if ((waited[1].revents & (POLLIN | POLLHUP)) == 0) continue;
    if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q') return true;
  }
  return true;
}

int watch(const TopOptions& options) {
  const bool on_terminal = isatty(STDOUT_FILENO) != 0;
  const bool full_screen = on_terminal && !options.once && !options.plain;
  StopSignal stop;
  const int interval_ms = static_cast<int>(options.interval_s * 1000);
  std::optional<RelayFigures> before, now;
  const Terminal terminal(full_screen && isatty(STDIN_FILENO) != 0);
  for (int looks = 1;; ++looks) {
    std::string trouble;
    if (auto figures = look_at(options, trouble)) before = std::exchange(now, std::move(figures));
    if (options.once && !trouble.empty())
      return fail(program, exit_failed, (options.control.empty() ? "no answer from " + options.url + ": " : "") + trouble);
    TopShape shape = on_terminal ? Terminal::shape() : TopShape{.width = 140, .height = 0, .colour = false};
    shape.colour = on_terminal && !options.plain;
    if (!full_screen) shape.height = 0;
    const TopLook look{now ? &*now : nullptr, before ? &*before : nullptr, options.control.empty() ? options.url : options.control, trouble};
    if (full_screen) Terminal::show(render_top(look, shape));
    else if (!options.once || looks == 2) print(render_top(look, shape));
    if (options.once && looks == 2) return exit_ok;
    if (wait(stop, interval_ms, full_screen && isatty(STDIN_FILENO) != 0)) return exit_ok;
  }
}

}  // namespace

int run_top(int argc, char** argv) {
  TopOptions options;
  Cli cli(program, "Shows what a running relay does, once a second.", examples);
  cli.app().add_option("--url", options.url, "Address of the relay, http(s)://HOST:PORT")->capture_default_str();
  cli.app().add_option("--control", options.control, "The relay's --control path, in place of --url");
  cli.app().add_option("--interval", options.interval_s, "Seconds between two looks")->check(CLI::Range(0.1, 3600.0))->capture_default_str();
  cli.app().add_flag("--once", options.once, "Look twice, print once, end");
  cli.app().add_flag("--plain", options.plain, "No colour and no cursor movement");
  cli.app().add_flag("--insecure", options.insecure, "Take any TLS certificate: figures only are read");
  if (const auto code = cli.parse(argc, argv)) return *code;
  if (options.url.rfind("http://", 0) != 0 && options.url.rfind("https://", 0) != 0)
    return fail(program, exit_usage, "--url expects http(s)://HOST:PORT, and got " + options.url);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  const int code = watch(options);
  curl_global_cleanup();
  return code;
}

}  // namespace streamr::programs
