# One imported target per library, named deps::<what it is for>. A missing one ends the configuration with a sentence that
# says what to install; tools/setup installs all of them.
include(StreamrFind)

# ---- the library itself --------------------------------------------------------------------------------------------
find_package(OpenSSL 3.0 QUIET)
if(NOT OpenSSL_FOUND)
  streamr_missing("OpenSSL 3" "libssl-dev")
endif()
add_library(deps::crypto ALIAS OpenSSL::Crypto)
add_library(deps::ssl ALIAS OpenSSL::SSL)
streamr_find_pkg(sodium "libsodium" "libsodium-dev")
streamr_find_pkg(cjson "libcjson" "libcjson-dev")
streamr_find_pkg(zlib "zlib" "zlib1g-dev")

if("io" IN_LIST STREAMR_LAYERS)
  set(THREADS_PREFER_PTHREAD_FLAG ON)
  find_package(Threads REQUIRED)
  streamr_find_pkg(uv "libuv>=1.44" "libuv1-dev")
  streamr_find_pkg(curl "libcurl>=7.80" "libcurl4-openssl-dev")
  streamr_find_http_parser()
endif()

# ---- programs ------------------------------------------------------------------------------------------------------
if(STREAMR_BUILD_PROGRAMS)
  streamr_find_pkg(websockets "libwebsockets>=4.1" "libwebsockets-dev")
  streamr_find_pkg(sqlite3 "sqlite3>=3.35" "libsqlite3-dev")
  streamr_find_pkg(tomlplusplus "tomlplusplus" "libtomlplusplus-dev")
  streamr_find_config(cli11 CLI11 CLI11::CLI11 "libcli11-dev")
  streamr_find_config(spdlog spdlog spdlog::spdlog "libspdlog-dev")
endif()

# ---- tests and measurements ----------------------------------------------------------------------------------------
if(STREAMR_BUILD_TESTS)
  streamr_find_header(doctest "doctest/doctest.h" "doctest-dev")
endif()
if(STREAMR_BUILD_BENCH)
  streamr_find_config(benchmark benchmark benchmark::benchmark "libbenchmark-dev" OPTIONAL)
endif()
