# Tests and fuzzers. Every test carries a label, and `tests-<label>` builds all that carry it, so that a sanitizer build
# compiles only what it is going to run.
#
#   unit      no sockets, no clock        loopback  real sockets on 127.0.0.1
#   arch      the tree itself             e2e       real processes

function(streamr_test_group label target)
  if(NOT TARGET tests-${label})
    add_custom_target(tests-${label})
  endif()
  add_dependencies(tests-${label} ${target})
endfunction()

# streamr_add_test(<name> SOURCES <file>... [LAYER <layer>] [LABEL unit|loopback] [TIMEOUT <s>] [LINKS <target>...])
# A doctest program. With LAYER it is linked with the objects of that layer and all below, without it with the public
# library. main comes from tests/support unless a source brings its own.
function(streamr_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "LAYER;LABEL;TIMEOUT" "SOURCES;LINKS")
  if(NOT arg_LAYER AND NOT TARGET streamr)
    return()
  endif()
  if(NOT arg_LABEL)
    set(arg_LABEL unit)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  if(NOT TARGET streamr_test_main)
    add_library(streamr_test_main STATIC "${PROJECT_SOURCE_DIR}/tests/support/doctest_main.cpp")
    streamr_own(streamr_test_main)
    target_link_libraries(streamr_test_main PUBLIC deps::doctest)
  endif()

  add_executable(${name} ${arg_SOURCES})
  streamr_own(${name})
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests" "${PROJECT_SOURCE_DIR}/examples")
  target_compile_definitions(${name} PRIVATE
    STREAMR_SOURCE_DIR="${PROJECT_SOURCE_DIR}" STREAMR_VECTORS_DIR="${PROJECT_SOURCE_DIR}/tests/vectors")
  if(arg_LAYER)
    streamr_layers_up_to(${arg_LAYER} objects)
    target_link_libraries(${name} PRIVATE ${objects})
  else()
    target_link_libraries(${name} PRIVATE streamr::streamr)
  endif()
  target_link_libraries(${name} PRIVATE ${arg_LINKS} streamr_test_main)
  # Tests are compiled one by one: each file may name its helpers as it likes.
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests" UNITY_BUILD OFF)

  add_test(NAME ${name} COMMAND ${name} --no-intro)
  set_tests_properties(${name} PROPERTIES LABELS ${arg_LABEL} TIMEOUT ${arg_TIMEOUT})
  streamr_test_group(${arg_LABEL} ${name})
endfunction()

# streamr_add_fuzzer(<name> LAYER <layer> SOURCES <file>... CORPUS <directory> [LINKS <target>...])
# A libFuzzer program. ctest replays the kept corpus; `./check` also lets it search for a minute.
function(streamr_add_fuzzer name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "LAYER;CORPUS" "SOURCES;LINKS")
  if(NOT STREAMR_BUILD_FUZZERS)
    return()
  endif()
  get_filename_component(corpus "${arg_CORPUS}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
  add_executable(${name} ${arg_SOURCES})
  streamr_own(${name})
  streamr_layers_up_to(${arg_LAYER} objects)
  target_link_libraries(${name} PRIVATE ${objects} ${arg_LINKS})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/fuzz")
  set(found "${PROJECT_BINARY_DIR}/fuzz/${name}.found")
  file(MAKE_DIRECTORY "${found}")
  add_test(NAME ${name} COMMAND ${name}
    -runs=0 -timeout=5 -rss_limit_mb=1024 -print_final_stats=1
    "-artifact_prefix=${found}/crash-" "${found}" "${corpus}")
  set_tests_properties(${name} PROPERTIES LABELS fuzz TIMEOUT 300)
  streamr_test_group(fuzz ${name})
endfunction()
