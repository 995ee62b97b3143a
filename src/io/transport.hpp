// Decides how octets travel over one connected TCP socket: many shared pieces in one system call, none copied, each kept
// until the kernel has it; octets are read only while they are wanted. Never interprets them and never drops a piece.
// Runs on the loop's thread only. Called by connection and dialer.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "io/poller.hpp"
#include "io/tls_session.hpp"

namespace streamr::io {

// What every connection of one loop shares.
struct TransportLoop {
  explicit TransportLoop(uv_loop_t* loop) : poller(loop) {}
  Poller poller;
  std::vector<std::uint8_t> read_buffer = std::vector<std::uint8_t>(128 * 1024);  // octets are taken before the next read
  std::vector<std::uint8_t> plain_buffer;  // what TLS makes of them; made by the first who needs it
  TlsRooms tls_rooms;
};

class Transport final : Poller::Watcher {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void on_octets(ByteView octets) = 0;  // they are gone after the call
    virtual void on_read_end() = 0;               // the peer ended its half; nothing is read any more
    virtual void on_failed(int error) = 0;        // libuv's; the socket is of no more use
    virtual void on_drained() = 0;                // what a flush had left is, in part or in whole, with the kernel now
    virtual void on_again() {}                    // as call_again asked for
    // TLS was expected and the peer speaks something else. The socket is plain from here on: an answer can be given.
    virtual void on_not_tls() { on_failed(UV_EPROTO); }
  };

  Transport(TransportLoop& loop, Owner& owner) : loop_(loop), owner_(owner) {}
  ~Transport() override { close(); }
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // Takes a connected or connecting socket over; 0 or libuv's error.
  int adopt(int fd);
  int fd() const { return fd_; }
  bool open() const { return fd_ >= 0; }
  // All octets go through this session from here on; what was pushed waits for its handshake.
  void start_tls(std::unique_ptr<TlsSession> session);
  // Why on_failed told UV_EPROTO; empty where TLS is not to blame.
  std::string tls_problem() const { return tls_ ? tls_->problem() : std::string(); }
  void set_reading(bool wanted);
  bool reading() const { return reading_; }

  void push(SharedBytes piece);
  void push_text(std::string_view text) { push(SharedBytes::copy(view_of(text))); }
  // Hands on as much as the kernel takes; the rest follows by itself. 0 or libuv's error.
  int flush();
  // Bytes that the kernel does not have yet.
  std::uint64_t outstanding() const { return queued_bytes_ + (tls_ ? tls_->waiting().size() : 0); }
  bool empty() const { return outstanding() == 0; }
  std::size_t pieces() const { return pieces_.size() - front_; }

  // Octets that stand in a file of memory go by sendfile from here on: cheaper where the peer takes them as fast as it
  // can, dearer where a single write would have done.
  void set_bulk(bool wanted) { bulk_ = wanted; }
  // The owner's on_again is called in the next turn of the loop.
  void call_again();

  void shut_down();  // no more octets follow what was flushed
  void close();      // at once; nothing is told after it

 private:
  void on_ready(std::uint32_t events) override;
  void read(bool until_end);
  int write();
  int write_pieces();
  ssize_t write_some(std::size_t& wanted);
  int write_records();
  bool seal_pieces();
  void take(ByteView octets);
  void take_records(ByteView octets);
  void consume(std::size_t octets);

  TransportLoop& loop_;
  Owner& owner_;
  int fd_ = -1;
  bool reading_ = false;
  bool read_ended_ = false;
  bool bulk_ = false;
  bool again_wanted_ = false;
  bool blocked_ = false;          // the kernel took less than there was: it tells when it takes more
  bool told_end_ = false;         // the kernel told that the peer ended its half
  std::unique_ptr<TlsSession> tls_;
  std::vector<SharedBytes> pieces_;
  std::size_t front_ = 0;         // pieces before it are gone
  std::size_t front_offset_ = 0;  // octets of pieces_[front_] that are gone
  std::uint64_t queued_bytes_ = 0;
};

}  // namespace streamr::io
