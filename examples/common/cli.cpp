#include "common/cli.hpp"

#include <cctype>
#include <charconv>
#include <cstdio>
#include <iostream>

#include "common/exit_codes.hpp"
#include "common/log.hpp"

namespace streamr::programs {

Cli::Cli(std::string program, const std::string& purpose, const std::string& examples)
    : program_(std::move(program)), app_(purpose, program_) {
  app_.footer(examples + "\nEvery flag can be given as STREAMR_<FLAG> in the environment or in a TOML file (--config).\n\n" +
              exit_codes_text);
  app_.set_version_flag("--version", program_ + " " + STREAMR_VERSION_STRING);
  app_.add_option("--log-format,--log", log_format_, "Form of the log on standard error")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  app_.add_option("--log-level", log_level_, "Least important lines to show")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->capture_default_str();
  app_.set_config("--config", "", "TOML file with flags as keys");
  app_.allow_config_extras(CLI::config_extras_mode::error);  // a key that is spelled wrong must not be silent
  app_.get_formatter()->column_width(34);
}

void Cli::name_variables(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    const auto& names = option->get_lnames();
    if (names.empty() || !option->get_envname().empty()) continue;
    if (names[0] == "help" || names[0] == "version" || names[0] == "config") continue;
    std::string variable = "STREAMR_";
    for (const char c : names[0]) variable += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    option->envname(variable);
  }
  for (CLI::App* child : app.get_subcommands([](CLI::App*) { return true; })) name_variables(*child);
}

std::optional<int> Cli::parse(int argc, char** argv) {
  name_variables(app_);
  try {
    app_.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    app_.exit(asked, std::cout, std::cout);
    return exit_ok;
  } catch (const CLI::Error& error) {
    return fail(program_, exit_usage, std::string(error.what()) + "; see " + program_ + " --help");
  }
  log_setup(program_, log_json(), log_level_of(log_level_));
  return std::nullopt;
}

std::optional<std::string> Cli::parse_quietly(int argc, char** argv) {
  name_variables(app_);
  try {
    app_.parse(argc, argv);
  } catch (const CLI::Error& error) {
    return error.what();
  }
  return std::nullopt;
}

int fail(std::string_view program, int code, std::string_view sentence) {
  std::fprintf(stderr, "%.*s: %.*s\n", static_cast<int>(program.size()), program.data(),
               static_cast<int>(sentence.size()), sentence.data());
  return code;
}

void print_listening(std::string_view address) {
  std::printf("listening on %.*s\n", static_cast<int>(address.size()), address.data());
  std::fflush(stdout);
}

std::optional<HostPort> parse_host_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  if (host.front() == '[') {
    if (host.size() < 3 || host.back() != ']') return std::nullopt;
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return std::nullopt;
  }
  HostPort result{std::string(host), 0};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), result.port);
  if (error != std::errc() || end != digits.data() + digits.size() || digits.empty()) return std::nullopt;
  return result;
}

std::string to_hex(const unsigned char* bytes, std::size_t len) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(2 * len);
  for (std::size_t i = 0; i < len; ++i) {
    out += digits[bytes[i] >> 4];
    out += digits[bytes[i] & 15];
  }
  return out;
}

}  // namespace streamr::programs
