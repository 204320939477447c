#include "kube/client.h"

#include <curl/curl.h>

#include <unordered_map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/log.h"
#include "kube/curl_easy.h"
#include "kube/token_file.h"

namespace caracal::kube {

namespace {
constexpr size_t kLongestErrorBody = 64 * 1024;
bool is_success(int status) { return status >= 200 && status < 300; }
}  // namespace

namespace detail {

// One exchange. libcurl's callbacks only gather (they must not call libcurl again); the client
// hands on what was gathered once libcurl has returned.
class Transfer : public std::enable_shared_from_this<Transfer> {
 public:
  CurlEasy easy;
  Client::Stream stream;
  std::function<void(Transfer&)> on_cancel;  // takes it out of its client

  bool active = true;   // not ended, not cancelled
  bool opened = false;  // on_open is due or done
  bool told_open = false;
  std::string chunk;  // of a 2xx body, not handed on yet
  std::string error_body;
  std::vector<std::shared_ptr<Transfer>>* touched = nullptr;  // the client's list
  bool listed = false;                                        // in it

  void touch() {
    if (!std::exchange(listed, true)) touched->push_back(shared_from_this());
  }

  static size_t on_header(char* data, size_t, size_t size, void* user) {
    auto* self = static_cast<Transfer*>(user);
    // The empty line ends the header; after a 1xx answer another one follows.
    const bool end = size <= 2 && (data[0] == '\r' || data[0] == '\n');
    if (end && is_success(self->easy.status())) {
      self->opened = true;
      self->touch();
    }
    return size;
  }

  static size_t on_body(char* data, size_t, size_t size, void* user) {
    auto* self = static_cast<Transfer*>(user);
    if (is_success(self->easy.status())) {
      self->chunk.append(data, size);
      self->touch();
    } else if (self->error_body.size() < kLongestErrorBody) {
      self->error_body.append(data, std::min(size, kLongestErrorBody - self->error_body.size()));
    }
    return size;
  }
};

}  // namespace detail

using detail::Transfer;

Call& Call::operator=(Call&& other) noexcept {
  if (this != &other) {
    cancel();
    transfer_ = std::move(other.transfer_);
  }
  return *this;
}

void Call::cancel() {
  const std::shared_ptr<Transfer> transfer = std::move(transfer_);
  transfer_.reset();
  if (!transfer || !transfer->active) return;
  transfer->active = false;
  if (transfer->on_cancel) transfer->on_cancel(*transfer);
}

bool Call::active() const { return transfer_ && transfer_->active; }

struct Client::Impl : std::enable_shared_from_this<Client::Impl> {
  Impl(event::Loop& l, ClusterAccess a, ClientOptions o)
      : loop(l),
        access(std::move(a)),
        options(std::move(o)),
        token(access.token_file, access.token) {
    const CurlEasy initialize;
    multi = curl_multi_init();
    CARACAL_CHECK(multi != nullptr);
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
  }

  ~Impl() { curl_multi_cleanup(multi); }

  // The client has ended: nothing is called back any more.
  void end() {
    ended = true;
    timer.reset();
    auto all = std::move(transfers);
    transfers.clear();
    for (auto& [curl, transfer] : all) {
      transfer->active = false;
      transfer->on_cancel = nullptr;
      curl_multi_remove_handle(multi, curl);
    }
    sockets.clear();
  }

  Call start(Request request, Client::Stream stream) {
    auto transfer = std::make_shared<Transfer>();
    transfer->stream = std::move(stream);
    transfer->touched = &touched;
    Status prepared = prepare(*transfer, std::move(request));
    if (!prepared) {
      loop.post([weak = weak_from_this(), transfer, error = prepared.error()] {
        const auto impl = weak.lock();
        if (!impl || impl->ended || !std::exchange(transfer->active, false)) return;
        transfer->stream.on_end(fail(error));
      });
      return Call(transfer);
    }
    CURL* const curl = transfer->easy.get();
    transfer->on_cancel = [weak = weak_from_this()](Transfer& cancelled) {
      if (const auto impl = weak.lock()) impl->remove(cancelled);
    };
    transfers.emplace(curl, transfer);
    CARACAL_CHECK(curl_multi_add_handle(multi, curl) == CURLM_OK);
    return Call(transfer);
  }

  Status prepare(Transfer& transfer, Request request) {
    CARACAL_ASSIGN(const std::string bearer, token.current());
    CARACAL_TRY(transfer.easy.prepare(access, options, std::move(request), bearer));
    CURL* const curl = transfer.easy.get();
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, Transfer::on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, Transfer::on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
    return {};
  }

  void remove(Transfer& transfer) {
    const auto at = transfers.find(transfer.easy.get());
    if (at == transfers.end()) return;
    const std::shared_ptr<Transfer> keep = at->second;
    transfers.erase(at);
    curl_multi_remove_handle(multi, keep->easy.get());
  }

  // Lets libcurl act on a socket (or on its timer), then hands on what came of it.
  void act(curl_socket_t socket, int events) {
    const auto self = shared_from_this();  // a callback may end the client
    int running = 0;
    curl_multi_socket_action(multi, socket, events, &running);
    hand_on();
    if (ended) return;
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;  // the message goes with the handle
      const auto at = transfers.find(message->easy_handle);
      if (at == transfers.end()) continue;
      const std::shared_ptr<Transfer> transfer = at->second;
      remove(*transfer);
      finish(*transfer, code);
      if (ended) return;
    }
  }

  void hand_on() {
    std::vector<std::shared_ptr<Transfer>> batch;
    batch.swap(touched);
    for (const auto& transfer : batch) transfer->listed = false;
    for (const auto& transfer : batch) {
      if (transfer->active && transfer->opened && !std::exchange(transfer->told_open, true) &&
          transfer->stream.on_open) {
        transfer->stream.on_open();
      }
      if (transfer->active && !transfer->chunk.empty()) {
        const std::string chunk = std::exchange(transfer->chunk, {});
        transfer->stream.on_chunk(chunk);
      }
    }
  }

  static void finish(Transfer& transfer, CURLcode code) {
    if (!std::exchange(transfer.active, false)) return;
    const int status = transfer.easy.status();
    if (code != CURLE_OK) return transfer.stream.on_end(fail(transfer.easy.error(code)));
    if (!is_success(status))
      return transfer.stream.on_end(fail(api_error(status, transfer.error_body)));
    transfer.stream.on_end({});
  }

  static int on_timer(CURLM*, long milliseconds, void* user) {
    auto* self = static_cast<Impl*>(user);
    self->timer.reset();
    if (milliseconds >= 0 && !self->ended) {
      self->timer = self->loop.after(event::Duration(milliseconds),
                                     [self] { self->act(CURL_SOCKET_TIMEOUT, 0); });
    }
    return 0;
  }

  static int on_socket(CURL*, curl_socket_t socket, int what, void* user, void*) {
    auto* self = static_cast<Impl*>(user);
    if (what == CURL_POLL_REMOVE || self->ended) {
      self->sockets.erase(socket);
      return 0;
    }
    const event::Ready interest{.read = (what & CURL_POLL_IN) != 0,
                                .write = (what & CURL_POLL_OUT) != 0};
    event::Handle& watch = self->sockets[socket];
    if (watch.active()) {
      event::Loop::set_interest(watch, interest);
      return 0;
    }
    auto made = self->loop.watch_fd(socket, interest, [self, socket](event::Ready ready) {
      self->act(socket, (ready.read ? CURL_CSELECT_IN : 0) | (ready.write ? CURL_CSELECT_OUT : 0));
    });
    if (!made) {
      // Without it the transfer still ends, by its timeout.
      log::error("connection to the API server cannot be watched",
                 {{"error", made.error().message}});
      return 0;
    }
    watch = std::move(*made);
    return 0;
  }

  event::Loop& loop;
  const ClusterAccess access;
  const ClientOptions options;
  TokenFile token;
  CURLM* multi = nullptr;
  bool ended = false;
  event::Handle timer;
  std::unordered_map<curl_socket_t, event::Handle> sockets;
  std::unordered_map<CURL*, std::shared_ptr<Transfer>> transfers;
  std::vector<std::shared_ptr<Transfer>> touched;
};

Client::Client(event::Loop& loop, ClusterAccess access, ClientOptions options)
    : impl_(std::make_shared<Impl>(loop, std::move(access), std::move(options))) {}

Client::~Client() { impl_->end(); }

Call Client::stream(Request request, Stream stream) {
  CARACAL_CHECK(stream.on_chunk && stream.on_end);
  return impl_->start(std::move(request), std::move(stream));
}

Call Client::request(Request request, OnResponse on_response) {
  auto body = std::make_shared<std::string>();
  Stream stream;
  stream.on_chunk = [body](std::string_view chunk) { *body += chunk; };
  Call call = impl_->start(std::move(request), std::move(stream));
  // The status is known to the transfer only; it is there before the end comes.
  Transfer* const transfer = call.transfer_.get();
  transfer->stream.on_end = [body, transfer, on_response = std::move(on_response)](Status end) {
    if (!end) return on_response(fail(std::move(end).error()));
    on_response(Response{transfer->easy.status(), std::move(*body)});
  };
  return call;
}

event::Loop& Client::loop() { return impl_->loop; }
const ClusterAccess& Client::access() const { return impl_->access; }

}  // namespace caracal::kube
