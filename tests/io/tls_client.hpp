// Decides nothing: OpenSSL itself as the peer of a TLS port, so that a test can ask for old versions, resume sessions
// and do what a well-behaved client never does. Never verifies whom it speaks to.
// Called by the TLS tests in this directory.
#pragma once

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>
#include <memory>
#include <string>

#include "raw_client.hpp"

namespace streamr::io::test {

class TlsClient {
 public:
  // `tune` may change context and connection before the first octet.
  template <class Tune>
  TlsClient(std::uint16_t port, Tune tune) : socket_(port), context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context_.get(), [](SSL* ssl, SSL_SESSION* session) {
      static_cast<TlsClient*>(SSL_get_app_data(ssl))->session_.reset(session);
      return 1;
    });
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_app_data(ssl_.get(), this);
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl_.get());
    tune(ssl_.get());
  }
  explicit TlsClient(std::uint16_t port) : TlsClient(port, [](SSL*) {}) {}

  SSL* ssl() { return ssl_.get(); }
  RawClient& socket() { return socket_; }
  SSL_SESSION* session() { return session_.get(); }
  const std::string& heard() const { return heard_; }
  bool established() const { return SSL_is_init_finished(ssl_.get()) == 1; }
  void say(const std::string& octets) {
    SSL_write(ssl_.get(), octets.data(), static_cast<int>(octets.size()));
    push();
  }
  // One turn: handshake, then whatever came. True where the other side has ended.
  bool turn() {
    const std::string& octets = socket_.heard();
    BIO_write(SSL_get_rbio(ssl_.get()), octets.data(), static_cast<int>(octets.size()));
    socket_.forget();
    ERR_clear_error();
    if (!established()) SSL_do_handshake(ssl_.get());
    std::array<char, 16384> block;
    for (int got = 0; established() && (got = SSL_read(ssl_.get(), block.data(), static_cast<int>(block.size()))) > 0;)
      heard_.append(block.data(), static_cast<std::size_t>(got));
    push();
    return socket_.ended();
  }
  void push() {
    std::array<char, 16384> block;
    for (int got = 0; (got = BIO_read(SSL_get_wbio(ssl_.get()), block.data(), static_cast<int>(block.size()))) > 0;)
      socket_.say({block.data(), static_cast<std::size_t>(got)});
  }
  // Common name of who was spoken to.
  std::string peer_name() const {
    X509* const certificate = SSL_get0_peer_certificate(ssl_.get());
    char name[64] = {};
    if (certificate != nullptr)
      X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof name);
    return name;
  }

 private:
  struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    void operator()(SSL* ssl) const { SSL_free(ssl); }
    void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
  };
  RawClient socket_;
  std::unique_ptr<SSL_CTX, Free> context_;
  std::unique_ptr<SSL, Free> ssl_;
  std::unique_ptr<SSL_SESSION, Free> session_;
  std::string heard_;
};

}  // namespace streamr::io::test
