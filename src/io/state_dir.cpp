#include "io/state_dir.hpp"

#include <dirent.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "base/bytes.hpp"
#include "io/small_file.hpp"

namespace streamr::io {
namespace {

constexpr std::string_view suffix = ".state";
constexpr std::size_t facts_read = 4096;

bool is_plain(std::string_view name) {
  if (name.empty() || name.size() > 100 || name.front() == '.') return false;
  for (const char c : name) {
    const bool ok = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    if (!ok) return false;
  }
  return !name.starts_with("x-");
}

// Names that a file system might not take are written in hex behind "x-".
std::string file_name(const std::string& name) {
  return (is_plain(name) ? name : "x-" + to_hex(view_of(name))) + std::string(suffix);
}

std::string fact_name(std::string_view file) {
  file.remove_suffix(suffix.size());
  if (!file.starts_with("x-")) return std::string(file);
  file.remove_prefix(2);
  std::string name(file.size() / 2, '\0');
  const bool ok = from_hex(file, {reinterpret_cast<std::uint8_t*>(name.data()), name.size()});
  return ok ? name : std::string();
}

}  // namespace

struct StateDir::Work {
  uv_work_t request{};
  StateDir* owner = nullptr;
  std::string path, value;
  Status result;
};

Result<std::vector<std::pair<std::string, std::string>>> StateDir::load() {
  std::vector<std::pair<std::string, std::string>> facts;
  if (path_.empty()) return facts;
  if (mkdir(path_.c_str(), 0700) != 0 && errno != EEXIST)
    return fail(STREAMR_E_IO, "cannot make the state directory " + path_);
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(path_.c_str()), &closedir);
  if (!directory) return fail(STREAMR_E_IO, "cannot read the state directory " + path_);
  while (const dirent* entry = readdir(directory.get())) {
    const std::string_view file = entry->d_name;
    if (!file.ends_with(suffix) || facts.size() >= facts_read) continue;
    auto value = read_small_file(path_ + "/" + std::string(file), {});
    auto name = fact_name(file);
    if (value && !name.empty()) facts.emplace_back(std::move(name), std::move(*value));
  }
  return facts;
}

void StateDir::save(const std::string& name, const std::string& value) {
  if (path_.empty()) return;
  waiting_[name] = value;
  if (!working_) start();
}

void StateDir::start() {
  if (waiting_.empty()) return;
  auto next = waiting_.extract(waiting_.begin());
  auto work = std::make_unique<Work>();
  work->owner = this;
  work->path = path_ + "/" + file_name(next.key());
  work->value = std::move(next.mapped());
  work->request.data = work.get();
  const int error = uv_queue_work(
      loop_, &work->request,
      [](uv_work_t* request) {
        auto& job = *static_cast<Work*>(request->data);
        job.result = write_small_file(job.path, job.value, false);
      },
      [](uv_work_t* request, int) {
        const std::unique_ptr<Work> done(static_cast<Work*>(request->data));
        StateDir& owner = *done->owner;
        owner.working_ = false;
        owner.problem_ = done->result ? std::string() : done->result.error().text;
        owner.start();
      });
  if (error != 0) return;
  working_ = true;
  work.release();
}

void StateDir::write_rest() {
  for (const auto& [name, value] : waiting_)
    if (auto written = write_small_file(path_ + "/" + file_name(name), value, false); !written)
      problem_ = written.error().text;
  waiting_.clear();
}

}  // namespace streamr::io
