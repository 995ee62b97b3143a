// Decides: the style of flags that all programs share: --version, --log-format, --log-level, --config, STREAMR_* variables, exit codes in --help.
// Never: knows a flag of one program.
// Called by: main() of each program.
//
//   Cli cli("streamr-relay", "Carries live streams for others.", "Examples:\n  streamr-relay --listen 127.0.0.1:0 …");
//   cli.app().add_option("--listen", listen, "…");
//   if (auto code = cli.parse(argc, argv)) return *code;
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace streamr::programs {

class Cli {
 public:
  Cli(std::string program, const std::string& purpose, const std::string& examples);

  CLI::App& app() { return app_; }
  // Reads flags, then STREAMR_<FLAG> variables, then --config. A value means: leave with this exit code, all is said.
  std::optional<int> parse(int argc, char** argv);
  // The same without saying or setting up anything: nothing, or the sentence that says what is wrong. For reading the
  // configuration again.
  std::optional<std::string> parse_quietly(int argc, char** argv);
  // Whether --log-format json was asked for.
  bool log_json() const { return log_format_ == "json"; }
  const std::string& log_level() const { return log_level_; }

 private:
  void name_variables(CLI::App& app);

  std::string program_;
  CLI::App app_;
  std::string log_format_ = "text";
  std::string log_level_ = "info";
};

// Prints one sentence to standard error as "program: sentence" and gives `code` back.
int fail(std::string_view program, int code, std::string_view sentence);

// The first line of output of everything that listens: "listening on HOST:PORT", flushed.
void print_listening(std::string_view address);

struct HostPort {
  std::string host;
  unsigned short port = 0;
};
// Reads "HOST:PORT" and "[V6]:PORT"; nothing where the text is neither.
std::optional<HostPort> parse_host_port(std::string_view text);

// Lower-case hex of bytes.
std::string to_hex(const unsigned char* bytes, std::size_t len);

}  // namespace streamr::programs
