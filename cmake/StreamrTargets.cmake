# Warnings, sanitizers and the shapes our targets come in: a layer of the library, a program.

# What every target of ours is compiled with; never applied to anybody else's.
function(streamr_own target)
  set_target_properties(${target} PROPERTIES
    C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF
    CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    POSITION_INDEPENDENT_CODE ON
    UNITY_BUILD ${STREAMR_UNITY} UNITY_BUILD_BATCH_SIZE 12)
  streamr_warn(${target})
  streamr_sanitize(${target})
endfunction()

function(streamr_warn target)
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wformat -Wformat-security -Wundef
    $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Woverloaded-virtual>
    $<$<BOOL:${STREAMR_WERROR}>:-Werror>)
endfunction()

function(streamr_sanitize target)
  if(NOT CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
    target_compile_definitions(${target} PRIVATE _GLIBCXX_ASSERTIONS)
  endif()
  set(kinds "${STREAMR_SANITIZE}")
  if(STREAMR_BUILD_FUZZERS)
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
  endif()
  if(kinds)
    target_compile_options(${target} PRIVATE -fsanitize=${kinds} -fno-omit-frame-pointer)
    if(kinds MATCHES "undefined")
      target_compile_options(${target} PRIVATE -fno-sanitize-recover=all)
    endif()
    target_link_options(${target} PRIVATE -fsanitize=${kinds})
  endif()
endfunction()

# Adds a directory when its CMakeLists.txt is there, so that the tree builds while a part is being written.
function(streamr_add_directory directory)
  if(EXISTS "${PROJECT_SOURCE_DIR}/${directory}/CMakeLists.txt")
    add_subdirectory("${PROJECT_SOURCE_DIR}/${directory}" "${PROJECT_BINARY_DIR}/${directory}")
  endif()
endfunction()

# streamr_layers_up_to(<layer> <out>): the object libraries of that layer and of all below that exist
function(streamr_layers_up_to layer out)
  set(found "")
  foreach(name IN LISTS STREAMR_LAYERS)
    if(TARGET streamr_${name})
      list(APPEND found streamr_${name})
    endif()
    if(name STREQUAL layer)
      break()
    endif()
  endforeach()
  set(${out} "${found}" PARENT_SCOPE)
endfunction()

# streamr_layer(<name> SOURCES <file>... [LINKS <imported target>...])
# An object library that sees its own layer and the ones below, and exports nothing.
function(streamr_layer name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINKS")
  streamr_layers_up_to(${name} below)
  add_library(streamr_${name} OBJECT ${arg_SOURCES})
  streamr_own(streamr_${name})
  target_include_directories(streamr_${name} PUBLIC "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include")
  target_compile_definitions(streamr_${name} PRIVATE
    STREAMR_BUILDING STREAMR_VERSION_STRING="${PROJECT_VERSION}")
  set_target_properties(streamr_${name} PROPERTIES UNITY_BUILD "${STREAMR_UNITY}" UNITY_BUILD_BATCH_SIZE 16)
  if(NOT name STREQUAL "base")
    list(POP_BACK below nearest)
    target_link_libraries(streamr_${name} PUBLIC ${nearest})
  endif()
  target_link_libraries(streamr_${name} PUBLIC ${arg_LINKS})
  if(name STREQUAL "io")
    target_link_libraries(streamr_${name} PUBLIC Threads::Threads)
  endif()
endfunction()

# streamr_add_program(<name> SOURCES <file>... [LINKS <target>...])
# A program on the public headers only; it is installed to bin.
function(streamr_add_program name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINKS")
  add_executable(${name} ${arg_SOURCES})
  streamr_own(${name})
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/examples")
  target_compile_definitions(${name} PRIVATE STREAMR_VERSION_STRING="${PROJECT_VERSION}")
  target_link_libraries(${name} PRIVATE streamr::streamr ${arg_LINKS})
  set_target_properties(${name} PROPERTIES
    UNITY_BUILD OFF
    RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin"
    INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
  install(TARGETS ${name} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endfunction()

# streamr_add_support(<name> SOURCES <file>... [LINKS <target>...])
# A static library for code that a program shares with its tests or with other programs.
function(streamr_add_support name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINKS")
  add_library(${name} STATIC ${arg_SOURCES})
  streamr_own(${name})
  target_include_directories(${name} PUBLIC "${PROJECT_SOURCE_DIR}/examples" "${PROJECT_SOURCE_DIR}/include")
  target_compile_definitions(${name} PRIVATE STREAMR_VERSION_STRING="${PROJECT_VERSION}")
  target_link_libraries(${name} PUBLIC ${arg_LINKS})
endfunction()
