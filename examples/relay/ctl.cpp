#include "relay/ctl.hpp"

#include <cJSON.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "common/cli.hpp"
#include "common/exit_codes.hpp"
#include "common/json_text.hpp"
#include "relay/control_socket.hpp"

namespace streamr::programs {

namespace {

constexpr const char* program = "streamr-relay ctl";
constexpr const char* examples =
    "Examples:\n"
    "  streamr-relay ctl --control /run/streamr/relay.sock get limits\n"
    "  streamr-relay ctl --control /run/streamr/relay.sock set upload_kbps=50000 max_viewers=200\n"
    "  streamr-relay ctl --control /run/streamr/relay.sock reload     the same as SIGHUP\n"
    "  streamr-relay ctl --control /run/streamr/relay.sock drain      GOAWAY to all peers, then the end\n";

struct Free {
  void operator()(cJSON* node) const { cJSON_Delete(node); }
};
using Tree = std::unique_ptr<cJSON, Free>;

// The request of `set a=1 b=2`; nothing and a sentence where a word is no such pair.
std::string set_request(const std::vector<std::string>& words, std::string& sentence) {
  JsonObject members;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::size_t mark = words[i].find('=');
    if (mark == std::string::npos || mark == 0) {
      sentence = "set expects NAME=VALUE, got " + words[i];
      return {};
    }
    const std::string name = words[i].substr(0, mark), value = words[i].substr(mark + 1);
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    const bool whole = error == std::errc() && end == value.data() + value.size() && !value.empty();
    whole ? members.number(name, number) : members.text(name, value);
  }
  return JsonObject().raw("set", members.str()).str();
}

std::string request_of(const std::vector<std::string>& words, std::string& sentence) {
  const std::string verb = words.empty() ? "" : words[0];
  if (verb == "get" && words.size() == 2) return JsonObject().text("get", words[1]).str();
  if (verb == "set" && words.size() > 1) return set_request(words, sentence);
  if ((verb == "reload" || verb == "drain") && words.size() == 1) return JsonObject().boolean(verb, true).str();
  sentence = "expected get limits, get stats, set NAME=VALUE…, reload or drain; see streamr-relay ctl --help";
  return {};
}

void print_list(const cJSON* list, const char* title) {
  for (const cJSON* item = list == nullptr ? nullptr : list->child; item != nullptr; item = item->next)
    if (cJSON_IsString(item)) std::printf("%s %s\n", title, item->valuestring);
}

void print_readable(const cJSON& answer) {
  const cJSON* limits = cJSON_GetObjectItemCaseSensitive(&answer, "limits");
  for (const cJSON* item = limits == nullptr ? nullptr : limits->child; item != nullptr; item = item->next) {
    if (cJSON_IsNumber(item)) std::printf("%-24s %.0f\n", item->string, item->valuedouble);
    if (cJSON_IsString(item)) std::printf("%-24s %s\n", item->string, item->valuestring);
  }
  const cJSON* changed = cJSON_GetObjectItemCaseSensitive(&answer, "changed");
  print_list(changed, "changed:");
  print_list(cJSON_GetObjectItemCaseSensitive(&answer, "restart_needed"), "needs a restart:");
  if (changed != nullptr && changed->child == nullptr) std::printf("nothing changed\n");
}

}  // namespace

int run_ctl(int argc, char** argv) {
  std::string path;
  std::vector<std::string> words;
  bool json = false;
  Cli cli(program, "Asks a running relay, or changes its limits.", examples);
  cli.app().add_option("--control", path, "The relay's --control path")->required();
  cli.app().add_flag("--json", json, "Print the relay's answer as it came");
  cli.app().add_option("words", words, "get limits | get stats | set NAME=VALUE… | reload | drain");
  if (const auto code = cli.parse(argc, argv)) return *code;
  std::string sentence;
  const std::string request = request_of(words, sentence);
  if (request.empty()) return fail(program, exit_usage, sentence);
  const int fd = connect_control(path, sentence);
  if (fd < 0) return fail(program, exit_failed, sentence);
  const std::string line = ask_control(fd, request);
  close(fd);
  const Tree answer(cJSON_ParseWithLength(line.data(), line.size()));
  if (!answer) return fail(program, exit_failed, "the relay at " + path + " gave no answer");
  const cJSON* stats = cJSON_GetObjectItemCaseSensitive(answer.get(), "stats");
  if (json || stats != nullptr) std::printf("%s\n", line.c_str());
  if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(answer.get(), "ok"))) {
    const cJSON* error = cJSON_GetObjectItemCaseSensitive(answer.get(), "error");
    return fail(program, exit_refused, cJSON_IsString(error) ? error->valuestring : "the relay refused");
  }
  if (!json && stats == nullptr) print_readable(*answer);
  return exit_ok;
}

}  // namespace streamr::programs
