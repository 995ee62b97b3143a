// Decides how a name in a path becomes a stream, and which relays and origins hold it near the live edge.
// Never changes anything.
// Called by the stream, session, steering and status routes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "coordinator/app/network.hpp"
#include "coordinator/http/message.hpp"

namespace coordinator {

std::optional<StreamRecord> find_stream(Context& context, const std::string& name);  // id or alias
StreamRecord need_stream(Context& context, const std::string& name);                 // throws 404 stream_unknown

struct Holder {
  NodeRecord node;
  ReportRecord report;
  Address address;
};
struct Holders {
  std::optional<Holder> origin;  // an origin that serves the stream and may be told
  std::vector<Holder> relays;    // near the live edge, with an address that this asker may be told
};
Holders holders_of(Context& context, const StreamRecord& stream, const AskedBy& asker);

// http://host of this coordinator as the asker reached it.
std::string own_url(const Context& context, const Request& request);

}  // namespace coordinator
