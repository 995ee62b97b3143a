// Decides: what one line of the control socket asks for and what is answered; docs/relay.md shows every form.
// Never: does it: that is the target's work, and a line that is wrong anywhere changes nothing.
// Called by: relay.cpp for each line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "relay/settings.hpp"

namespace streamr::programs {

class ControlTarget {
 public:
  virtual ~ControlTarget() = default;

  virtual LiveSettings settings() const = 0;
  // Nothing, or why not; then all is as before.
  virtual std::string change(const LiveSettings& settings) = 0;
  struct Reloaded {
    std::string wrong;  // not empty: nothing changed
    std::vector<std::string> changed, restart_needed;
  };
  virtual Reloaded reload() = 0;
  virtual void drain() = 0;
  virtual std::string stats_json() const = 0;
};

// {"ok":true,…} or {"ok":false,"error":"…"}, without the end of line.
std::string answer_request(std::string_view line, ControlTarget& target);

}  // namespace streamr::programs
