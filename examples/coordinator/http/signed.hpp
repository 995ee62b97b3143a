// Decides whether a request really comes from a node: Streamr-Sig, lease, counter, boot and clock (protocol §6, Nodes).
// Never lets a wrong signature cost the node anything; a verified request that is refused costs its counter, not its
// lease. Called by the heartbeat, batch and evidence routes.
#pragma once

#include <functional>

#include "coordinator/app/context.hpp"
#include "coordinator/http/message.hpp"
#include "coordinator/rules/lease.hpp"

namespace coordinator {

struct SignedBy {
  NodeRecord node;
  LeaseMatch lease = LeaseMatch::none;
  bool clock_warning = false;
};

// Runs `work` in one transaction with what it leaves in `by.node` of the lease. Throws ApiError.
Response with_node(Context& context, const Request& request, const std::function<Response(SignedBy& by)>& work);

// The fields of a Streamr-Sig header after "v1;", if there are exactly `count`.
std::vector<std::string> signature_fields(const Request& request, size_t count);

}  // namespace coordinator
