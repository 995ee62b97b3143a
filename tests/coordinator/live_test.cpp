#include "coordinator/rules/live.hpp"

#include <doctest/doctest.h>

using namespace coordinator;

namespace {

ReportRecord report(int64_t newest, int64_t at_ms = 0, int64_t lag_ms = 0, uint64_t epoch = 1) {
  ReportRecord r;
  r.newest = newest;
  r.at_ms = at_ms;
  r.lag_ms = lag_ms;
  r.epoch = epoch;
  return r;
}

}  // namespace

TEST_CASE("a stream is ready, live while its newest segment rises, then offline, and live again") {
  StreamRecord stream;
  CHECK(std::string(state_word(stream)) == "READY");
  note_origin_report(stream, report(5), 1000);
  CHECK(std::string(state_word(stream)) == "LIVE");
  CHECK_FALSE(goes_offline(stream, true, 30'999, 30'000));
  note_origin_report(stream, report(5), 30'000);
  CHECK(goes_offline(stream, true, 31'000, 30'000));
  CHECK(goes_offline(stream, false, 1001, 30'000));
  mark_offline(stream, 31'000);
  CHECK(std::string(state_word(stream)) == "OFFLINE");
  note_origin_report(stream, report(1, 0, 0, 2), 40'000);
  CHECK(stream.is_live);
  CHECK(stream.live_started_ms == 40'000);
}

TEST_CASE("a relay is near at three segments behind and not at four") {
  CHECK(is_near(report(97), report(100)));
  CHECK_FALSE(is_near(report(96), report(100)));
  CHECK(is_near(report(105), report(100)));
}

TEST_CASE("a report that is older is compared as if the origin had gone on") {
  CHECK(is_near(report(92, 0), report(100, 10'000)));
  CHECK_FALSE(is_near(report(91, 0), report(100, 10'000)));
}

TEST_CASE("a relay that says it lags is believed") {
  CHECK_FALSE(is_near(report(100, 0, 6001), report(100)));
}
