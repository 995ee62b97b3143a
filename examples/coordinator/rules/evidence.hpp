// Decides whether the objects of a piece of evidence have their form, and whether a proof proves.
// Never judges a node: claims are kept for later.
// Called by the evidence route.
#pragma once

#include <string>
#include <vector>

namespace coordinator {

// Throws ApiError 400 out_of_range where the objects are not what the kind asks for.
void check_evidence(const std::string& kind, const std::vector<std::string>& objects);

}  // namespace coordinator
