// Decides when an hour is closed, and gathers slots and pay of closed and open hours for whoever shows them.
// Never closes an hour twice: rows and the mark of the last closed hour are written in one transaction.
// Called once a second and by the reading routes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/app/context.hpp"
#include "coordinator/rules/slots.hpp"

namespace coordinator {

struct PayRow {
  int64_t hour = 0;
  std::string stream;
  std::string node;
  SlotBits bits;
  int64_t pay = 0;
  bool closed = false;
};

// Every node that served a stream since `from_hour`; for open hours what they have earned so far.
std::vector<PayRow> pay_rows(Context& context, int64_t from_hour);

struct Uptime {
  int64_t good = 0;   // slots that count
  int64_t total = 0;  // slots since the first one that counted
};
// Slots of one node on one stream that end after `from_ms` and began before `now_ms`; rows of others are passed over.
Uptime uptime_of(const std::vector<PayRow>& rows, const std::string& stream, const std::string& node, int64_t from_ms,
                 int64_t now_ms);

// Once, for a new database: hours before this one are nobody's.
void begin_hours(Context& context);
void close_due_hours(Context& context);
void refresh_live_states(Context& context);

}  // namespace coordinator
