#include "coordinator/app/dialler.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "coordinator/rules/address.hpp"

namespace coordinator {
namespace {

constexpr size_t kThreads = 4;
constexpr size_t kWaiting = 4096;
constexpr int kConnectMs = 3000;

std::string octets_of(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
    return std::string(reinterpret_cast<const char*>(&v4->sin_addr), 4);
  }
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
  return std::string(reinterpret_cast<const char*>(&v6->sin6_addr), 16);
}

// Empty when connected, else the reason.
std::string connect_once(const addrinfo& to) {
  const int fd = socket(to.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::strerror(errno);
  std::string why;
  if (connect(fd, to.ai_addr, to.ai_addrlen) != 0) {
    if (errno != EINPROGRESS) {
      why = std::strerror(errno);
    } else {
      pollfd waiting{fd, POLLOUT, 0};
      int error = 0;
      socklen_t size = sizeof error;
      if (poll(&waiting, 1, kConnectMs) != 1)
        why = "no answer within 3 s";
      else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0)
        why = std::strerror(error);
    }
  }
  close(fd);
  return why;
}

}  // namespace

Dialler::Dialler(bool allow_private, std::function<void()> finished)
    : allow_private_(allow_private), finished_(std::move(finished)) {
  for (size_t i = 0; i < kThreads; ++i) threads_.emplace_back([this] { work(); });
}

Dialler::~Dialler() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    jobs_.clear();
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Dialler::dial(const std::string& node, const std::string& url) {
  {
    const std::lock_guard lock(mutex_);
    if (jobs_.size() >= kWaiting) return;  // asked again at the next check
    jobs_.push_back({node, url});
  }
  changed_.notify_one();
}

std::vector<Dialler::Result> Dialler::collect() {
  const std::lock_guard lock(mutex_);
  return std::exchange(results_, {});
}

void Dialler::work() {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (stopping_) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    Result result = attempt(job);
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
      results_.push_back(std::move(result));
    }
    finished_();
  }
}

Dialler::Result Dialler::attempt(const Job& job) const {
  Result result{job.node, job.url, false, "not an address that may be dialled"};
  const auto url = parse_url(job.url);
  if (!url || !may_dial(host_kind(url->host), allow_private_)) return result;

  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int resolved = getaddrinfo(url->host.c_str(), std::to_string(url->port).c_str(), &hints, &found);
  if (resolved != 0) {
    result.why = gai_strerror(resolved);
    return result;
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> list(found, &freeaddrinfo);
  // A name may point anywhere: one forbidden address among its own forbids it whole.
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    if (!may_dial(address_kind(octets_of(at->ai_addr)), allow_private_)) return result;
  }
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    result.why = connect_once(*at);
    result.reached = result.why.empty();
    if (result.reached) break;
  }
  return result;
}

}  // namespace coordinator
