#include "io/tls_session.hpp"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>

namespace streamr::io {
namespace {

constexpr std::size_t record_plain_bytes = SSL3_RT_MAX_PLAIN_LENGTH;
constexpr std::size_t record_extra_bytes = 64;  // header, tag, type, and an explicit nonce in TLS 1.2
constexpr std::size_t reply_bytes = 1024;       // kept free of records, for alerts and key updates
constexpr std::uint32_t handshake_bytes = 64 * 1024;
constexpr std::uint8_t disturbances_most = 16;
constexpr std::size_t rooms_kept = 4;
constexpr std::uint8_t handshake_record = 22;

bool is_numeric(const std::string& host) {
  std::uint8_t address[16];
  return inet_pton(AF_INET, host.c_str(), address) == 1 || inet_pton(AF_INET6, host.c_str(), address) == 1;
}

}  // namespace

std::unique_ptr<TlsRoom> TlsRooms::take() {
  if (spare_.empty()) return std::unique_ptr<TlsRoom>(new TlsRoom);  // not zeroed: 144 KiB that are written before read
  auto room = std::move(spare_.back());
  spare_.pop_back();
  return room;
}

void TlsRooms::give(std::unique_ptr<TlsRoom> room) {
  if (spare_.size() < rooms_kept) spare_.push_back(std::move(room));
}

TlsSession::TlsSession(const TlsContext& context, TlsRooms& rooms) : ssl_(SSL_new(context.get())), rooms_(rooms) {
  BIO* const bio = ssl_ != nullptr ? BIO_new(bio_method()) : nullptr;
  if (bio == nullptr) return;
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_msg_callback(ssl_, &TlsSession::on_message);
  SSL_set_msg_callback_arg(ssl_, this);
}

TlsSession::~TlsSession() {
  SSL_free(ssl_);
  if (room_) rooms_.give(std::move(room_));
}

std::unique_ptr<TlsSession> TlsSession::accept(const TlsContext& context, TlsRooms& rooms) {
  std::unique_ptr<TlsSession> session(new TlsSession(context, rooms));
  if (session->ssl_ == nullptr || SSL_get_rbio(session->ssl_) == nullptr) return nullptr;
  SSL_set_accept_state(session->ssl_);
  return session;
}

std::unique_ptr<TlsSession> TlsSession::connect(const TlsContext& context, TlsRooms& rooms, const std::string& host) {
  std::unique_ptr<TlsSession> session(new TlsSession(context, rooms));
  SSL* const ssl = session->ssl_;
  if (ssl == nullptr || SSL_get_rbio(ssl) == nullptr) return nullptr;
  session->client_ = true;
  SSL_set_connect_state(ssl);
  const bool named = is_numeric(host)
                         ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) == 1
                         : SSL_set1_host(ssl, host.c_str()) == 1 && SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
  if (!named) return nullptr;
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  session->advance();
  return session;
}

// ---- between OpenSSL and us

int TlsSession::write_bio(BIO* bio, const char* data, std::size_t size, std::size_t* written) {
  auto& me = *static_cast<TlsSession*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (!me.room_) me.room_ = me.rooms_.take();
  // Full where a peer makes us answer and never reads: that ends the connection.
  if (size > TlsRoom::size - me.room_end_) return 0;
  std::memcpy(me.room_->octets + me.room_end_, data, size);
  me.room_end_ += static_cast<std::uint32_t>(size);
  *written = size;
  return 1;
}

int TlsSession::read_bio(BIO* bio, char* data, std::size_t size, std::size_t* taken) {
  auto& me = *static_cast<TlsSession*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (me.input_.empty()) {
    BIO_set_retry_read(bio);
    return 0;
  }
  *taken = std::min(size, me.input_.size());
  std::memcpy(data, me.input_.data(), *taken);
  me.input_ = me.input_.subspan(*taken);
  return 1;
}

long TlsSession::control_bio(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

const BIO_METHOD* TlsSession::bio_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* const made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "streamr octets");
    BIO_meth_set_write_ex(made, &TlsSession::write_bio);
    BIO_meth_set_read_ex(made, &TlsSession::read_bio);
    BIO_meth_set_ctrl(made, &TlsSession::control_bio);
    return made;
  }();
  return method;
}

// After the handshake a peer has no more to negotiate than a key update now and then (and a server its tickets): who
// sends them without end, or asks for a new handshake that we refuse with a warning, keeps us busy for nothing.
void TlsSession::on_message(int outgoing, int, int type, const void* data, std::size_t size, SSL*, void* user) {
  auto& me = *static_cast<TlsSession*>(user);
  if (!me.established_) return;
  const auto* octets = static_cast<const std::uint8_t*>(data);
  const bool message = outgoing == 0 && type == SSL3_RT_HANDSHAKE;
  const bool refused_handshake =
      outgoing != 0 && type == SSL3_RT_ALERT && size == 2 && octets[1] == SSL_AD_NO_RENEGOTIATION;
  if ((message || refused_handshake) && me.disturbances_ < UINT8_MAX) ++me.disturbances_;
  if (me.disturbances_ > disturbances_most) me.input_ = {};  // what it sent behind them is not worth another answer
}

// ---- incoming

void TlsSession::feed(ByteView octets) {
  if (octets.empty() || failed()) return;
  input_ = octets;
  if (!heard_ && !client_ && octets.front() != handshake_record) {
    not_tls_ = true;
    problem_ = "the peer does not speak TLS";
    input_ = {};
  }
  heard_ = true;
}

void TlsSession::advance() {
  ERR_clear_error();
  const std::size_t before = input_.size();
  const int result = SSL_do_handshake(ssl_);
  established_ = result == 1;
  handshake_octets_ += static_cast<std::uint32_t>(before - input_.size());
  if (!established_) fail(result);
  if (!established_ && !failed() && handshake_octets_ > handshake_bytes)
    problem_ = "the TLS handshake is longer than 64 KiB";
}

ByteView TlsSession::read(std::span<std::uint8_t> room) {
  if (failed() || ended_) return {};
  if (!established_) advance();
  std::size_t have = 0;
  while (established_ && !failed() && have < room.size()) {
    ERR_clear_error();
    std::size_t got = 0;
    const int result = SSL_read_ex(ssl_, room.data() + have, room.size() - have, &got);
    if (disturbances_ > disturbances_most) problem_ = "the peer sends TLS handshake messages without end";
    if (result != 1) {
      fail(result);
      break;
    }
    have += got;
  }
  return {room.data(), have};
}

void TlsSession::fail(int result) {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ: return;
    case SSL_ERROR_ZERO_RETURN: ended_ = true; return;
    default:
      if (problem_.empty()) problem_ = reason();
      ERR_clear_error();
  }
}

std::string TlsSession::reason() const {
  const long verdict = SSL_get_verify_result(ssl_);
  if (client_ && !established_ && verdict != X509_V_OK)
    return std::string("the certificate of the other side is not accepted: ") + X509_verify_cert_error_string(verdict);
  const char* text = ERR_reason_error_string(ERR_peek_error());
  return std::string(established_ ? "TLS: " : "the TLS handshake failed: ") +
         (text != nullptr ? text : "the octets make no sense");
}

// ---- outgoing

std::size_t TlsSession::room_left() const {
  if (!established_ || failed()) return 0;
  const std::size_t taken = room_end_ + reply_bytes;
  const std::size_t records =
      taken >= TlsRoom::size ? 0 : (TlsRoom::size - taken) / (record_plain_bytes + record_extra_bytes);
  return records * record_plain_bytes;
}

bool TlsSession::seal(ByteView plain) {
  if (failed()) return false;
  if (plain.empty()) return true;
  ERR_clear_error();
  std::size_t written = 0;
  const int result = SSL_write_ex(ssl_, plain.data(), plain.size(), &written);
  if (result == 1) return true;
  fail(result);
  if (!failed()) problem_ = "TLS: the record could not be written";
  return false;
}

void TlsSession::end() {
  if (!established_ || failed()) return;
  ERR_clear_error();
  SSL_shutdown(ssl_);
  ERR_clear_error();
}

ByteView TlsSession::waiting() const {
  return room_ ? ByteView(room_->octets + room_begin_, room_end_ - room_begin_) : ByteView();
}

void TlsSession::sent(std::size_t octets) {
  room_begin_ += static_cast<std::uint32_t>(octets);
  if (room_begin_ < room_end_) return;
  room_begin_ = room_end_ = 0;
  if (room_) rooms_.give(std::move(room_));
}

}  // namespace streamr::io
