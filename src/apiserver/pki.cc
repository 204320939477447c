#include "apiserver/pki.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

#include "base/file.h"
#include "kube/base64.h"

namespace caracal::apiserver {
namespace {

template <auto Free>
struct Release {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Release<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Release<X509_free>>;
using Buffer = std::unique_ptr<BIO, Release<BIO_free_all>>;

constexpr long kDay = 24 * 3600;
constexpr long kCaDays = 3650;
constexpr long kServerDays = 825;  // what common TLS clients accept at most
constexpr long kRenewDays = 30;

tl::unexpected<Error> openssl_error(std::string_view what) {
  char text[256];
  ERR_error_string_n(ERR_get_error(), text, sizeof text);
  return fail(Errc::kInternal, fmt::format("{}: {}", what, text));
}

std::string content(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<size_t>(size)};
}

std::string to_pem(X509* certificate) {
  const Buffer bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  return content(bio.get());
}

std::string to_pem(EVP_PKEY* key) {
  const Buffer bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return content(bio.get());
}

Certificate certificate_from_pem(const std::string& text) {
  const Buffer bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  return Certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

Key key_from_pem(const std::string& text) {
  const Buffer bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  return Key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
}

bool is_address(const std::string& name) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, name.c_str(), bytes) == 1 ||
         inet_pton(AF_INET6, name.c_str(), bytes) == 1;
}

bool add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  if (extension == nullptr) return false;
  const bool added = X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

// Everything but extensions and signature.
Certificate blank(EVP_PKEY* key, const char* common_name, long days) {
  Certificate certificate(X509_new());
  X509* x = certificate.get();
  X509_set_version(x, 2);
  unsigned char serial[16];
  RAND_bytes(serial, sizeof serial);
  serial[0] = static_cast<unsigned char>((serial[0] & 0x7f) | 0x01);  // positive, never zero
  BIGNUM* number = BN_bin2bn(serial, sizeof serial, nullptr);
  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));
  BN_free(number);
  X509_gmtime_adj(X509_getm_notBefore(x), -3600);  // clocks of clients may be behind
  X509_gmtime_adj(X509_getm_notAfter(x), days * kDay);
  X509_set_pubkey(x, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common_name), -1, -1, 0);
  return certificate;
}

Status make_ca(Pki& pki) {
  const Key key(EVP_EC_gen("P-256"));
  if (!key) return openssl_error("cannot make a key");
  const Certificate ca = blank(key.get(), "caracal-apiserver-ca", kCaDays);
  X509_set_issuer_name(ca.get(), X509_get_subject_name(ca.get()));
  if (!add_extension(ca.get(), ca.get(), NID_basic_constraints, "critical,CA:TRUE") ||
      !add_extension(ca.get(), ca.get(), NID_key_usage,
                     "critical,keyCertSign,cRLSign,digitalSignature") ||
      !add_extension(ca.get(), ca.get(), NID_subject_key_identifier, "hash") ||
      X509_sign(ca.get(), key.get(), EVP_sha256()) == 0) {
    return openssl_error("cannot make the CA certificate");
  }
  pki.ca_certificate = to_pem(ca.get());
  pki.ca_key = to_pem(key.get());
  return {};
}

Status make_server(Pki& pki, const std::vector<std::string>& names) {
  const Certificate ca = certificate_from_pem(pki.ca_certificate);
  const Key ca_key = key_from_pem(pki.ca_key);
  const Key key(EVP_EC_gen("P-256"));
  if (!ca || !ca_key || !key) return openssl_error("cannot use the CA");
  std::string alternatives;
  for (const std::string& name : names) {
    if (name.empty() || name.find_first_of(",:; \t\n") != std::string::npos) {
      if (!is_address(name))
        return fail(Errc::kInvalid, fmt::format("\"{}\" is not a host name or IP address", name));
    }
    alternatives += fmt::format("{}{}:{}", alternatives.empty() ? "" : ",",
                                is_address(name) ? "IP" : "DNS", name);
  }
  const Certificate server = blank(key.get(), "caracal-apiserver", kServerDays);
  X509_set_issuer_name(server.get(), X509_get_subject_name(ca.get()));
  if (!add_extension(server.get(), ca.get(), NID_basic_constraints, "critical,CA:FALSE") ||
      !add_extension(server.get(), ca.get(), NID_key_usage,
                     "critical,digitalSignature,keyEncipherment") ||
      !add_extension(server.get(), ca.get(), NID_ext_key_usage, "serverAuth") ||
      !add_extension(server.get(), ca.get(), NID_subject_alt_name, alternatives) ||
      !add_extension(server.get(), ca.get(), NID_authority_key_identifier, "keyid") ||
      X509_sign(server.get(), ca_key.get(), EVP_sha256()) == 0) {
    return openssl_error("cannot make the server certificate");
  }
  pki.certificate = to_pem(server.get());
  pki.key = to_pem(key.get());
  return {};
}

bool valid_for(X509* certificate, long days) {
  time_t then = time(nullptr) + days * kDay;
  return X509_cmp_time(X509_get0_notAfter(certificate), &then) > 0;
}

// The stored CA, when it is whole and has time left.
bool ca_usable(const Pki& pki) {
  const Certificate ca = certificate_from_pem(pki.ca_certificate);
  const Key key = key_from_pem(pki.ca_key);
  return ca && key && X509_check_private_key(ca.get(), key.get()) == 1 &&
         valid_for(ca.get(), kRenewDays);
}

bool server_usable(const Pki& pki, const std::vector<std::string>& names) {
  const Certificate ca = certificate_from_pem(pki.ca_certificate);
  const Certificate server = certificate_from_pem(pki.certificate);
  const Key key = key_from_pem(pki.key);
  if (!ca || !server || !key || X509_check_private_key(server.get(), key.get()) != 1) return false;
  if (!valid_for(server.get(), kRenewDays)) return false;
  if (X509_verify(server.get(), X509_get0_pubkey(ca.get())) != 1) return false;
  for (const std::string& name : names) {
    const int matches = is_address(name)
                            ? X509_check_ip_asc(server.get(), name.c_str(), 0)
                            : X509_check_host(server.get(), name.data(), name.size(), 0, nullptr);
    if (matches != 1) return false;
  }
  return true;
}

}  // namespace

Result<Pki> make_pki(const std::vector<std::string>& names) {
  Pki pki;
  CARACAL_TRY(make_ca(pki));
  CARACAL_TRY(make_server(pki, names));
  return pki;
}

Result<Pki> load_or_make_pki(const std::string& folder, const std::vector<std::string>& names) {
  CARACAL_TRY(make_directories(folder));
  Pki pki;
  const auto load = [&folder](const char* file) {
    return read_file(folder + "/" + file).value_or("");
  };
  pki.ca_certificate = load("ca.crt");
  pki.ca_key = load("ca.key");
  if (!ca_usable(pki)) {
    CARACAL_TRY(make_ca(pki));
    CARACAL_TRY(write_file_atomic(folder + "/ca.key", pki.ca_key, 0600));
    CARACAL_TRY(write_file_atomic(folder + "/ca.crt", pki.ca_certificate));
  }
  pki.certificate = load("server.crt");
  pki.key = load("server.key");
  if (!server_usable(pki, names)) {
    CARACAL_TRY(make_server(pki, names));
    CARACAL_TRY(write_file_atomic(folder + "/server.key", pki.key, 0600));
    CARACAL_TRY(write_file_atomic(folder + "/server.crt", pki.certificate));
  }
  return pki;
}

std::string make_kubeconfig(std::string_view server_url, std::string_view ca,
                            std::string_view token) {
  std::string trust;
  if (!ca.empty())
    trust = fmt::format("    certificate-authority-data: {}\n", kube::encode_base64(ca));
  std::string user =
      token.empty() ? "  user: {}\n" : fmt::format("  user:\n    token: {}\n", token);
  return fmt::format(
      "apiVersion: v1\n"
      "kind: Config\n"
      "clusters:\n"
      "- name: caracal\n"
      "  cluster:\n"
      "    server: {}\n"
      "{}"
      "users:\n"
      "- name: caracal\n"
      "{}"
      "contexts:\n"
      "- name: caracal\n"
      "  context:\n"
      "    cluster: caracal\n"
      "    user: caracal\n"
      "current-context: caracal\n",
      server_url, trust, user);
}

}  // namespace caracal::apiserver
