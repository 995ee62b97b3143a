#include "load/load.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace streamr::bench {
namespace {

double process_cpu(clockid_t clock) {
  timespec used{};
  return clock_gettime(clock, &used) == 0 ? static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9 : 0;
}

void print_times(const char* name, std::vector<std::uint32_t> values) {
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    return values.empty() ? 0 : values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
  };
  std::printf(", \"%s\": {\"count\": %zu, \"p50\": %u, \"p90\": %u, \"p99\": %u, \"max\": %u}", name, values.size(), at(0.5),
              at(0.9), at(0.99), at(1.0));
}

}  // namespace

LoadOptions LoadOptions::from(const Arguments& arguments) {
  LoadOptions options;
  options.port = static_cast<std::uint16_t>(std::stoul(arguments.needed("port")));
  options.connections = static_cast<std::uint32_t>(arguments.number("connections", 1));
  options.per_source = static_cast<std::uint32_t>(arguments.number("per-source", 50));
  options.warmup_ns = arguments.number("warmup-ms", 1000) * 1'000'000;
  options.measure_ns = arguments.number("measure-ms", 5000) * 1'000'000;
  options.receive_buffer = static_cast<std::uint32_t>(arguments.number("receive-buffer", 0));
  const std::string watched = arguments.text("watch");
  for (std::size_t at = 0; at < watched.size(); at = std::min(watched.find(',', at), watched.size() - 1) + 1)
    options.watched.push_back(std::atoi(watched.c_str() + at));
  if (const std::string path = arguments.text("times"); !path.empty()) options.times = map_part_times(path, false);
  return options;
}

double cpu_seconds(const std::vector<int>& pids) {
  double sum = 0;
  for (const int pid : pids) {
    clockid_t clock{};
    if (clock_getcpuclockid(pid, &clock) == 0) sum += process_cpu(clock);
  }
  return sum;
}

int open_socket(const LoadOptions& options, std::uint32_t index) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw std::runtime_error(std::string("no socket: ") + std::strerror(errno));
  const int yes = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
  if (options.receive_buffer != 0) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &options.receive_buffer, sizeof options.receive_buffer);
  sockaddr_in from{};
  from.sin_family = AF_INET;
  from.sin_addr.s_addr = htonl(0x7F000100u + 2 + index / options.per_source);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0) throw std::runtime_error("cannot bind a source address");
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(options.port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
    throw std::runtime_error(std::string("cannot connect: ") + std::strerror(errno));
  return fd;
}

void set_non_blocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

void hold_until_input_ends(std::uint32_t open) {
  std::printf("{\"held\": %u}\n", open);
  std::fflush(stdout);
  char octet;
  while (read(STDIN_FILENO, &octet, 1) > 0) {
  }
}

Poller::Poller() : fd_(epoll_create1(EPOLL_CLOEXEC)), events_(512) {}
Poller::~Poller() { close(fd_); }

void Poller::add(int fd, void* data, std::uint32_t events) const {
  epoll_event event{};
  event.events = events;
  event.data.ptr = data;
  epoll_ctl(fd_, EPOLL_CTL_ADD, fd, &event);
}

void Poller::change(int fd, void* data, std::uint32_t events) const {
  epoll_event event{};
  event.events = events;
  event.data.ptr = data;
  epoll_ctl(fd_, EPOLL_CTL_MOD, fd, &event);
}

const std::vector<epoll_event>& Poller::wait(std::uint64_t limit_ns) {
  events_.resize(512);
  const timespec limit{static_cast<time_t>(limit_ns / 1'000'000'000), static_cast<long>(limit_ns % 1'000'000'000)};
  const int count = epoll_pwait2(fd_, events_.data(), 512, &limit, nullptr);
  events_.resize(static_cast<std::size_t>(std::max(count, 0)));
  return events_;
}

Span::Span(const LoadOptions& options)
    : options_(options), begin_ns_(now_ns() + options.warmup_ns), end_ns_(begin_ns_ + options.measure_ns) {}

bool Span::running(std::uint64_t now) {
  if (!measuring_ && now >= begin_ns_ && now < end_ns_) {
    measuring_ = true;
    real_begin_ns_ = now_ns();
    cpu_begin_ = cpu_seconds(options_.watched);
    own_begin_ = process_cpu(CLOCK_PROCESS_CPUTIME_ID);
  }
  if (now < end_ns_) return true;
  cpu_end_ = cpu_seconds(options_.watched);
  own_end_ = process_cpu(CLOCK_PROCESS_CPUTIME_ID);
  real_end_ns_ = now_ns();
  measuring_ = false;
  return false;
}

void Span::report(const Tally& tally, std::uint32_t open) const {
  const double cpu = cpu_end_ - cpu_begin_;
  const double real = static_cast<double>(real_end_ns_ - real_begin_ns_) / 1e9;
  const double gigabytes = static_cast<double>(tally.bytes) / 1e9;
  std::printf("{\"bytes\": %llu, \"answers\": %llu, \"errors\": %llu, \"skipped\": %llu, \"open\": %u, \"seconds\": %.4f",
              static_cast<unsigned long long>(tally.bytes), static_cast<unsigned long long>(tally.answers),
              static_cast<unsigned long long>(tally.errors), static_cast<unsigned long long>(tally.skipped), open, real);
  std::printf(", \"cpu_s\": %.4f, \"load_cpu_s\": %.4f, \"cpu_s_per_gb\": %.4f, \"cpu_us_per_answer\": %.3f", cpu,
              own_end_ - own_begin_, gigabytes > 0 ? cpu / gigabytes : 0,
              tally.answers > 0 ? cpu * 1e6 / static_cast<double>(tally.answers) : 0);
  std::printf(", \"longest_gap_us\": %llu", static_cast<unsigned long long>(tally.longest_gap_us));
  print_times("part_us", tally.part_us);
  print_times("slice_us", tally.slice_us);
  std::printf("}\n");
  std::fflush(stdout);
}

}  // namespace streamr::bench
