#include "coordinator/http/connection.hpp"

#include <libwebsockets.h>
#include <sys/socket.h>

#include <algorithm>
#include <vector>

namespace coordinator {
namespace {

constexpr size_t kWriteBytes = 48 * 1024;
constexpr size_t kUnsentLimit = 4 * 1024 * 1024;  // a reader this far behind is read from no more
constexpr size_t kDrainBytes = 8 * 1024 * 1024;   // of a refused body, so that its sender reads the refusal
constexpr int kHeadTimeoutS = 10;
constexpr int kBodyTimeoutS = 20;
constexpr int kIdleTimeoutS = 75;
constexpr int kAnswerTimeoutS = 30;
constexpr int kDrainTimeoutS = 2;

const char* reason(int status) {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 204: return "No Content";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 422: return "Unprocessable Content";
    case 425: return "Too Early";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    default: return "Service Unavailable";
  }
}

}  // namespace

Connection::Connection(lws* socket, std::string address, Application& application)
    : socket_(socket),
      address_(std::move(address)),
      application_(application),
      parser_({
          [this](const std::string& method, const std::string& path) { return application_.body_limit(method, path); },
          [this](bool) { out_ += "HTTP/1.1 100 Continue\r\n\r\n"; },
          [this](Request&& request, bool keep_alive) {
            if (phase_ != Phase::open) return;
            request.address = address_;
            send(&request, application_.answer(request), keep_alive);
          },
      }) {
  set_timeout();
}

void Connection::set_timeout() {
  int seconds = kIdleTimeoutS;
  if (phase_ == Phase::draining)
    seconds = kDrainTimeoutS;
  else if (!out_.empty())
    seconds = kAnswerTimeoutS;
  else if (parser_.in_body())
    seconds = kBodyTimeoutS;
  else if (parser_.in_request())
    seconds = kHeadTimeoutS;
  lws_set_timeout(socket_, PENDING_TIMEOUT_USER_OK, seconds);
}

void Connection::send(const Request* request, Response response, bool keep_alive) {
  const bool head = request != nullptr && request->method == "HEAD";
  std::string text = "HTTP/1.1 " + std::to_string(response.status) + " " + reason(response.status) + "\r\n";
  for (const auto& [name, value] : response.headers) text += name + ": " + value + "\r\n";
  if (response.status != 204) {
    text += "Content-Type: " + response.type + "\r\nContent-Length: " + std::to_string(response.body.size()) + "\r\n";
  }
  text += keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  out_ += text;
  if (!head && response.status != 204) out_ += response.body;
  if (!keep_alive) phase_ = Phase::answering_last;
}

void Connection::refuse(int status, const std::string& code, const std::string& message) {
  if (phase_ != Phase::open) return;
  send(nullptr, application_.refuse(status, code, message), false);
}

bool Connection::on_bytes(const char* bytes, size_t len) {
  if (phase_ != Phase::open) {
    drained_ += len;
    return drained_ <= kDrainBytes;
  }
  const bool began = !parser_.in_request();
  const bool had_body = parser_.in_body();
  if (!parser_.feed(bytes, len) && phase_ == Phase::open) {
    const auto& refusal = parser_.refusal();
    refuse(refusal.status, refusal.code, refusal.message);
  }
  if (!flush()) return false;
  // A request must be whole in time: octets that trickle in do not start the clock anew.
  if (!out_.empty() || phase_ != Phase::open || began || had_body != parser_.in_body() || !parser_.in_request()) {
    set_timeout();
  }
  return true;
}

bool Connection::on_writable() {
  const bool had_output = !out_.empty();
  if (!flush()) return false;
  if (had_output) set_timeout();
  return true;
}

bool Connection::flush() {
  while (sent_ < out_.size()) {
    if (lws_partial_buffered(socket_) != 0 || lws_send_pipe_choked(socket_) != 0) {
      lws_callback_on_writable(socket_);
      break;
    }
    const size_t len = std::min(kWriteBytes, out_.size() - sent_);
    // libwebsockets writes into the octets before the ones it is given.
    std::vector<unsigned char> buffer(LWS_PRE + len);
    std::copy_n(out_.data() + sent_, len, buffer.begin() + LWS_PRE);
    const int written = lws_write(socket_, buffer.data() + LWS_PRE, len, LWS_WRITE_RAW);
    if (written < 0) return false;
    sent_ += len;  // what the socket did not take, libwebsockets keeps
  }
  if (sent_ == out_.size()) {
    out_.clear();
    sent_ = 0;
  } else if (sent_ > kUnsentLimit) {
    out_.erase(0, sent_);
    sent_ = 0;
  }
  const bool too_far = out_.size() - sent_ > kUnsentLimit;
  if (too_far == reading_) {
    reading_ = !too_far;
    lws_rx_flow_control(socket_, reading_ ? 1 : 0);
  }
  if (phase_ == Phase::answering_last && out_.empty()) {
    if (lws_partial_buffered(socket_) != 0) {
      lws_callback_on_writable(socket_);
    } else {
      // Ends our side only: closing with octets unread would take the answer from a peer that still sends.
      shutdown(lws_get_socket_fd(socket_), SHUT_WR);
      phase_ = Phase::draining;
      set_timeout();
    }
  }
  return true;
}

}  // namespace coordinator
