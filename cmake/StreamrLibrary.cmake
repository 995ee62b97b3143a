# libstreamr.so out of the layers that exist, its alias, and what is installed.
streamr_layers_up_to(capi streamr_objects)
if(NOT TARGET streamr_capi)
  return()
endif()

add_library(streamr SHARED)
add_library(streamr::streamr ALIAS streamr)
streamr_own(streamr)
target_link_libraries(streamr PRIVATE ${streamr_objects})
target_link_options(streamr PRIVATE
  "LINKER:--version-script=${PROJECT_SOURCE_DIR}/cmake/streamr.map"
  "LINKER:--exclude-libs,ALL")
if(NOT STREAMR_SANITIZE)
  target_link_options(streamr PRIVATE "LINKER:--no-undefined")
endif()
set_target_properties(streamr PROPERTIES
  VERSION "${PROJECT_VERSION}"
  SOVERSION "${PROJECT_VERSION_MAJOR}"
  LINKER_LANGUAGE CXX
  LINK_DEPENDS "${PROJECT_SOURCE_DIR}/cmake/streamr.map"
  LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib"
  VERIFY_INTERFACE_HEADER_SETS ON)

set(streamr_public_headers "${PROJECT_SOURCE_DIR}/include/streamr/streamr.h")
if(EXISTS "${PROJECT_SOURCE_DIR}/include/streamr/streamr.hpp")
  list(APPEND streamr_public_headers "${PROJECT_SOURCE_DIR}/include/streamr/streamr.hpp")
endif()
target_sources(streamr PUBLIC
  FILE_SET HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}/include" FILES ${streamr_public_headers})

install(TARGETS streamr EXPORT streamr-targets
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT streamr-targets NAMESPACE streamr:: FILE streamr-config.cmake
  DESTINATION "${CMAKE_INSTALL_LIBDIR}/cmake/streamr")
include(CMakePackageConfigHelpers)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/streamr-config-version.cmake" COMPATIBILITY SameMinorVersion)
configure_file("${PROJECT_SOURCE_DIR}/cmake/streamr.pc.in" "${PROJECT_BINARY_DIR}/streamr.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/streamr-config-version.cmake"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}/cmake/streamr")
install(FILES "${PROJECT_BINARY_DIR}/streamr.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
