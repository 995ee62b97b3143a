#include "coordinator/rules/challenge.hpp"

#include <doctest/doctest.h>

#include "coordinator/rules/limits.hpp"

using namespace coordinator;

TEST_CASE("an address opens at most eight challenges and displaces nobody's") {
  ChallengeBook book;
  for (int i = 0; i < 8; ++i) {
    REQUIRE(book.may_open("a", 0));
    book.open("id" + std::to_string(i), {"key", "nonce", "a", 60'000});
  }
  CHECK_FALSE(book.may_open("a", 0));
  CHECK(book.may_open("b", 0));
  CHECK(book.wait_ms("a", 10'000) == 50'000);
  Challenge found;
  CHECK(book.find("id0", "key", 59'999, found) == ChallengeBook::Verdict::open);
  CHECK(book.may_open("a", 60'000));
}

TEST_CASE("a challenge is bound to its key, expires after a minute and serves one success") {
  ChallengeBook book;
  book.open("id", {"key", "nonce", "a", 60'000});
  Challenge found;
  CHECK(book.find("id", "other", 0, found) == ChallengeBook::Verdict::unknown);
  CHECK(book.find("id", "key", 60'000, found) == ChallengeBook::Verdict::expired);
  CHECK(book.find("id", "key", 1, found) == ChallengeBook::Verdict::open);
  CHECK(found.nonce == "nonce");
  book.use("id");
  CHECK(book.find("id", "key", 1, found) == ChallengeBook::Verdict::unknown);
}

TEST_CASE("a sliding limit lets its number through in any span") {
  SlidingLimit limit(2, 1000);
  CHECK(limit.take("k", 0));
  CHECK(limit.take("k", 500));
  CHECK_FALSE(limit.take("k", 999));
  CHECK(limit.take("other", 999));
  CHECK(limit.take("k", 1000));
  CHECK_FALSE(limit.take("k", 1400));
}

TEST_CASE("a bucket refills at its rate and never beyond its size") {
  TokenLimit limit(10, 20);
  for (int i = 0; i < 20; ++i) CHECK(limit.take("k", 0));
  CHECK_FALSE(limit.take("k", 0));
  CHECK(limit.take("k", 100));
  CHECK_FALSE(limit.take("k", 100));
  int taken = 0;
  while (limit.take("k", 1'000'000)) ++taken;
  CHECK(taken == 20);
}
