// Decides what stands behind the opaque types of streamr.h.
// Never appears outside capi.
// Called by capi_*.cpp.
#pragma once

#include <atomic>
#include <memory>

#include "base/bytes.hpp"
#include "core/node.hpp"
#include "crypto/crypto.hpp"

namespace streamr::capi {
class NodeHost;
}

struct streamr_key {
  streamr::crypto::KeyPair pair;
};

struct streamr_blob {
  std::atomic<std::uint32_t> owners{1};
  streamr::SharedBytes bytes;
};

struct streamr_node {
  std::shared_ptr<streamr::capi::NodeHost> host;
};

struct streamr_publication {
  std::shared_ptr<streamr::capi::NodeHost> host;  // so that a handle that outlives its node still answers
  streamr::core::PublicationId id = 0;
};

struct streamr_subscription {
  std::shared_ptr<streamr::capi::NodeHost> host;
  streamr::core::WatchId id = 0;
};
