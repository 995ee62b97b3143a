#include "io/coordinator_client.hpp"

#include <curl/curl.h>

#include <charconv>
#include <string>

namespace streamr::io {
namespace {

constexpr long connect_within_ms = 5'000;

std::optional<std::uint32_t> parse_seconds(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\r' || text.back() == '\n')) text.remove_suffix(1);
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool starts_with_ignoring_case(std::string_view text, std::string_view lower_case) {
  if (text.size() < lower_case.size()) return false;
  for (std::size_t i = 0; i < lower_case.size(); ++i) {
    const char c = text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] - 'A' + 'a') : text[i];
    if (c != lower_case[i]) return false;
  }
  return true;
}

bool is_loopback_url(std::string_view url) {
  const auto scheme = url.find("://");
  const auto host = scheme == std::string_view::npos ? url : url.substr(scheme + 3);
  return host.starts_with("127.") || host.starts_with("localhost") || host.starts_with("[::1]");
}

}  // namespace

struct CoordinatorClient::Call {
  CallId id = 0;
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  SharedBytes request_body;
  ByteVector reply;
  std::size_t max_reply_bytes = 0;
  bool too_long = false;
  std::optional<std::uint32_t> retry_after_s;
  char problem[CURL_ERROR_SIZE] = {};

  ~Call() {
    if (easy) curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
  }
  static std::size_t on_body(char* data, std::size_t, std::size_t size, void* user) {
    auto& call = *static_cast<Call*>(user);
    if (size > call.max_reply_bytes - call.reply.size()) {
      call.too_long = true;
      return 0;
    }
    call.reply.insert(call.reply.end(), data, data + size);
    return size;
  }
  static std::size_t on_header(char* data, std::size_t, std::size_t size, void* user) {
    constexpr std::string_view name = "retry-after:";
    const std::string_view line(data, size);
    if (starts_with_ignoring_case(line, name))
      static_cast<Call*>(user)->retry_after_s = parse_seconds(line.substr(name.size()));
    return size;
  }
  void set_up(const core::HttpCall& from);
};

struct CoordinatorClient::Poll {
  uv_poll_t handle{};
  CoordinatorClient* client = nullptr;
  int socket = -1;
};

void CoordinatorClient::Call::set_up(const core::HttpCall& from) {
  for (const auto& [name, value] : from.headers) headers = curl_slist_append(headers, (name + ": " + value).c_str());
  headers = curl_slist_append(headers, "Expect:");  // a body of a few KiB is not worth a round trip of its own
  curl_easy_setopt(easy, CURLOPT_URL, from.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(from.timeout_ms));
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   std::min<long>(connect_within_ms, static_cast<long>(from.timeout_ms)));
  curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "libstreamr/" STREAMR_VERSION_STRING);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, problem);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Call::on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Call::on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  if (is_loopback_url(from.url)) curl_easy_setopt(easy, CURLOPT_PROXY, "");
#if LIBCURL_VERSION_NUM >= 0x075700
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);  // a name that does not resolve must not hold up stop
#endif
  if (from.method == "POST") {
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
                     reinterpret_cast<const char*>(request_body.data() ? request_body.data()
                                                                       : reinterpret_cast<const std::uint8_t*>("")));
  } else if (from.method != "GET") {
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, from.method.c_str());
  }
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
}

CoordinatorClient::CoordinatorClient(uv_loop_t* loop, Handler& handler) : loop_(loop), handler_(handler) {
  curl_global_init(CURL_GLOBAL_DEFAULT);  // counted; taken back by the destructor
  multi_ = curl_multi_init();
  uv_timer_init(loop_, &timer_);
  timer_.data = this;
  timer_open_ = true;
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(
      multi_, CURLMOPT_SOCKETFUNCTION, +[](CURL* easy, curl_socket_t socket, int what, void* user, void* poll) {
        static_cast<CoordinatorClient*>(user)->on_socket(easy, socket, what, static_cast<Poll*>(poll));
        return 0;
      });
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(
      multi_, CURLMOPT_TIMERFUNCTION, +[](CURLM*, long timeout_ms, void* user) {
        auto& client = *static_cast<CoordinatorClient*>(user);
        if (client.closing_) return 0;
        if (timeout_ms < 0) return uv_timer_stop(&client.timer_);
        uv_update_time(client.loop_);
        return uv_timer_start(
            &client.timer_,
            [](uv_timer_t* timer) {
              static_cast<CoordinatorClient*>(timer->data)->on_activity(CURL_SOCKET_TIMEOUT, 0);
            },
            static_cast<std::uint64_t>(timeout_ms), 0);
      });
}

CoordinatorClient::~CoordinatorClient() {
  for (auto& [easy, call] : calls_) curl_multi_remove_handle(multi_, easy);
  calls_.clear();
  if (multi_) curl_multi_cleanup(multi_);
  curl_global_cleanup();
}

void CoordinatorClient::call(core::HttpCall from) {
  auto owned = std::make_unique<Call>();
  Call& call = *owned;
  call.id = from.call;
  call.easy = curl_easy_init();
  call.max_reply_bytes = from.max_reply_bytes;
  call.request_body = from.body;
  if (closing_ || !call.easy)
    return handler_.on_http_answer(call.id, 0, std::nullopt, {}, "the HTTP client could not be set up");
  call.set_up(from);
  calls_.emplace(call.easy, std::move(owned));
  curl_multi_add_handle(multi_, call.easy);
}

void CoordinatorClient::on_socket(void*, int socket, int what, Poll* poll) {
  if (what == CURL_POLL_REMOVE) {
    if (!poll) return;
    curl_multi_assign(multi_, socket, nullptr);
    uv_poll_stop(&poll->handle);
    uv_close(reinterpret_cast<uv_handle_t*>(&poll->handle), [](uv_handle_t* handle) {
      std::unique_ptr<Poll> done(static_cast<Poll*>(handle->data));
      --done->client->polls_;
    });
    return;
  }
  if (!poll) {
    auto made = std::make_unique<Poll>();
    made->client = this;
    made->socket = socket;
    made->handle.data = made.get();
    if (uv_poll_init_socket(loop_, &made->handle, socket) != 0) return;
    poll = made.release();
    ++polls_;
    curl_multi_assign(multi_, socket, poll);
  }
  const int events = ((what & CURL_POLL_IN) ? UV_READABLE : 0) | ((what & CURL_POLL_OUT) ? UV_WRITABLE : 0);
  uv_poll_start(&poll->handle, events, [](uv_poll_t* handle, int status, int ready) {
    const auto& ready_poll = *static_cast<Poll*>(handle->data);
    const int flags =
        status < 0 ? CURL_CSELECT_ERR
                   : ((ready & UV_READABLE) ? CURL_CSELECT_IN : 0) | ((ready & UV_WRITABLE) ? CURL_CSELECT_OUT : 0);
    ready_poll.client->on_activity(ready_poll.socket, flags);
  });
}

void CoordinatorClient::on_activity(int socket, int flags) {
  int running = 0;
  curl_multi_socket_action(multi_, socket, flags, &running);
  collect();
}

void CoordinatorClient::collect() {
  int left = 0;
  while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const auto found = calls_.find(message->easy_handle);
    if (found == calls_.end()) continue;
    const int code = static_cast<int>(message->data.result);
    const auto call = std::move(found->second);
    calls_.erase(found);
    curl_multi_remove_handle(multi_, call->easy);
    finish(*call, code);
  }
}

void CoordinatorClient::finish(Call& call, int code) {
  if (code != CURLE_OK) {
    std::string why = call.too_long ? "the coordinator's reply is longer than this call allows" : call.problem;
    if (why.empty()) why = curl_easy_strerror(static_cast<CURLcode>(code));
    return handler_.on_http_answer(call.id, 0, std::nullopt, {}, why);
  }
  long status = 0;
  curl_easy_getinfo(call.easy, CURLINFO_RESPONSE_CODE, &status);
  handler_.on_http_answer(call.id, static_cast<int>(status), call.retry_after_s, call.reply, {});
}

void CoordinatorClient::close_all() {
  if (closing_) return;
  closing_ = true;
  for (auto& [easy, call] : calls_) curl_multi_remove_handle(multi_, easy);
  calls_.clear();
  curl_multi_cleanup(multi_);  // closes kept connections, which gives their polls back
  multi_ = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_),
           [](uv_handle_t* handle) { static_cast<CoordinatorClient*>(handle->data)->timer_open_ = false; });
}

}  // namespace streamr::io
