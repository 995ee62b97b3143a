#include "io/tls_context.hpp"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>
#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "io/sigpipe.hpp"

namespace streamr::io {
namespace {

constexpr unsigned char http_1_1[] = "\x08http/1.1";
constexpr unsigned char session_place[] = "streamr-relay";  // tickets of one listener stay its own
constexpr long session_s = 2 * 3600;
constexpr std::size_t ticket_key_bytes = 80;  // name, HMAC key, cipher key, as OpenSSL hands them out

bool has_aes() {
#if (defined(__x86_64__) || defined(__i386__)) && (defined(__GNUC__) || defined(__clang__))
  return __builtin_cpu_supports("aes") != 0;
#elif defined(__aarch64__) && defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_AES) != 0;
#else
  return true;
#endif
}

// OpenSSL's newest complaint in its own words; the queue is empty then.
std::string openssl_says() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason != nullptr ? reason : "no reason was given";
}

Error tls_failure(std::string text) {
  ERR_clear_error();
  return fail(STREAMR_E_INVALID, std::move(text));
}

// Secrets leave no copy behind.
struct WipedText {
  std::string text;
  ~WipedText() { OPENSSL_cleanse(text.data(), text.size()); }
};

// Read into memory by us, so that a file that is missing or forbidden is told as that; never waits for one that is no
// file. A secret one must be closed to everybody who is neither owner nor group.
Status read_pem(const std::string& path, const char* what, bool secret, std::string& text) {
  constexpr off_t largest = 1024 * 1024;
  const auto name = std::string("the ") + what + " file " + path;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return tls_failure(name + " cannot be read: " + std::strerror(errno));
  struct stat facts {};
  const bool readable = fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_size <= largest;
  text.resize(readable ? static_cast<std::size_t>(facts.st_size) : 0);
  const ssize_t got = readable ? ::read(fd, text.data(), text.size()) : 0;
  const int error = got < 0 ? errno : 0;
  ::close(fd);
  if (!readable) return tls_failure(name + " is no file of PEM text of at most 1 MiB");
  if (error != 0) return tls_failure(name + " cannot be read: " + std::strerror(error));
  if (secret && (facts.st_mode & S_IRWXO) != 0)
    return fail(STREAMR_E_PERMISSION, name + " is open to every user of this machine: chmod o= " + path);
  text.resize(static_cast<std::size_t>(got));
  return {};
}

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
struct FreeCertificate {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Bio = std::unique_ptr<BIO, FreeBio>;
using Certificate = std::unique_ptr<X509, FreeCertificate>;
using PrivateKey = std::unique_ptr<EVP_PKEY, FreeKey>;

Bio reader(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

int no_passphrase(char*, int, int, void*) {
  return -1;
}

int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned in_size,
                    void*) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, http_1_1, sizeof http_1_1 - 1, in, in_size) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

// What both sides speak: nothing below TLS 1.2, no compression, no second handshake, forward secrecy always. Buffers
// are given back while nothing moves. What is written is appended to memory, never refused, so no partial writes.
Result<TlsContext> common_context(const SSL_METHOD* method) {
  TlsContext context(SSL_CTX_new(method), [](SSL_CTX* gone) { SSL_CTX_free(gone); });
  if (!context) return tls_failure("OpenSSL gives no TLS context: " + openssl_says());
  SSL_CTX* const raw = context.get();
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                               SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);  // sessions live in tickets, with the client
  const bool aes = has_aes();
  const char* tls_1_3 = aes ? "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
                            : "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384";
  const char* tls_1_2 = aes ? "ECDHE+AES128+AESGCM:ECDHE+AESGCM:ECDHE+CHACHA20" : "ECDHE+CHACHA20:ECDHE+AESGCM";
  if (SSL_CTX_set_ciphersuites(raw, tls_1_3) != 1 || SSL_CTX_set_cipher_list(raw, tls_1_2) != 1 ||
      SSL_CTX_set1_groups_list(raw, "X25519:P-256:P-384") != 1)
    return tls_failure("OpenSSL knows none of the ciphers that are spoken here: " + openssl_says());
  return context;
}

Status load_chain(SSL_CTX* context, const std::string& path, const std::string& text) {
  const Bio bio = reader(text);
  const Certificate own(PEM_read_bio_X509_AUX(bio.get(), nullptr, &no_passphrase, nullptr));
  if (!own) return tls_failure("the certificate file " + path + " holds no certificate in PEM: " + openssl_says());
  if (SSL_CTX_use_certificate(context, own.get()) != 1)
    return tls_failure("the certificate in " + path + " cannot be used: " + openssl_says());
  if (X509_cmp_current_time(X509_get0_notAfter(own.get())) <= 0)
    return tls_failure("the certificate in " + path + " has expired; renew it");
  if (X509_cmp_current_time(X509_get0_notBefore(own.get())) > 0)
    return tls_failure("the certificate in " + path + " is not valid yet; is this machine's clock right?");
  SSL_CTX_clear_chain_certs(context);
  while (X509* const next = PEM_read_bio_X509(bio.get(), nullptr, &no_passphrase, nullptr))
    if (SSL_CTX_add0_chain_cert(context, next) != 1) X509_free(next);
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (!at_end) return tls_failure("a further certificate in " + path + " cannot be read: " + openssl_says());
  ERR_clear_error();
  return {};
}

Status load_key(SSL_CTX* context, const TlsFiles& files, const std::string& text) {
  const Bio bio = reader(text);
  const PrivateKey key(PEM_read_bio_PrivateKey(bio.get(), nullptr, &no_passphrase, nullptr));
  if (!key)
    return tls_failure("the key file " + files.key +
                       " holds no private key in PEM without a passphrase: " + openssl_says());
  if (X509_check_private_key(SSL_CTX_get0_certificate(context), key.get()) != 1)
    return tls_failure("the key in " + files.key + " does not belong to the certificate in " + files.chain);
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1)
    return tls_failure("the key in " + files.key + " cannot be used: " + openssl_says());
  return {};
}

Result<TlsContext> server_context(const TlsFiles& files) {
  ERR_clear_error();
  std::string chain;
  WipedText key;
  if (auto read = read_pem(files.chain, "certificate", false, chain); !read) return read.error();
  if (auto read = read_pem(files.key, "key", true, key.text); !read) return read.error();
  auto context = common_context(TLS_server_method());
  if (!context) return context.error();
  SSL_CTX* const raw = context->get();
  if (auto loaded = load_chain(raw, files.chain, chain); !loaded) return loaded.error();
  if (auto loaded = load_key(raw, files, key.text); !loaded) return loaded.error();
  SSL_CTX_set_session_id_context(raw, session_place, sizeof session_place - 1);
  SSL_CTX_set_timeout(raw, session_s);
  SSL_CTX_set_num_tickets(raw, 1);
  SSL_CTX_set_alpn_select_cb(raw, &choose_protocol, nullptr);
  return context;
}

std::uint64_t not_after_of(SSL_CTX* context) {
  std::tm when{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(SSL_CTX_get0_certificate(context)), &when) != 1) return 0;
  return static_cast<std::uint64_t>(timegm(&when));
}

}  // namespace

Result<std::shared_ptr<TlsServer>> TlsServer::open(TlsFiles files) {
  std::shared_ptr<TlsServer> server(new TlsServer(std::move(files)));
  if (auto loaded = server->reload(); !loaded) return loaded.error();
  return server;
}

Status TlsServer::reload() {
  const auto fresh = server_context(files_);
  if (!fresh) return fresh.error();
  const std::lock_guard hold(turn_);
  if (context_) {
    // Tickets that clients hold go on: a session is resumed whatever the certificate is meanwhile.
    std::array<unsigned char, ticket_key_bytes> keys{};
    if (SSL_CTX_get_tlsext_ticket_keys(context_.get(), keys.data(), keys.size()) == 1)
      SSL_CTX_set_tlsext_ticket_keys(fresh->get(), keys.data(), keys.size());
    OPENSSL_cleanse(keys.data(), keys.size());
  }
  context_ = *fresh;
  not_after_unix_s_ = not_after_of(context_.get());
  return {};
}

TlsContext TlsServer::context() const {
  const std::lock_guard hold(turn_);
  return context_;
}

std::uint64_t TlsServer::not_after_unix_s() const {
  const std::lock_guard hold(turn_);
  return not_after_unix_s_;
}

Result<TlsContext> open_tls_client(const std::string& extra_authorities) {
  ERR_clear_error();
  auto context = common_context(TLS_client_method());
  if (!context) return context;
  SSL_CTX* const raw = context->get();
  SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_alpn_protos(raw, http_1_1, sizeof http_1_1 - 1);
  if (const char* file = system_authorities(); file != nullptr)
    SSL_CTX_load_verify_file(raw, file);
  else
    SSL_CTX_set_default_verify_paths(raw);
  ERR_clear_error();
  if (!extra_authorities.empty() && SSL_CTX_load_verify_file(raw, extra_authorities.c_str()) != 1)
    return tls_failure("the file of authorities " + extra_authorities + " cannot be read: " + openssl_says());
  return context;
}

}  // namespace streamr::io
