#include "kube/curl_easy.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <utility>

#include "base/check.h"
#include "base/strings.h"

namespace caracal::kube {

namespace {

void initialize_once() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  CARACAL_CHECK(code == CURLE_OK);
}

// A server that has silently gone must not leave a watch hanging: unanswered data and unanswered
// keep-alive probes end the connection after this long (tcp(7), TCP_USER_TIMEOUT).
constexpr unsigned kDeadPeerMilliseconds = 30'000;

int prepare_socket(void*, curl_socket_t socket, curlsocktype purpose) {
  if (purpose == CURLSOCKTYPE_IPCXN) {
    // Refused for sockets that are not TCP; nothing is lost then.
    (void)::setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &kDeadPeerMilliseconds,
                       sizeof kDeadPeerMilliseconds);
  }
  return CURL_SOCKOPT_OK;
}

Errc errc_of(CURLcode code) {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return Errc::kTimeout;
    case CURLE_PEER_FAILED_VERIFICATION:
      return Errc::kPermission;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
      return Errc::kInvalid;
    case CURLE_NOT_BUILT_IN:
    case CURLE_UNKNOWN_OPTION:
      return Errc::kUnsupported;
    default:
      return Errc::kUnavailable;
  }
}

// One part of a URL, or "".
std::string url_part(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return "";
  std::string result(text);
  curl_free(text);
  return result;
}

}  // namespace

CurlEasy::CurlEasy() {
  initialize_once();
  curl_ = curl_easy_init();
  CARACAL_CHECK(curl_ != nullptr);
}

CurlEasy::~CurlEasy() {
  curl_easy_cleanup(curl_);
  curl_slist_free_all(headers_);
  curl_slist_free_all(connect_to_);
}

void CurlEasy::set_blob(CURLoption option, const std::string& content) {
  curl_blob blob{const_cast<char*>(content.data()), content.size(), CURL_BLOB_COPY};
  set(option, &blob);
}

void CurlEasy::add_header(const std::string& header) {
  headers_ = curl_slist_append(headers_, header.c_str());
  CARACAL_CHECK(headers_ != nullptr);
}

// tls-server-name: the name asked for and verified in TLS is that of the URL, so the URL takes it
// and the connection still goes to the server.
void CurlEasy::set_server(const ClusterAccess& access) {
  url_ = make_url(access.server, request_.path, request_.query);
  if (access.tls_server_name.empty()) return;
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> url(curl_url(), curl_url_cleanup);
  CARACAL_CHECK(url != nullptr);
  if (curl_url_set(url.get(), CURLUPART_URL, url_.c_str(), 0) != CURLUE_OK)
    return;  // told by libcurl
  const std::string host = url_part(url.get(), CURLUPART_HOST);
  const std::string port = url_part(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  if (curl_url_set(url.get(), CURLUPART_HOST, access.tls_server_name.c_str(), 0) != CURLUE_OK) {
    failed_ = CURLE_URL_MALFORMAT;
    return;
  }
  url_ = url_part(url.get(), CURLUPART_URL);
  add_header("Host: " + host + ":" + port);
  connect_to_ = curl_slist_append(nullptr, ("::" + host + ":" + port).c_str());
  set(CURLOPT_CONNECT_TO, connect_to_);
}

Status CurlEasy::prepare(const ClusterAccess& access, const ClientOptions& options, Request request,
                         const std::string& token) {
  curl_easy_reset(curl_);
  curl_slist_free_all(std::exchange(headers_, nullptr));
  curl_slist_free_all(std::exchange(connect_to_, nullptr));
  failed_ = CURLE_OK;
  text_[0] = '\0';
  request_ = std::move(request);

  set(CURLOPT_ERRORBUFFER, text_);
  set_server(access);
  set(CURLOPT_URL, url_.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_USERAGENT, options.user_agent.c_str());
  // Only the proxy of the kubeconfig; "" turns off the one of the environment, which is hardly
  // meant for the way to the cluster.
  set(CURLOPT_PROXY, access.proxy_url.c_str());
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(request_.timeout.count()));
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_TCP_KEEPIDLE, 15L);
  set(CURLOPT_TCP_KEEPINTVL, 5L);
  set(CURLOPT_SOCKOPTFUNCTION, prepare_socket);
  const bool tls = access.server.starts_with("https:");
  set(CURLOPT_HTTP_VERSION,
      static_cast<long>(options.http2 && tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
  // Wait for a connection being made rather than open another, when it may turn out to be HTTP/2.
  set(CURLOPT_PIPEWAIT, options.http2 && tls ? 1L : 0L);

  if (access.insecure_skip_tls_verify) {
    set(CURLOPT_SSL_VERIFYPEER, 0L);
    set(CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (!access.ca_pem.empty()) set_blob(CURLOPT_CAINFO_BLOB, access.ca_pem);
  if (!access.client_certificate_pem.empty()) {
    set_blob(CURLOPT_SSLCERT_BLOB, access.client_certificate_pem);
    set_blob(CURLOPT_SSLKEY_BLOB, access.client_key_pem);
  }
  if (!access.username.empty()) {
    set(CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
    set(CURLOPT_USERNAME, access.username.c_str());
    set(CURLOPT_PASSWORD, access.password.c_str());
  }

  if (!token.empty()) add_header("Authorization: Bearer " + token);
  if (!request_.accept.empty()) add_header("Accept: " + request_.accept);
  if (request_.method == "GET") {
    set(CURLOPT_HTTPGET, 1L);
  } else {
    const bool has_body = !request_.body.empty() || request_.method == "POST" ||
                          request_.method == "PUT" || request_.method == "PATCH";
    if (has_body) {
      add_header("Content-Type: " + request_.content_type);
      add_header("Expect:");  // no round trip before the body
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
      set(CURLOPT_POSTFIELDS, request_.body.c_str());
    }
    set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  }
  set(CURLOPT_HTTPHEADER, headers_);
  if (failed_ != CURLE_OK) return fail(error(failed_));
  return {};
}

Error CurlEasy::error(CURLcode code) const {
  std::string text(trim(text_));
  if (text.empty()) text = curl_easy_strerror(code);
  // Without the query, which for a watch is long and says nothing about the cause.
  return {errc_of(code), request_.method + " " + url_.substr(0, url_.find('?')) + ": " + text};
}

int CurlEasy::status() const {
  long status = 0;
  curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &status);
  return static_cast<int>(status);
}

}  // namespace caracal::kube
