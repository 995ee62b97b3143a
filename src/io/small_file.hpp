// Decides how small files are read and written: whole or not at all, on disk before the call returns, never through a
// link. Never keeps a descriptor and never decides what a file means. Called by key_file and state_dir.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace streamr::io {

struct ReadRules {
  std::size_t max_bytes = 64 * 1024;
  bool owner_only = false;  // group and others must have no access: PERMISSION else
};
// NOTFOUND, PERMISSION, LIMIT, IO.
Result<std::string> read_small_file(const std::string& path, const ReadRules& rules);

// Writes beside the name, syncs, then gives it the name. `exclusive`: INUSE where the name exists already.
Status write_small_file(const std::string& path, std::string_view content, bool exclusive);

}  // namespace streamr::io
