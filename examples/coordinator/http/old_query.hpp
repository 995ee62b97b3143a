// Decides how the first system's routes read their query, and refuses with its 422.
// Never answers a route.
// Called by http/routes_old.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/http/message.hpp"

namespace coordinator {

int64_t query_number(const Request& request, const std::string& name, int64_t otherwise, int64_t low, int64_t high);
std::string query_word(const Request& request, const std::string& name, const std::string& otherwise,
                       const std::vector<std::string>& allowed);
// A list, given by repeating the name.
std::vector<std::string> query_words(const Request& request, const std::string& name, const std::string& otherwise,
                                     const std::vector<std::string>& allowed);

}  // namespace coordinator
