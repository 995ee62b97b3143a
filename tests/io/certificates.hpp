// Decides nothing: an authority and the certificates that it signs, made anew for each test and written as PEM files.
// Never uses a certificate of the system.
// Called by the TLS tests in this directory.
#pragma once

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

#include "io/tls_context.hpp"
#include "temporary_directory.hpp"

namespace streamr::io::test {

struct CertificateWish {
  std::string names = "DNS:localhost,IP:127.0.0.1";  // as OpenSSL writes subjectAltName
  long begins_s = -3600;                             // from now
  long ends_s = 24 * 3600;
  bool self_signed = false;
};

class Certificates {
 public:
  Certificates() : authority_key_(EVP_EC_gen("P-256")) {
    CertificateWish wish;
    authority_ = made(wish, authority_key_.get(), true);
    write_certificate("authority.pem", authority_.get());
  }

  std::string authority_file() const { return directory_.path("authority.pem"); }
  const TemporaryDirectory& directory() const { return directory_; }
  // Writes NAME.pem and NAME.key.
  TlsFiles make(const std::string& name, const CertificateWish& wish = {}) {
    const Key key(EVP_EC_gen("P-256"));
    const Certificate certificate = made(wish, key.get(), false);
    write_certificate(name + ".pem", certificate.get());
    const File file(std::fopen(directory_.path(name + ".key").c_str(), "wb"));
    fchmod(fileno(file.get()), 0600);
    PEM_write_PrivateKey(file.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    return {directory_.path(name + ".pem"), directory_.path(name + ".key")};
  }

 private:
  struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(X509* certificate) const { X509_free(certificate); }
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  using Key = std::unique_ptr<EVP_PKEY, Free>;
  using Certificate = std::unique_ptr<X509, Free>;
  using File = std::unique_ptr<std::FILE, Free>;

  Certificate made(const CertificateWish& wish, EVP_PKEY* key, bool authority) {
    Certificate certificate(X509_new());
    X509* const raw = certificate.get();
    X509_set_version(raw, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(raw), ++serial_);
    X509_gmtime_adj(X509_getm_notBefore(raw), wish.begins_s);
    X509_gmtime_adj(X509_getm_notAfter(raw), wish.ends_s);
    X509_set_pubkey(raw, key);
    const bool signs_itself = authority || wish.self_signed;
    const std::string name = authority ? "test authority" : "test " + std::to_string(serial_);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(raw), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(raw, X509_get_subject_name(signs_itself ? raw : authority_.get()));
    add(raw, NID_basic_constraints, authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (!authority) add(raw, NID_subject_alt_name, wish.names);
    X509_sign(raw, signs_itself ? key : authority_key_.get(), EVP_sha256());
    return certificate;
  }
  static void add(X509* certificate, int what, const std::string& value) {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, what, value.c_str());
    if (extension == nullptr) throw std::runtime_error("no such extension: " + value);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }
  void write_certificate(const std::string& name, X509* certificate) {
    const File file(std::fopen(directory_.path(name).c_str(), "wb"));
    PEM_write_X509(file.get(), certificate);
  }

  TemporaryDirectory directory_;
  Key authority_key_;
  Certificate authority_;
  long serial_ = 0;
};

}  // namespace streamr::io::test
