// Decides what server, dialer and coordinator client report: the same words as core::Node, without its clock.
// Never answers by itself.
// Implemented by runtime, which passes all on to core::Node, and by small recorders in tests.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "base/types.hpp"
#include "core/http.hpp"

namespace streamr::io {

class Handler {
 public:
  virtual ~Handler() = default;

  // A WebSocket opened on /relay; the number names it from here on.
  virtual LinkId on_accepted(const std::string& peer_address) = 0;
  virtual void on_dialed(LinkId link) = 0;
  virtual void on_message(LinkId link, const SharedBytes& message) = 0;
  virtual void on_text_message(LinkId link) = 0;
  virtual void on_oversized_message(LinkId link) = 0;
  // Exactly once for each link, after which the number is gone.
  virtual void on_closed(LinkId link, const std::string& why) = 0;
  // Bytes that still wait in this process; zero means that the kernel took all.
  virtual void on_sent(LinkId link, std::uint64_t outstanding_bytes) = 0;

  virtual void on_http(const core::HttpRequest& request) = 0;
  // The client went before its answer was complete.
  virtual void on_http_closed(HttpId id) = 0;
  // Status 0: `failure` says why there is no answer.
  virtual void on_http_answer(CallId call, int status, std::optional<std::uint32_t> retry_after_s, ByteView body,
                              const std::string& failure) = 0;
};

}  // namespace streamr::io
