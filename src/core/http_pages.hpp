// Decides what a person sees who opens a relay's address in a browser: its streams and what to do with them.
// Never holds a script, a cookie or a reference to another host.
// Called by core/node for GET /.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
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
  std::string origin;                    // "http://host:port" as the person reached it; empty: not known
};
// What stands before a path: the scheme of `advertise_url` (ws or wss), the host of a Host header; empty where that is none.
std::string page_origin(std::string_view advertise_url, std::string_view host_header);
std::string relay_index_html(const RelayPage& page);

}  // namespace streamr::core
