// streamr-relay: carries live streams for others, as a coordinator assigns them or as the command line names them.
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "common/exit_codes.hpp"
#include "common/identity.hpp"
#include "common/log.hpp"
#include "relay/ctl.hpp"
#include "relay/options.hpp"
#include "relay/relay.hpp"
#include "relay/top.hpp"

using namespace streamr::programs;

namespace {

constexpr const char* program = "streamr-relay";

int run_relay(int argc, char** argv) {
  RelayOptions options;
  Cli cli = relay_cli();
  add_flags(cli.app(), options);
  if (const auto code = cli.parse(argc, argv)) return *code;
  options.live.log_level = cli.log_level();
  if (const std::string wrong = check(options); !wrong.empty()) return fail(program, exit_usage, wrong);
  if (!options.state.empty() && mkdir(options.state.c_str(), 0700) != 0 && errno != EEXIST)
    return fail(program, exit_storage, "the directory " + options.state + " cannot be made: " + std::strerror(errno));

  StopSignal stop;
  const Identity identity = load_or_make_key(options.key);
  if (!identity.key) return fail(program, exit_key, identity.sentence);
  if (identity.made) log_info("key_made", "made a new key file " + options.key, {{"public_key", public_hex(identity.key.get())}});
  Relay relay(options, argc, argv);
  if (const int code = relay.start(identity.key.get()); code != exit_ok) return code;
  return relay.run(stop);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  if (command == "top") return run_top(argc - 1, argv + 1);
  if (command == "ctl") return run_ctl(argc - 1, argv + 1);
  return run_relay(argc, argv);
}
