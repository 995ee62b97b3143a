#include "io/out_queue.hpp"

#include <algorithm>
#include <array>

namespace streamr::io {
namespace {

constexpr std::size_t pieces_a_write = 64;

uv_buf_t buffer_of(const SharedBytes& piece, std::size_t offset) {
  // libuv reads only; its type has no const.
  char* base = const_cast<char*>(reinterpret_cast<const char*>(piece.data())) + offset;
  return uv_buf_init(base, static_cast<unsigned>(piece.size() - offset));
}

}  // namespace

struct OutQueue::Write {
  uv_write_t request{};
  OutQueue* queue = nullptr;
  std::array<SharedBytes, pieces_a_write> pieces;
};

void OutQueue::push(SharedBytes piece) {
  if (piece.empty()) return;
  queued_bytes_ += piece.size();
  pieces_.push_back(std::move(piece));
}

int OutQueue::flush() {
  while (!pieces_.empty() && !in_flight_) {
    const int error = try_now();
    if (error == UV_EAGAIN) return start_write();
    if (error != 0) return error;
  }
  return 0;
}

int OutQueue::try_now() {
  std::array<uv_buf_t, pieces_a_write> buffers;
  const std::size_t count = std::min(pieces_.size(), buffers.size());
  for (std::size_t i = 0; i < count; ++i) buffers[i] = buffer_of(pieces_[i], i == 0 ? first_offset_ : 0);
  const int written = uv_try_write(stream_, buffers.data(), static_cast<unsigned>(count));
  if (written < 0) return written;
  auto left = static_cast<std::size_t>(written);
  queued_bytes_ -= left;
  while (left > 0) {
    const std::size_t rest = pieces_.front().size() - first_offset_;
    if (left < rest) {
      first_offset_ += left;
      return 0;
    }
    left -= rest;
    first_offset_ = 0;
    pieces_.pop_front();
  }
  return 0;
}

int OutQueue::start_write() {
  auto write = std::make_unique<Write>();
  std::array<uv_buf_t, pieces_a_write> buffers;
  const std::size_t count = std::min(pieces_.size(), pieces_a_write);
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < count; ++i) {
    write->pieces[i] = pieces_[i];
    buffers[i] = buffer_of(write->pieces[i], i == 0 ? first_offset_ : 0);
    bytes += buffers[i].len;
  }
  write->queue = this;
  write->request.data = write.get();
  const int error = uv_write(&write->request, stream_, buffers.data(), static_cast<unsigned>(count),
                             [](uv_write_t* request, int status) {
                               std::unique_ptr<Write> done(static_cast<Write*>(request->data));
                               OutQueue& queue = *done->queue;
                               queue.in_flight_ = false;
                               queue.owner_.on_write_done(status);
                             });
  if (error != 0) return error;
  write.release();
  in_flight_ = true;
  queued_bytes_ -= bytes;
  first_offset_ = 0;
  pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(count));
  return 0;
}

}  // namespace streamr::io
