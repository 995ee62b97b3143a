// Decides whether a stream is live and how far a relay is behind its origin.
// Never reads the clock.
// Called by heartbeats, sessions, steering and once a second.
#pragma once

#include <cstdint>

#include "coordinator/rules/records.hpp"

namespace coordinator {

constexpr int64_t kTargetMs = 2000;  // of a segment, where nothing else is known

// An origin reported the stream. Live while its newest segment rises.
void note_origin_report(StreamRecord& stream, const ReportRecord& report, int64_t now_ms);

// No rise for this long, or the origin no longer names it: not live.
bool goes_offline(const StreamRecord& stream, bool origin_names_it, int64_t now_ms, int64_t silent_ms);
void mark_offline(StreamRecord& stream, int64_t now_ms);

// At most 3 x target duration behind; reports of different times are compared as if the origin had gone on.
bool is_near(const ReportRecord& relay, const ReportRecord& origin);

const char* state_word(const StreamRecord& stream);

}  // namespace coordinator
