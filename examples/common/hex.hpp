// Decides: how hex on a command line becomes octets.
// Never: accepts upper case, blanks or another length.
// Called by: streamr-relay, streamr-watch.
#pragma once

#include <cstddef>
#include <string_view>

namespace streamr::programs {

// False where `text` is not exactly 2 * len lower-case hex digits; `out` is then not to be used.
bool from_hex(std::string_view text, unsigned char* out, std::size_t len);

}  // namespace streamr::programs
