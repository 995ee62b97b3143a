// Decides what a person sees who opens a relay's address in a browser: its streams and what to do with them.
// Never holds a script, a cookie or a reference to another host.
// Called by core/node for GET /.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace streamr::core {

struct RelayPageStream {
  std::string stream;                    // 64 hex digits
  std::string alias;                     // may be empty
  bool live = false;
  std::uint32_t viewers = 0;
};
struct RelayPage {
  std::string node_key;                  // hex
  std::string role;
  std::string software;
  std::vector<RelayPageStream> streams;
};
std::string relay_index_html(const RelayPage& page);

}  // namespace streamr::core
