// Decides: what every kind of load shares: its options, the sockets it opens, its epoll loop, what it reports.
// Never: speaks a protocol; http_load and push_load do.
// Called by: bench/load/main.
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <string>
#include <vector>

#include "load/arguments.hpp"
#include "load/part_times.hpp"

namespace streamr::bench {

struct LoadOptions {
  std::uint16_t port = 0;
  std::uint32_t connections = 1;
  std::uint32_t per_source = 50;      // connections from one address of 127.0.0.0/8: relays and fronts count by address
  std::uint64_t warmup_ns = 0, measure_ns = 0;
  std::uint32_t receive_buffer = 0;   // SO_RCVBUF; 0: the kernel's own tuning
  std::vector<int> watched;           // processes whose CPU time is read at both ends of the measured time
  PartTimes* times = nullptr;

  static LoadOptions from(const Arguments& arguments);
};

// Octets, answers and times of the measured span only.
struct Tally {
  std::uint64_t bytes = 0, answers = 0, errors = 0, skipped = 0;
  std::uint64_t longest_gap_us = 0;   // between two parts that one viewer has whole; push only
  std::vector<std::uint32_t> part_us, slice_us;
};

// CPU seconds of processes, all threads, in nanosecond steps.
double cpu_seconds(const std::vector<int>& pids);
// Connected, still blocking; throws where the kernel or the server refuses.
int open_socket(const LoadOptions& options, std::uint32_t index);
void set_non_blocking(int fd);
// Says how many connections stand, and waits until whoever started this has looked at them.
void hold_until_input_ends(std::uint32_t open);

// One epoll; `data` is whatever the load gave.
class Poller {
 public:
  Poller();
  ~Poller();
  void add(int fd, void* data, std::uint32_t events) const;
  void change(int fd, void* data, std::uint32_t events) const;
  // Events of at most `limit_ns`.
  const std::vector<epoll_event>& wait(std::uint64_t limit_ns);

 private:
  int fd_;
  std::vector<epoll_event> events_;
};

// Keeps the times of a run: when the measured span begins and ends, and what the watched processes had used then.
class Span {
 public:
  explicit Span(const LoadOptions& options);
  // Call often; true while the run lasts.
  bool running(std::uint64_t now);
  bool measuring() const { return measuring_; }
  void report(const Tally& tally, std::uint32_t open) const;

 private:
  const LoadOptions& options_;
  std::uint64_t begin_ns_, end_ns_;
  bool measuring_ = false;
  double cpu_begin_ = 0, cpu_end_ = 0, own_begin_ = 0, own_end_ = 0;
  std::uint64_t real_begin_ns_ = 0, real_end_ns_ = 0;
};

}  // namespace streamr::bench
