// Decides one peer connection, both roles: handshake, framing, credit, error budget, silence.
// Never judges what frames mean for streams: the host does that in on_frame. Never touches a socket.
// Called by core/node, one object per WebSocket.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/types.hpp"
#include "proto/frames.hpp"

namespace streamr::core {

class Link;

// What a link asks of the node that owns it.
class LinkHost {
 public:
  virtual ~LinkHost() = default;
  // Server: may this peer come in? The receipt window to announce, or the refusal.
  virtual Result<std::uint32_t> on_hello(Link& link, const proto::Hello& hello, Now now) = 0;
  // Both sides are known to be who they say.
  virtual void on_open(Link& link, Now now) = 0;
  // A frame after the handshake. An error is answered by ERROR and the end of the link.
  virtual Status on_frame(Link& link, const proto::Frame& frame, Now now) = 0;
  virtual void send_message(LinkId link, std::vector<SharedBytes> pieces) = 0;
  virtual void close_link(LinkId link) = 0;
  virtual std::uint8_t load_pct() const = 0;
};

struct LinkConfig {
  LinkId id = 0;
  bool client = false;
  std::string address;                     // url that was dialled, or the peer's address
  proto::Role role = proto::Role::viewer;  // client: what we say we are
  std::optional<proto::Ticket> ticket;     // client
  std::optional<Key> expected_key;         // client: who must answer
  Nonce nonce;
};

class Link {
 public:
  enum class State { dialing, await_hello, await_welcome, await_auth, open, closing };

  Link(LinkConfig config, const crypto::KeyPair& identity, LinkHost& host, Now now);

  LinkId id() const { return config_.id; }
  bool is_client() const { return config_.client; }
  State state() const { return state_; }
  bool open() const { return state_ == State::open; }
  const std::string& address() const { return config_.address; }
  const Key& peer_key() const { return peer_key_; }
  const Key& own_key() const { return identity_.public_key(); }
  const crypto::KeyPair& identity() const { return identity_; }
  proto::Role peer_role() const { return peer_role_; }  // as the dialler said; of a listener: relay
  const std::optional<proto::Ticket>& ticket() const {
    return config_.ticket;
  }                                                 // of this connection, whoever brought it
  std::uint32_t window() const { return window_; }  // client: W that WELCOME announced
  std::uint64_t opened_mono_us() const { return opened_mono_us_; }
  std::uint64_t heard_mono_us() const { return heard_mono_us_; }  // when the last message came

  void on_dialed(Now now);
  void on_message(const SharedBytes& message, Now now);
  void on_time(Now now);
  // Asks a peer that said nothing for so long whether it is there; without an answer in 1 s the link ends.
  void probe(std::uint64_t silent_us, Now now);
  std::uint64_t deadline_us() const;

  void send(ByteVector frame);  // one control frame, one message
  void send_pieces(std::vector<SharedBytes> pieces, std::uint64_t credited_bytes);
  void fail(const Error& error, std::uint32_t chunk_ref = 0);  // ERROR, then close
  void close();                                                // after what was sent
  // ERROR 10: gives up one slice or chunk; the ninth ends the connection (then false).
  bool refuse_slice(std::uint32_t chunk_ref, const std::string& why);
  const std::string& close_reason() const { return close_reason_; }
  Wire close_code() const { return close_code_; }  // of the ERROR that we sent

  // credit
  std::uint64_t sendable_bytes() const { return peer_limit_ > sent_ ? peer_limit_ - sent_ : 0; }
  void set_hold_credit(bool hold);  // the host's queue is full: grant nothing more
  // transport
  void on_sent(std::uint64_t outstanding) { outstanding_ = outstanding; }
  std::uint64_t outstanding_bytes() const { return outstanding_; }
  std::uint64_t bytes_in() const { return bytes_in_; }
  std::uint64_t bytes_out() const { return bytes_out_; }
  std::uint32_t next_ref = 1;     // chunk_ref of the next CHUNK that goes out
  std::uint32_t last_ref_in = 0;  // the last that came in

 private:
  Status on_raw(const proto::RawFrame& raw, Now now);
  Status on_hello(const proto::RawFrame& raw, Now now);
  Status on_welcome(const proto::RawFrame& raw, Now now);
  Status on_auth(const proto::RawFrame& raw, Now now);
  Status on_open_frame(const proto::RawFrame& raw, Now now);
  void grant_credit();

  LinkConfig config_;
  crypto::KeyPair identity_;
  LinkHost& host_;
  State state_;
  Key peer_key_;
  proto::Role peer_role_ = proto::Role::relay;
  Hash hello_hash_, welcome_hash_;
  std::uint32_t window_ = 0;
  std::uint64_t peer_limit_ = 0, sent_ = 0;  // CHUNK + SLICE payload octets
  std::uint64_t own_limit_, received_ = 0;
  bool hold_credit_ = false;
  std::uint64_t before_auth_bytes_ = 0;
  std::uint64_t began_mono_us_, opened_mono_us_ = 0, heard_mono_us_, pinged_mono_us_ = 0, probed_mono_us_ = 0;
  std::uint32_t bad_slices_ = 0;
  std::uint64_t outstanding_ = 0, bytes_in_ = 0, bytes_out_ = 0;
  std::string close_reason_;
  Wire close_code_ = Wire::none;
};

}  // namespace streamr::core
