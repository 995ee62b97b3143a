#include "relay/requests.hpp"

#include <cJSON.h>

#include <cmath>
#include <memory>

#include "common/json_text.hpp"

namespace streamr::programs {

namespace {

constexpr std::uint32_t deepest = 4;
constexpr double largest_number = 1e15;

std::string refuse(const std::string& sentence) { return JsonObject().boolean("ok", false).text("error", sentence).str(); }

std::string list_of(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : ",") + json_quoted(text);
  return "[" + out + "]";
}

std::string answer_get(const cJSON& what, const ControlTarget& target) {
  const std::string word = cJSON_IsString(&what) ? what.valuestring : "";
  JsonObject json;
  json.boolean("ok", true);
  if (word == "limits") return json.raw("limits", to_json(target.settings())).str();
  if (word == "stats") return json.raw("stats", target.stats_json()).str();
  return refuse("get expects \"limits\" or \"stats\"");
}

// All members or none: they are read into a copy first.
std::string answer_set(const cJSON& members, ControlTarget& target) {
  if (!cJSON_IsObject(&members) || members.child == nullptr) return refuse("set expects an object such as {\"upload_kbps\": 5000}");
  const LiveSettings before = target.settings();
  LiveSettings wanted = before;
  for (const cJSON* member = members.child; member != nullptr; member = member->next) {
    const std::string name = member->string;
    std::string wrong;
    if (name == "log_level" && cJSON_IsString(member)) {
      wrong = set_log_level(wanted, member->valuestring);
    } else if (cJSON_IsNumber(member) && std::fabs(member->valuedouble) < largest_number) {
      wrong = set_number(wanted, name, static_cast<std::int64_t>(member->valuedouble));
    } else {
      wrong = "\"" + name + "\" expects " + (name == "log_level" ? "a word" : "a whole number");
    }
    if (!wrong.empty()) return refuse(wrong);
  }
  if (const std::string wrong = target.change(wanted); !wrong.empty()) return refuse(wrong);
  return JsonObject().boolean("ok", true).raw("changed", list_of(differences(before, wanted))).str();
}

std::string answer_reload(ControlTarget& target) {
  const ControlTarget::Reloaded done = target.reload();
  if (!done.wrong.empty()) return refuse(done.wrong);
  return JsonObject().boolean("ok", true).raw("changed", list_of(done.changed)).raw("restart_needed", list_of(done.restart_needed)).str();
}

}  // namespace

std::string answer_request(std::string_view line, ControlTarget& target) {
  streamr_error_t error = STREAMR_ERROR_INIT;
  if (streamr_control_check_json(line.data(), line.size(), 0, deepest, &error) != STREAMR_OK)
    return refuse(std::string("expected one JSON object on one line: ") + error.text);
  const std::unique_ptr<cJSON, void (*)(cJSON*)> tree(cJSON_ParseWithLength(line.data(), line.size()), cJSON_Delete);
  const cJSON* member = cJSON_IsObject(tree.get()) ? tree->child : nullptr;
  if (member == nullptr || member->next != nullptr)
    return refuse("expected one of {\"get\": …}, {\"set\": {…}}, {\"reload\": true}, {\"drain\": true}");
  const std::string verb = member->string;
  if (verb == "get") return answer_get(*member, target);
  if (verb == "set") return answer_set(*member, target);
  if (verb == "reload" && cJSON_IsTrue(member)) return answer_reload(target);
  if (verb == "drain" && cJSON_IsTrue(member)) {
    target.drain();
    return JsonObject().boolean("ok", true).str();
  }
  return refuse("expected get, set, reload or drain (the last two with true), got \"" + verb + "\"");
}

}  // namespace streamr::programs
