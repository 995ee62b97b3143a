#include "common/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>

#include "common/json_text.hpp"

namespace streamr::programs {
namespace {

struct Log {
  Log() : logger("streamr", std::make_shared<spdlog::sinks::stderr_sink_mt>()) { apply(); }

  void apply() {
    logger.set_pattern(json ? "%v" : "%Y-%m-%d %H:%M:%S.%e %^%-7l%$ %v");
    logger.flush_on(spdlog::level::trace);
  }

  spdlog::logger logger;
  std::string program = "streamr";
  bool json = false;
};

Log& the_log() {
  static Log log;
  return log;
}

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::warn: return spdlog::level::warn;
    case LogLevel::error: return spdlog::level::err;
    case LogLevel::off: return spdlog::level::off;
  }
  return spdlog::level::info;
}

const char* level_name(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warn: return "warn";
    default: return "error";
  }
}

std::int64_t unix_us() {
  using namespace std::chrono;
  return duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
}

// A line is a line: what comes from outside cannot forge a second one or move the cursor.
std::string one_line(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return out;
}

}  // namespace

void log_setup(std::string_view program, bool json, LogLevel level) {
  Log& log = the_log();
  log.program = program;
  log.json = json;
  log.logger.set_level(to_spdlog(level));
  log.apply();
}

LogLevel log_level_of(std::string_view word) {
  for (const LogLevel level : {LogLevel::debug, LogLevel::warn, LogLevel::error}) {
    if (word == level_name(level)) return level;
  }
  return LogLevel::info;
}

void log_set_level(LogLevel level) { the_log().logger.set_level(to_spdlog(level)); }

void log_line(LogLevel level, std::string_view event, std::string_view sentence,
              std::initializer_list<LogField> fields) {
  Log& log = the_log();
  if (!log.logger.should_log(to_spdlog(level))) return;
  std::string line;
  if (log.json) {
    JsonObject object;
    object.number("time_us", unix_us()).text("level", level_name(level)).text("program", log.program);
    object.text("event", event).text("text", sentence);
    for (const LogField& field : fields) {
      field.is_number ? object.raw(field.name, field.value) : object.text(field.name, field.value);
    }
    line = object.str();
  } else {
    line = one_line(sentence);
    for (const LogField& field : fields) line += " " + field.name + "=" + one_line(field.value);
  }
  log.logger.log(to_spdlog(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace streamr::programs
