// Decides where a node's small durable facts rest: one file per fact in one directory, named after the fact.
// Never blocks the loop while it runs: writing happens beside it, one fact after the other, the newest value of each.
// Called by runtime.
#pragma once

#include <uv.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace streamr::io {

class StateDir {
 public:
  // An empty path keeps nothing.
  StateDir(uv_loop_t* loop, std::string path) : loop_(loop), path_(std::move(path)) {}

  // Makes the directory where it is missing and reads what is there. IO, PERMISSION.
  Result<std::vector<std::pair<std::string, std::string>>> load();
  void save(const std::string& name, const std::string& value);
  bool idle() const { return !working_; }
  // After the loop ended: what still waits is written now.
  void write_rest();
  // Why the last write failed; empty: it did not.
  const std::string& problem() const { return problem_; }

 private:
  struct Work;
  void start();

  uv_loop_t* loop_;
  std::string path_;
  std::map<std::string, std::string> waiting_;
  bool working_ = false;
  std::string problem_;
};

}  // namespace streamr::io
