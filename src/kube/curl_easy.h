// What both clients share of libcurl: one prepared transfer, and its errors as ours. Internal to
// kube.
#pragma once

#include <curl/curl.h>

#include <memory>
#include <string>

#include "base/result.h"
#include "kube/client.h"
#include "kube/cluster_access.h"
#include "kube/http.h"

namespace caracal::kube {

class CurlEasy {
 public:
  CurlEasy();
  ~CurlEasy();
  CurlEasy(const CurlEasy&) = delete;
  CurlEasy& operator=(const CurlEasy&) = delete;

  // Sets everything but the callbacks. The transfer is made anew; its connections stay.
  // `token` is the bearer token, "" for none.
  Status prepare(const ClusterAccess& access, const ClientOptions& options, Request request,
                 const std::string& token);

  // The error of a transfer that ended with `code`: what was asked of whom, and libcurl's text.
  Error error(CURLcode code) const;
  int status() const;  // HTTP status of the answer; 0 before there is one
  CURL* get() const { return curl_; }

 private:
  template <typename Value>
  void set(CURLoption option, Value value) {
    if (const CURLcode code = curl_easy_setopt(curl_, option, value);
        code != CURLE_OK && failed_ == CURLE_OK) {
      failed_ = code;
    }
  }
  void set_blob(CURLoption option, const std::string& content);
  void set_server(const ClusterAccess& access);
  void add_header(const std::string& header);

  CURL* curl_;
  CURLcode failed_ = CURLE_OK;  // of the first option that was refused
  Request request_;
  std::string url_;
  curl_slist* headers_ = nullptr;
  curl_slist* connect_to_ = nullptr;
  char text_[CURL_ERROR_SIZE] = {};
};

}  // namespace caracal::kube
