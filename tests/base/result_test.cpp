#include "base/result.hpp"

#include <doctest/doctest.h>
#include <memory>
#include <vector>

using namespace streamr;

namespace {

Result<std::vector<int>> three() {
  return std::vector<int>{1, 2, 3};
}
Result<std::unique_ptr<int>> only_movable() {
  return std::make_unique<int>(7);
}
Status refused() {
  return refuse(Wire::limit, "expected less");
}

}  // namespace

TEST_CASE("a value taken straight out of a result lives as long as it is looked at") {
  int sum = 0;
  for (const int n : *three()) sum += n;
  CHECK(sum == 6);
  const std::vector<int>& kept = *three();
  CHECK(kept.size() == 3);
  CHECK(*three().value().begin() == 1);
}

TEST_CASE("a result hands out what can only be moved") {
  const std::unique_ptr<int> owner = *only_movable();
  CHECK(*owner == 7);
  auto held = only_movable();
  CHECK(**held == 7);
}

TEST_CASE("a failure keeps status, wire code and text") {
  const Error& error = refused().error();
  CHECK(error.status == STREAMR_E_REFUSED);
  CHECK(error.wire == Wire::limit);
  CHECK(error.text == "expected less");
  CHECK_FALSE(refused().ok());
  CHECK(Status().ok());
  const Result<int> failed = fail(STREAMR_E_IO, "no file");
  CHECK_FALSE(failed);
  CHECK(failed.error().wire == Wire::none);
}
