// Decides: that a program's identity lives in a key file which is made, mode 0600, where it does not exist yet.
// Never: overwrites a file or uses one that others can read.
// Called by: streamr-relay, streamr-watch.
#pragma once

#include "common/key_files.hpp"

namespace streamr::programs {

struct Identity {
  KeyPtr key;               // null: `sentence` says why
  bool made = false;
  std::string sentence;
};
Identity load_or_make_key(const std::string& path);

}  // namespace streamr::programs
