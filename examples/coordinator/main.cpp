#include <csignal>
#include <cstdio>
#include <memory>
#include <thread>

#include "common/cli.hpp"
#include "common/exit_codes.hpp"
#include "common/log.hpp"
#include "common/stop_signal.hpp"
#include "coordinator/app/network.hpp"
#include "coordinator/app/start.hpp"
#include "coordinator/http/router.hpp"
#include "coordinator/http/server.hpp"

namespace {

using namespace streamr::programs;

constexpr const char* kProgram = "streamr-coordinator";

void serve(coordinator::Context& context, const HostPort& listen, StopSignal& stop) {
  coordinator::Router router(context);
  coordinator::ServerOptions options;
  options.host = listen.host;
  options.port = listen.port;
  coordinator::Server server(options, router);
  context.network = std::make_unique<coordinator::Network>(context, [&server] { server.wake(); });
  const std::string host = listen.host.find(':') == std::string::npos ? listen.host : "[" + listen.host + "]";
  context.config.listen = host + ":" + std::to_string(server.port());
  // Hours that ended while nobody was here are closed before anybody asks.
  router.every_second();
  print_listening(context.config.listen);
  log_info("started", "the coordinator answers",
           {{"address", context.config.listen}, {"database", context.config.database}});

  std::thread watcher([&] {
    while (!stop.wait_ms(-1)) {
    }
    server.stop();
  });
  server.run();
  watcher.join();
  context.network.reset();
  log_info("stopped", "the coordinator ended as it was asked");
}

}  // namespace

int main(int argc, char** argv) {
  coordinator::Config config;
  std::string listen = "127.0.0.1:8080";
  Cli cli(kProgram, "Registers nodes and streams, hands out relays and tickets, records delivery, shows pay.",
          "Examples:\n"
          "  streamr-coordinator --listen 127.0.0.1:8080 --db sqlite:network.db --allow-private\n"
          "  streamr-coordinator --listen 0.0.0.0:8080 --db sqlite:/var/lib/streamr/network.db --origin 1f7c…\n");
  coordinator::add_flags(cli.app(), config, listen);
  if (const auto code = cli.parse(argc, argv)) return *code;
  const auto address = parse_host_port(listen);
  if (!address) {
    return fail(kProgram, exit_usage, "expected --listen HOST:PORT, \"" + listen + "\" came");
  }
  // A write beyond a file size limit is to fail like a full disk, not to end the process.
  std::signal(SIGXFSZ, SIG_IGN);
  StopSignal stop;
  coordinator::Context context;
  try {
    coordinator::check_flags(config);
  } catch (const std::exception& error) {
    return fail(kProgram, exit_usage, error.what());
  }
  try {
    coordinator::open_storage(context, config);
  } catch (const std::exception& error) {
    return fail(kProgram, exit_storage, error.what());
  }
  const coordinator::KeyHolder key = coordinator::load_or_make_key(config.key_file);
  if (!key.key) return fail(kProgram, exit_key, key.trouble);
  coordinator::use_key(context, key);
  try {
    serve(context, *address, stop);
  } catch (const std::runtime_error& error) {
    return fail(kProgram, exit_in_use, error.what());
  }
  return exit_ok;
}
