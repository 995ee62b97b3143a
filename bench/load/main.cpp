// One load on one server from one thread: prints one JSON line when its measured span is over.
//
//   bench_load --kind http --plan PLAN --port N --object PATH [--playlist PATH] [--connections N] [--tls 1] …
//   bench_load --kind push --port N --stream ID --times FILE [--connections N] [--plan stall|idle] …
//
// bench/run is what starts it; load.cpp and http_load.cpp read the other options.
#include <csignal>
#include <cstdio>

#include "load/http_load.hpp"
#include "load/push_load.hpp"

int main(int argc, char** argv) {
  using namespace streamr::bench;
  std::signal(SIGPIPE, SIG_IGN);
  try {
    const Arguments arguments(argc, argv);
    LoadOptions options = LoadOptions::from(arguments);
    if (arguments.needed("kind") == "push")
      PushLoad(std::move(options), arguments).run();
    else
      HttpLoad(std::move(options), arguments).run();
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "bench_load: %s\n", failure.what());
    return 1;
  }
  return 0;
}
