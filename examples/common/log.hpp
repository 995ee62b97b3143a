// Decides: how a program speaks while it runs: readable lines or JSON lines on standard error, one per event that matters.
// Never: writes to standard output, and never sees a secret (callers do not hand it any).
// Called by: every program, from any thread.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace streamr::programs {

enum class LogLevel { debug, info, warn, error, off };

// One member of a JSON line; a readable line shows it as name=value.
struct LogField {
  LogField(std::string_view n, std::string_view v) : name(n), value(v) {}
  LogField(std::string_view n, const std::string& v) : name(n), value(v) {}
  LogField(std::string_view n, const char* v) : name(n), value(v) {}
  LogField(std::string_view n, std::int64_t v) : name(n), value(std::to_string(v)), is_number(true) {}
  LogField(std::string_view n, std::uint64_t v) : name(n), value(std::to_string(v)), is_number(true) {}
  LogField(std::string_view n, int v) : LogField(n, static_cast<std::int64_t>(v)) {}
  LogField(std::string_view n, unsigned v) : LogField(n, static_cast<std::uint64_t>(v)) {}
  std::string name;
  std::string value;
  bool is_number = false;
};

// Once, at the start of main; without it lines of info and above are written as text.
void log_setup(std::string_view program, bool json, LogLevel level);

// `event` is a stable word for machines ("source_refused"), `sentence` is for people.
void log_line(LogLevel level, std::string_view event, std::string_view sentence,
              std::initializer_list<LogField> fields = {});

// "debug", "info", "warn", "error"; anything else is info.
LogLevel log_level_of(std::string_view word);
void log_set_level(LogLevel level);

inline void log_debug(std::string_view event, std::string_view sentence, std::initializer_list<LogField> fields = {}) {
  log_line(LogLevel::debug, event, sentence, fields);
}
inline void log_info(std::string_view event, std::string_view sentence, std::initializer_list<LogField> fields = {}) {
  log_line(LogLevel::info, event, sentence, fields);
}
inline void log_warn(std::string_view event, std::string_view sentence, std::initializer_list<LogField> fields = {}) {
  log_line(LogLevel::warn, event, sentence, fields);
}
inline void log_error(std::string_view event, std::string_view sentence, std::initializer_list<LogField> fields = {}) {
  log_line(LogLevel::error, event, sentence, fields);
}

}  // namespace streamr::programs
