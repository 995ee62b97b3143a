// Decides what one dialled connection makes of what its socket tells: the handshake, then messages, until one side
// ends. Never dials again. Called by dialer, which owns it, and by its transport.
#pragma once

#include "io/dialer.hpp"
#include "io/ws_client.hpp"
#include "io/ws_receiver.hpp"

namespace streamr::io {

struct Dialer::Link final : Transport::Owner, WsReceiver::Sink {
  Link(Dialer& owner, LinkId number) : dialer(owner), id(number) {}

  std::uint64_t outstanding() const { return early_bytes + (socket ? socket->outstanding() : 0); }
  void queue(SharedBytes octets);
  void say_close(std::uint16_t code);
  void say_end();
  // Gives this address up for the next one.
  void fail_over(std::string why);

  void on_octets(ByteView octets) override;
  void on_read_end() override;
  void on_failed(int error) override;
  void on_drained() override;
  void on_ws_message(SharedBytes message) override;
  void on_ws_text() override;
  void on_ws_oversized() override;
  void on_ws_ping(ByteView payload) override;
  void on_ws_pong() override {}
  void on_ws_close(std::uint16_t code) override;
  bool ws_wanted() const override { return open && !closing && dialer.owns(id); }

  Dialer& dialer;
  LinkId id;
  WsUrl url;
  std::vector<sockaddr_storage> addresses;
  std::size_t next_address = 0;
  std::string problem;  // of the address before
  std::unique_ptr<Transport> socket;
  std::unique_ptr<WsClientHandshake> handshake;
  WsReceiver receiver{static_cast<WsReceiver::Sink&>(*this), WsReads::server};
  std::vector<SharedBytes> early;  // frames that wait for the handshake
  std::uint64_t early_bytes = 0;
  bool heard = false;  // anything at all
  bool failed_over = false;
  bool open = false;
  bool closing = false;
  bool end_said = false;
  bool dirty = false;
  std::uint64_t since_ms = 0;  // of dialling, then of closing
  std::uint64_t attempt_ms = 0;
  std::uint64_t heard_ms = 0;
  std::uint64_t pinged_ms = 0;
};

}  // namespace streamr::io
