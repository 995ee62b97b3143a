// Decides nothing: the files of the status page as the build put them into the program.
// Never reads a disk.
// Called by http/routes_about.
#pragma once

#include <cstddef>
#include <vector>

namespace coordinator {

struct PageFile {
  const char* name;
  const char* type;
  const char* bytes;
  size_t size;
};

const std::vector<PageFile>& page_files();

}  // namespace coordinator
