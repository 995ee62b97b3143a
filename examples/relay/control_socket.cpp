#include "relay/control_socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace streamr::programs {

namespace {

constexpr std::size_t most_clients = 8;
constexpr std::size_t longest_line = 4096;
constexpr std::size_t longest_answer = 1u << 20;
constexpr int answer_within_ms = 10'000;

bool fill_address(const std::string& path, sockaddr_un& out) {
  out = {};
  out.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof out.sun_path) return false;
  std::memcpy(out.sun_path, path.c_str(), path.size() + 1);
  return true;
}

std::string path_too_long(const std::string& path) {
  return "the path of a Unix socket has 1 to 107 bytes, and " + path + " has " + std::to_string(path.size());
}

const sockaddr* generic(const sockaddr_un& address) { return reinterpret_cast<const sockaddr*>(&address); }

}  // namespace

int connect_control(const std::string& path, std::string& sentence) {
  sockaddr_un address;
  if (!fill_address(path, address)) {
    sentence = path_too_long(path);
    return -1;
  }
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect(fd, generic(address), sizeof address) == 0) return fd;
  sentence = "no relay answers at " + path + ": " + std::strerror(errno);
  if (fd >= 0) close(fd);
  return -1;
}

std::string ask_control(int fd, const std::string& request) {
  const std::string line = request + "\n";
  if (send(fd, line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size())) return {};
  std::string in;
  char bytes[4096];
  pollfd entry = {fd, POLLIN, 0};
  while (in.find('\n') == std::string::npos) {
    if (poll(&entry, 1, answer_within_ms) <= 0) return {};
    const ssize_t count = read(fd, bytes, sizeof bytes);
    if (count <= 0) return {};
    in.append(bytes, static_cast<std::size_t>(count));
  }
  return in.substr(0, in.find('\n'));
}

ControlSocket::~ControlSocket() {
  for (const Client& client : clients_) close(client.fd);
  if (listener_ < 0) return;
  close(listener_);
  unlink(path_.c_str());
}

std::string ControlSocket::open(const std::string& path) {
  sockaddr_un address;
  if (!fill_address(path, address)) return path_too_long(path);
  struct stat info = {};
  if (lstat(path.c_str(), &info) == 0) {
    if (!S_ISSOCK(info.st_mode)) return path + " exists and is no socket; choose another path";
    std::string nobody;
    if (const int other = connect_control(path, nobody); other >= 0) {
      close(other);
      return "another relay answers at " + path + "; choose another path";
    }
    unlink(path.c_str());
  }
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const mode_t before = umask(0177);  // nobody else may connect, from the first moment on
  const bool bound = fd >= 0 && bind(fd, generic(address), sizeof address) == 0;
  const int reason = errno;
  umask(before);
  if (!bound || listen(fd, most_clients) != 0) {
    if (fd >= 0) close(fd);
    return "the control socket " + path + " cannot be made: " + std::strerror(bound ? errno : reason);
  }
  path_ = path;
  listener_ = fd;
  return {};
}

void ControlSocket::add_to(std::vector<pollfd>& waited) const {
  if (listener_ < 0) return;
  waited.push_back({listener_, static_cast<short>(clients_.size() < most_clients ? POLLIN : 0), 0});
  for (const Client& client : clients_)
    waited.push_back({client.fd, static_cast<short>(client.out.empty() ? POLLIN : POLLOUT), 0});
}

void ControlSocket::serve(const std::vector<pollfd>& waited) {
  for (const pollfd& entry : waited) {
    if (entry.revents == 0 || listener_ < 0) continue;
    if (entry.fd == listener_) {
      accept_one();
      continue;
    }
    for (std::size_t at = 0; at < clients_.size(); ++at) {
      if (clients_[at].fd != entry.fd) continue;
      Client& client = clients_[at];
      if (!(client.out.empty() ? read_from(client) : write_to(client))) close_client(at);
      break;
    }
  }
}

void ControlSocket::accept_one() {
  const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd >= 0) clients_.push_back({fd, {}, {}});
}

// False: the client goes.
bool ControlSocket::read_from(Client& client) {
  char bytes[1024];
  const ssize_t count = read(client.fd, bytes, sizeof bytes);
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  if (count == 0) return false;
  client.in.append(bytes, static_cast<std::size_t>(count));
  for (std::size_t end = client.in.find('\n'); end != std::string::npos; end = client.in.find('\n')) {
    client.out += answer_(std::string_view(client.in).substr(0, end)) + "\n";
    client.in.erase(0, end + 1);
    if (client.out.size() > longest_answer) return false;
  }
  if (client.in.size() > longest_line) return false;
  return client.out.empty() || write_to(client);
}

bool ControlSocket::write_to(Client& client) {
  const ssize_t count = send(client.fd, client.out.data(), client.out.size(), MSG_NOSIGNAL);
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  client.out.erase(0, static_cast<std::size_t>(count));
  return true;
}

void ControlSocket::close_client(std::size_t at) {
  close(clients_[at].fd);
  clients_.erase(clients_.begin() + static_cast<std::ptrdiff_t>(at));
}

}  // namespace streamr::programs
