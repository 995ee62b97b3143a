#include "coordinator/rules/live.hpp"

#include <algorithm>

namespace coordinator {
namespace {

constexpr int64_t kMostSegments = 3;

}  // namespace

void note_origin_report(StreamRecord& stream, const ReportRecord& report, int64_t now_ms) {
  const bool rose = report.epoch > stream.epoch || (report.epoch == stream.epoch && report.newest > stream.newest);
  if (!rose) return;
  stream.epoch = report.epoch;
  stream.newest = report.newest;
  stream.advanced_ms = now_ms;
  if (!stream.is_live) {
    stream.is_live = true;
    stream.live_started_ms = now_ms;
  }
}

bool goes_offline(const StreamRecord& stream, bool origin_names_it, int64_t now_ms, int64_t silent_ms) {
  return stream.is_live && (!origin_names_it || now_ms - stream.advanced_ms >= silent_ms);
}

void mark_offline(StreamRecord& stream, int64_t now_ms) {
  stream.is_live = false;
  stream.offline_ms = now_ms;
}

bool is_near(const ReportRecord& relay, const ReportRecord& origin) {
  const int64_t older_ms = std::max<int64_t>(0, origin.at_ms - relay.at_ms);
  const int64_t allowed = kMostSegments + older_ms / kTargetMs;
  return origin.newest - relay.newest <= allowed && relay.lag_ms <= kMostSegments * kTargetMs;
}

const char* state_word(const StreamRecord& stream) {
  if (stream.is_live) return "LIVE";
  return stream.live_started_ms == 0 ? "READY" : "OFFLINE";
}

}  // namespace coordinator
