// Decides how shared octets leave through a libuv stream: many pieces in one system call, none copied, each kept alive
// until the kernel has it. Never closes the stream and never drops a piece. Called by io/connection.
#pragma once

#include <uv.h>

#include <deque>
#include <memory>

#include "base/bytes.hpp"

namespace streamr::io {

class OutQueue {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    // A write that the kernel did not take at once came to its end; `error` is 0 or libuv's.
    virtual void on_write_done(int error) = 0;
  };

  OutQueue(uv_stream_t* stream, Owner& owner) : stream_(stream), owner_(owner) {}

  void push(SharedBytes piece);
  void push_text(std::string_view text) { push(SharedBytes::copy(view_of(text))); }
  // Hands on as much as possible; libuv's error where the stream is broken, else 0.
  int flush();
  // Bytes that the kernel does not have yet.
  std::uint64_t outstanding() const { return queued_bytes_ + uv_stream_get_write_queue_size(stream_); }
  bool empty() const { return queued_bytes_ == 0 && !in_flight_; }

 private:
  struct Write;
  int try_now();
  int start_write();

  uv_stream_t* stream_;
  Owner& owner_;
  std::deque<SharedBytes> pieces_;
  std::size_t first_offset_ = 0;  // octets of pieces_.front() that are gone
  std::uint64_t queued_bytes_ = 0;
  bool in_flight_ = false;
};

}  // namespace streamr::io
