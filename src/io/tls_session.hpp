// Decides what one TLS connection makes of octets: the peer's become plain, ours become records, 128 KiB of them for
// one write. Refuses a second handshake, floods of key updates and a handshake without end. Never touches a socket and
// never waits; whoever owns it limits its time. Called by transport.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "io/tls_context.hpp"

struct bio_method_st;
struct bio_st;
struct ssl_st;

namespace streamr::io {

// Room for records between their making and the kernel. A connection holds one only while something is in it.
struct TlsRoom {
  static constexpr std::size_t size = 144 * 1024;
  std::uint8_t octets[size];
};

// The rooms of one loop; a few are kept for the next who needs one.
class TlsRooms {
 public:
  std::unique_ptr<TlsRoom> take();
  void give(std::unique_ptr<TlsRoom> room);

 private:
  std::vector<std::unique_ptr<TlsRoom>> spare_;
};

class TlsSession {
 public:
  // Null where memory is short.
  static std::unique_ptr<TlsSession> accept(const TlsContext& context, TlsRooms& rooms);
  // `host` is a name or a numeric address; the certificate must name it.
  static std::unique_ptr<TlsSession> connect(const TlsContext& context, TlsRooms& rooms, const std::string& host);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // Octets of the peer; call read() until it gives none before the next feed.
  void feed(ByteView octets);
  // What they say, written to `room`; empty: nothing more, ended() or failed() tell why.
  ByteView read(std::span<std::uint8_t> room);
  bool established() const { return established_; }
  bool ended() const { return ended_; }  // the peer said good-bye
  bool failed() const { return !problem_.empty(); }
  const std::string& problem() const { return problem_; }
  // The first octets were no TLS at all; nothing was answered.
  bool not_tls() const { return not_tls_; }

  // Octets of plain text that fit into the room now, 0 before the handshake is done.
  std::size_t room_left() const;
  // Makes records of `plain`, at most room_left() octets of it. False: failed().
  bool seal(ByteView plain);
  // Good-bye, once.
  void end();

  // Records and handshake that wait for the kernel.
  ByteView waiting() const;
  void sent(std::size_t octets);

 private:
  TlsSession(const TlsContext& context, TlsRooms& rooms);
  static int write_bio(bio_st* bio, const char* data, std::size_t size, std::size_t* written);
  static int read_bio(bio_st* bio, char* data, std::size_t size, std::size_t* taken);
  static long control_bio(bio_st* bio, int command, long number, void* pointer);
  static const bio_method_st* bio_method();
  static void on_message(int outgoing, int version, int type, const void* data, std::size_t size, ssl_st* ssl,
                         void* me);
  void advance();
  void fail(int result);
  std::string reason() const;

  ssl_st* ssl_ = nullptr;
  TlsRooms& rooms_;
  ByteView input_;
  std::unique_ptr<TlsRoom> room_;
  std::uint32_t room_begin_ = 0, room_end_ = 0;
  std::uint32_t handshake_octets_ = 0;
  std::uint8_t disturbances_ = 0;  // handshake messages after the handshake, in the whole life of the connection
  bool heard_ = false;
  bool client_ = false;
  bool established_ = false;
  bool ended_ = false;
  bool not_tls_ = false;
  std::string problem_;
};

}  // namespace streamr::io
