// Decides: how the feed tells the load generator, in another process, when each part was pushed: one small mapped file.
// Never: measures; both sides read the same monotonic clock.
// Called by: bench/feed (writes), bench/load (reads).
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace streamr::bench {

inline std::uint64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
}

constexpr std::uint64_t part_times_kept = 1u << 16;

struct PartTimes {
  std::atomic<std::uint64_t> count;      // parts pushed so far
  std::uint64_t first_segment;
  std::uint64_t parts_per_segment;
  std::uint64_t part_bytes;
  std::uint64_t interval_ns;
  std::uint64_t reserved[3];
  std::atomic<std::uint64_t> pushed_ns[part_times_kept];   // by ordinal, modulo

  std::uint64_t segment_of(std::uint64_t ordinal) const { return first_segment + ordinal / parts_per_segment; }
  std::uint64_t part_of(std::uint64_t ordinal) const { return ordinal % parts_per_segment; }
  std::uint64_t ordinal_of(std::uint64_t segment, std::uint64_t part) const {
    return segment < first_segment ? 0 : (segment - first_segment) * parts_per_segment + part;
  }
};

inline PartTimes* map_part_times(const std::string& path, bool create) {
  const int fd = open(path.c_str(), create ? O_RDWR | O_CREAT | O_TRUNC : O_RDWR, 0600);
  if (fd < 0 || (create && ftruncate(fd, sizeof(PartTimes)) != 0)) throw std::runtime_error("cannot open " + path);
  void* mapped = mmap(nullptr, sizeof(PartTimes), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (mapped == MAP_FAILED) throw std::runtime_error("cannot map " + path);
  return static_cast<PartTimes*>(mapped);
}

}  // namespace streamr::bench
