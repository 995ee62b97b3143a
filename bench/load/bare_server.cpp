// The least that a server of immutable objects can do: one epoll, one answer to every request, whatever was asked.
//
//   bench_bare_server --way writev|sendfile|memfd|memfd-huge [--bytes N] [--path FILE] [--cork 1] [--send-buffer N]
//
// writev copies from memory; the others hand pages over: of a file, of a memory file, of a memory file in huge pages. What
// the relay costs beyond this is its own. Prints its port, serves until standard input ends.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "load/arguments.hpp"
#include "load/part_times.hpp"

namespace {

using streamr::bench::Arguments;

constexpr std::size_t objects = 20;

struct Client {
  int fd;
  std::size_t sent = 0;       // of head and body together
  bool answering = false;
  std::size_t object = 0;
};

class BareServer {
 public:
  explicit BareServer(const Arguments& arguments);
  void run();

 private:
  void make_objects(const std::string& path);
  void accept_all();
  void set_cork(int fd, int on) const;
  void readable(Client& client);
  void write(Client& client);
  long write_once(Client& client);

  std::string way_, head_;
  std::size_t bytes_;
  int cork_, send_buffer_;
  int file_ = -1, listener_, epoll_;
  std::vector<char> memory_;
  std::size_t stride_;  // of objects, whole pages
};

BareServer::BareServer(const Arguments& arguments) : way_(arguments.needed("way")), bytes_(arguments.number("bytes", 200'000)),
      cork_(static_cast<int>(arguments.number("cork", 0))), send_buffer_(static_cast<int>(arguments.number("send-buffer", 0))) {
  head_ = "HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: " + std::to_string(bytes_) +
          "\r\nCache-Control: public, max-age=31536000, immutable\r\n\r\n";
  stride_ = (bytes_ + 4095) & ~std::size_t{4095};
  make_objects(arguments.text("path"));
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(listener_, reinterpret_cast<const sockaddr*>(&address), size) != 0 || listen(listener_, 4096) != 0)
    throw std::runtime_error("cannot listen");
  getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  std::printf("listening on 127.0.0.1:%u\n", ntohs(address.sin_port));
  std::fflush(stdout);
  epoll_ = epoll_create1(0);
}

void BareServer::make_objects(const std::string& path) {
  memory_.resize(stride_ * objects);
  std::uint64_t state = 88172645463325252u;
  for (char& octet : memory_) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    octet = static_cast<char>(state);
  }
  if (way_ == "writev") return;
  if (way_ == "sendfile") file_ = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (way_ == "memfd") file_ = memfd_create("objects", 0);
  if (way_ == "memfd-huge") file_ = memfd_create("objects", MFD_HUGETLB);
  if (file_ < 0) throw std::runtime_error("no file for --way " + way_ + ": " + std::strerror(errno));
  const std::size_t room = (memory_.size() + (2u << 20) - 1) & ~std::size_t{(2u << 20) - 1};
  if (ftruncate(file_, static_cast<off_t>(room)) != 0) throw std::runtime_error("no room");
  void* at = mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0);
  if (at == MAP_FAILED) throw std::runtime_error(std::string("cannot map: ") + std::strerror(errno));
  if (way_ == "memfd") madvise(at, room, MADV_HUGEPAGE);
  std::memcpy(at, memory_.data(), memory_.size());
}

void BareServer::accept_all() {
  for (int fd; (fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
    const int yes = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (send_buffer_ != 0) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer_, sizeof send_buffer_);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.ptr = new Client{fd};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }
}

void BareServer::set_cork(int fd, int on) const {
  if (cork_ != 0) setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof on);
}

void BareServer::readable(Client& client) {
  char request[4096];
  if (recv(client.fd, request, sizeof request, MSG_DONTWAIT) <= 0) return;
  client.answering = true;
  client.sent = 0;
  client.object = streamr::bench::now_ns() / 200'000'000 % objects;  // everyone watches the same live stream
  set_cork(client.fd, 1);
}

long BareServer::write_once(Client& client) {
  const std::size_t body = client.sent > head_.size() ? client.sent - head_.size() : 0;
  char* from = memory_.data() + client.object * stride_;
  if (way_ == "writev") {
    iovec parts[2] = {{head_.data() + std::min(client.sent, head_.size()), head_.size() - std::min(client.sent, head_.size())},
                      {from + body, bytes_ - body}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    return sendmsg(client.fd, &message, MSG_NOSIGNAL);
  }
  if (client.sent < head_.size()) return send(client.fd, head_.data() + client.sent, head_.size() - client.sent, MSG_NOSIGNAL | MSG_MORE);
  off_t offset = static_cast<off_t>(client.object * stride_ + body);
  return sendfile(client.fd, file_, &offset, bytes_ - body);
}

void BareServer::write(Client& client) {
  while (client.answering) {
    const long sent = write_once(client);
    if (sent < 0) return;
    client.sent += static_cast<std::size_t>(sent);
    client.answering = client.sent < head_.size() + bytes_;
    if (!client.answering) set_cork(client.fd, 0);
  }
}

void BareServer::run() {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = &listener_;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event);
  event.data.ptr = this;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, STDIN_FILENO, &event);
  std::vector<epoll_event> events(512);
  while (true) {
    const int count = epoll_wait(epoll_, events.data(), 512, -1);
    for (int i = 0; i < count; ++i) {
      const epoll_event& one = events[static_cast<std::size_t>(i)];
      if (one.data.ptr == this) return;
      if (one.data.ptr == &listener_) {
        accept_all();
        continue;
      }
      auto& client = *static_cast<Client*>(one.data.ptr);
      if ((one.events & (EPOLLHUP | EPOLLERR)) != 0) {
        close(client.fd);
        delete &client;
        continue;
      }
      if ((one.events & EPOLLIN) != 0 && !client.answering) readable(client);
      write(client);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // sendfile has no flag for it
  try {
    BareServer(Arguments(argc, argv)).run();
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "bench_bare_server: %s\n", failure.what());
    return 1;
  }
  return 0;
}
