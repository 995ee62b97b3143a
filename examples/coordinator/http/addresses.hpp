// Decides whether the addresses that a node names have the form that the protocol allows.
// Never dials them.
// Called by registration and heartbeats.
#pragma once

#include <vector>

#include "coordinator/rules/address.hpp"
#include "coordinator/rules/json_in.hpp"

namespace coordinator {

// The member "addresses" of a body, at most 8. Throws ApiError.
std::vector<Address> read_addresses(const JsonValue& body);

}  // namespace coordinator
