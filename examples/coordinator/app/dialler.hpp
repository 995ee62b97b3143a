// Decides whether a `public` address answers: resolves it, checks every address it resolves to, and connects once.
// Never blocks the service thread: a few threads of its own do the waiting.
// Called by app/network with addresses to prove; results are collected on the service thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace coordinator {

class Dialler {
 public:
  struct Result {
    std::string node;
    std::string url;
    bool reached = false;
    std::string why;  // where it was not reached
  };

  // `finished` is called from a dialling thread after each result.
  Dialler(bool allow_private, std::function<void()> finished);
  ~Dialler();
  Dialler(const Dialler&) = delete;
  Dialler& operator=(const Dialler&) = delete;

  void dial(const std::string& node, const std::string& url);
  std::vector<Result> collect();

 private:
  struct Job {
    std::string node;
    std::string url;
  };
  void work();
  Result attempt(const Job& job) const;

  bool allow_private_;
  std::function<void()> finished_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  std::vector<Result> results_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace coordinator
