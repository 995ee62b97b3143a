// Decides which route answers a request, what an error looks like, and what every answer carries.
// Never knows a subject: those are the routes.
// Called by http/server on its one service thread.
#pragma once

#include "coordinator/app/context.hpp"
#include "coordinator/http/message.hpp"

namespace coordinator {

class Router final : public Application {
 public:
  explicit Router(Context& context) : context_(context) {}

  Response answer(Request& request) override;
  size_t body_limit(const std::string& method, const std::string& path) override;
  Response refuse(int status, const std::string& code, const std::string& message) override;
  void every_second() override;
  void woken() override;

 private:
  Response dispatch(const Request& request);
  void see_storage(bool good, const std::string& why);

  Context& context_;
  int64_t swept_ms_ = 0;
};

}  // namespace coordinator
