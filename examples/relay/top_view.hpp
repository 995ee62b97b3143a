// Decides: how a relay's figures look in a terminal of any width and height: what stands where, what is cut, what is coloured.
// Never: reads a clock or writes to the terminal.
// Called by: top.cpp.
#pragma once

#include <string>
#include <vector>

#include "relay/figures.hpp"

namespace streamr::programs {

struct TopLook {
  const RelayFigures* now = nullptr;
  const RelayFigures* before = nullptr;  // an earlier look, for what is a second; may be null
  std::string url;
  std::string trouble;                   // not empty: the relay does not answer, and why
};

struct TopShape {
  std::size_t width = 80;
  std::size_t height = 0;  // 0 = as many lines as there are
  bool colour = false;
};

// Lines without an end of line, none wider than `shape.width` columns.
std::vector<std::string> render_top(const TopLook& look, const TopShape& shape);

}  // namespace streamr::programs
