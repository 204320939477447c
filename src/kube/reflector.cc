#include "kube/reflector.h"

#include <functional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/log.h"
#include "kube/decode.h"
#include "kube/list_splitter.h"
#include "kube/scratch_parser.h"

namespace caracal::kube {

namespace {

// An API object is at most 1.5 MB in etcd; a line far beyond it is no watch event.
constexpr size_t kLongestLine = size_t{32} * 1024 * 1024;
// A watch that lived this long was a good one, even when nothing happened in it.
constexpr std::chrono::seconds kGoodWatch{5};
// Beyond what the server was asked for, before the watch is given up.
constexpr std::chrono::seconds kWatchGrace{30};

struct Known {
  uint64_t version;  // digest of uid and resourceVersion; 0: unknown, always reported
  uint32_t list;     // number of the list that had it last
};

uint64_t version_of(const json::value& object) {
  const std::string_view version = jsonio::get_string(object, {"metadata", "resourceVersion"});
  if (version.empty()) return 0;
  // The uid makes a server whose store began anew, and counts from 1 again, look different.
  const std::string_view uid = jsonio::get_string(object, {"metadata", "uid"});
  return std::hash<std::string_view>{}(version)*31 + std::hash<std::string_view>{}(uid);
}

}  // namespace

struct Reflector::Impl : std::enable_shared_from_this<Reflector::Impl> {
  Impl(Client& c, ReflectorOptions o, Callbacks cb)
      : client(c),
        options(std::move(o)),
        callbacks(std::move(cb)),
        backoff(options.backoff, options.random) {}

  void start() {
    if (running) return;
    running = true;
    if (resource_version.empty()) {
      list_anew();
    } else {
      watch();
    }
  }

  void stop() {
    running = false;
    ++turn;
    call.cancel();
    timer.reset();
  }

  // Runs a callback of the reader; false when it stopped or ended this reflector.
  template <typename Fn, typename... Args>
  bool tell(const Fn& fn, Args&&... args) {
    if (!fn) return true;
    const uint64_t before = turn;
    fn(std::forward<Args>(args)...);
    return turn == before;
  }

  bool set_state(bool connected, std::string error) {
    if (told_state && state.connected == connected && state.error == error) return true;
    told_state = true;
    state = {connected, std::move(error)};
    const ReflectorState copy = state;
    return tell(callbacks.on_state, copy);
  }

  // Ends the exchange under way, and goes on with `next` after a wait.
  void later(event::Duration wait, void (Impl::*next)()) {
    call.cancel();
    timer = client.loop().after(wait, [weak = weak_from_this(), next] {
      if (const auto self = weak.lock(); self && self->running) (self.get()->*next)();
    });
  }

  void failed(const Error& error, void (Impl::*next)()) {
    ++counters.failures;
    const event::Duration wait = backoff.next();
    log::debug("reflector failed",
               {{"path", options.path}, {"error", error.message}, {"retry_ms", wait.count()}});
    call.cancel();
    // Errors of the connection name the URL already.
    const bool named = error.message.find(options.path) != std::string::npos;
    if (set_state(false, named ? error.message : options.path + ": " + error.message)) {
      later(wait, next);
    }
  }

  // The server no longer has the history: list again. At once the first time; a server that keeps
  // saying so is given time.
  void expired() {
    resource_version.clear();
    const bool first = backoff.failures() == 0;
    const event::Duration wait = backoff.next();
    later(first ? event::Duration(0) : wait, &Impl::list_anew);
  }

  Query selectors() const {
    Query query;
    if (!options.label_selector.empty())
      query.emplace_back("labelSelector", options.label_selector);
    if (!options.field_selector.empty())
      query.emplace_back("fieldSelector", options.field_selector);
    return query;
  }

  // ---- list ----

  void list_anew() {
    ++list_number;
    list_page("");
  }

  void list_page(const std::string& token) {
    Request request{.path = options.path, .query = selectors()};
    request.query.emplace_back("limit", std::to_string(options.page_size));
    if (!token.empty()) request.query.emplace_back("continue", token);
    request.timeout = std::chrono::seconds(60);
    splitter = std::make_unique<ListSplitter>();
    item_error.reset();
    Client::Stream stream;
    stream.on_chunk = [this, self = weak_from_this()](std::string_view chunk) {
      const auto keep = self.lock();
      if (!keep || item_error) return;
      const uint64_t before = turn;
      splitter->feed(chunk, [this, before](std::string_view item) {
        return list_item(item) && turn == before;
      });
    };
    stream.on_end = [this, self = weak_from_this(), paged = !token.empty()](const Status& end) {
      const auto keep = self.lock();
      if (keep) list_end(end, paged);
    };
    call = client.stream(std::move(request), std::move(stream));
  }

  bool list_item(std::string_view text) {
    const auto object = parser.parse(text);
    auto name = object ? decode_name(**object) : fail(object.error());
    if (!name) {
      item_error = name.error().within("an item of the list");
      return false;
    }
    const uint64_t version = version_of(**object);
    const auto [at, added] = known.try_emplace(*name, Known{version, list_number});
    const bool same = !added && version != 0 && at->second.version == version;
    at->second = {version, list_number};
    return same || tell(callbacks.on_object, *name, *object);
  }

  void list_end(const Status& end, bool paged) {
    if (!end && end.error().code == Errc::kExpired && paged) return expired();
    if (!end) return failed(end.error(), &Impl::list_anew);
    if (item_error) return failed(*item_error, &Impl::list_anew);
    const auto list = splitter->finish();
    splitter.reset();
    if (!list) return failed(list.error(), &Impl::list_anew);
    const std::string next(jsonio::get_string(*list, {"metadata", "continue"}));
    if (!next.empty()) return list_page(next);
    resource_version = jsonio::get_string(*list, {"metadata", "resourceVersion"});
    if (resource_version.empty()) {
      return failed({Errc::kInvalid, "the list has no metadata.resourceVersion"}, &Impl::list_anew);
    }
    ++counters.lists;
    if (!report_vanished()) return;
    if (!std::exchange(synced, true) && !tell(callbacks.on_synced)) return;
    if (set_state(true, "")) watch();
  }

  // What an earlier list or watch had and this list has not.
  bool report_vanished() {
    std::vector<model::ObjectName> gone;
    for (const auto& [name, entry] : known) {
      if (entry.list != list_number) gone.push_back(name);
    }
    for (const model::ObjectName& name : gone) {
      known.erase(name);
      if (!tell(callbacks.on_object, name, nullptr)) {
        // Stopped halfway: the rest is found by the next list, so there must be one.
        resource_version.clear();
        return false;
      }
    }
    return true;
  }

  // ---- watch ----

  void watch() {
    // Spread over 1 to 2 times the timeout, so that watches of many agents do not end together.
    const auto seconds = std::chrono::seconds(static_cast<long>(
        static_cast<double>(options.watch_timeout.count()) * (1.0 + options.random())));
    Request request{.path = options.path, .query = selectors()};
    request.query.emplace_back("watch", "true");
    request.query.emplace_back("resourceVersion", resource_version);
    request.query.emplace_back("timeoutSeconds", std::to_string(seconds.count()));
    if (options.bookmarks) request.query.emplace_back("allowWatchBookmarks", "true");
    request.timeout = seconds + kWatchGrace;
    line.clear();
    opened_at = client.loop().now();
    Client::Stream stream;
    stream.on_open = [this, self = weak_from_this()] {
      const auto keep = self.lock();
      if (!keep) return;
      ++counters.watches;
      opened_at = client.loop().now();
      set_state(true, "");
    };
    stream.on_chunk = [this, self = weak_from_this()](std::string_view chunk) {
      const auto keep = self.lock();
      if (keep) watch_chunk(chunk);
    };
    stream.on_end = [this, self = weak_from_this()](const Status& end) {
      const auto keep = self.lock();
      if (keep) watch_end(end);
    };
    call = client.stream(std::move(request), std::move(stream));
  }

  void watch_chunk(std::string_view chunk) {
    while (!chunk.empty()) {
      const size_t end = chunk.find('\n');
      if (end == std::string_view::npos) {
        line += chunk;
        if (line.size() > kLongestLine) {
          failed({Errc::kInvalid, "a watch event longer than 32 MiB"}, &Impl::watch);
        }
        return;
      }
      std::string_view text = chunk.substr(0, end);
      std::string whole;
      if (!line.empty()) {
        whole = std::exchange(line, {}).append(text);
        text = whole;
      }
      chunk.remove_prefix(end + 1);
      if (text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      const uint64_t before = turn;
      if (!watch_event(text) || turn != before) return;
    }
  }

  // False when the watch is over.
  bool watch_event(std::string_view text) {
    const auto event = parser.parse(text);
    if (!event) {
      resource_version.clear();  // whatever it was about, a list tells
      failed(event.error().within("watch event"), &Impl::list_anew);
      return false;
    }
    const std::string_view type = jsonio::get_string(**event, {"type"});
    const json::value* object = jsonio::get(**event, {"object"});
    if (type == "ERROR") {
      const Error error = api_error_of_status(object != nullptr ? jsonio::to_string(*object)
                                                                : std::string("no object"));
      if (error.code == Errc::kExpired) {
        expired();
      } else {
        failed(error, &Impl::watch);
      }
      return false;
    }
    ++counters.events;
    backoff.reset();
    const std::string version(
        object != nullptr ? jsonio::get_string(*object, {"metadata", "resourceVersion"}) : "");
    if (type == "BOOKMARK") {
      if (!version.empty()) resource_version = version;
      return true;
    }
    auto name = object != nullptr ? decode_name(*object) : fail(Errc::kInvalid, "object: required");
    const bool present = type == "ADDED" || type == "MODIFIED";
    if (name && !present && type != "DELETED") {
      name = fail(Errc::kInvalid, "type: \"" + std::string(type) +
                                      "\": must be ADDED, MODIFIED, DELETED, BOOKMARK or ERROR");
    }
    if (!name) {
      resource_version.clear();
      failed(name.error().within("watch event"), &Impl::list_anew);
      return false;
    }
    if (!version.empty()) resource_version = version;
    if (present) {
      known.insert_or_assign(*name, Known{version_of(*object), list_number});
      return tell(callbacks.on_object, *name, object);
    }
    known.erase(*name);
    return tell(callbacks.on_object, *name, nullptr);
  }

  void watch_end(const Status& end) {
    if (client.loop().now() - opened_at >= kGoodWatch) backoff.reset();
    if (!end) {
      const Errc code = end.error().code;
      if (code == Errc::kExpired) return expired();
      // The server does not understand this resourceVersion, or the resource is not served now (its
      // definition was deleted): what was watched is no longer what is there.
      const bool list_first = code == Errc::kInvalid || code == Errc::kNotFound;
      if (list_first) resource_version.clear();
      return failed(end.error(), list_first ? &Impl::list_anew : &Impl::watch);
    }
    // Ended by the server, in order. At once again, unless it does so all the time.
    const bool first = backoff.failures() == 0;
    const event::Duration wait = backoff.next();
    later(first ? event::Duration(0) : wait, &Impl::watch);
  }

  Client& client;
  const ReflectorOptions options;
  const Callbacks callbacks;
  event::Backoff backoff;

  bool running = false;
  uint64_t turn = 0;  // changes when the reader stops this
  bool synced = false;
  bool told_state = false;
  ReflectorState state;
  ReflectorCounters counters;

  std::unordered_map<model::ObjectName, Known> known;
  std::string resource_version;  // to watch from; empty: list first
  uint32_t list_number = 0;

  Call call;
  event::Handle timer;
  std::unique_ptr<ListSplitter> splitter;
  std::optional<Error> item_error;
  ScratchParser parser;
  std::string line;  // begin of a watch event whose end has not come
  event::Clock::time_point opened_at;
};

Reflector::Reflector(Client& client, ReflectorOptions options, Callbacks callbacks)
    : impl_(std::make_shared<Impl>(client, std::move(options), std::move(callbacks))) {
  CARACAL_CHECK(impl_->callbacks.on_object != nullptr);
}

Reflector::~Reflector() { impl_->stop(); }

void Reflector::start() { impl_->start(); }
void Reflector::stop() { impl_->stop(); }
bool Reflector::synced() const { return impl_->synced; }
size_t Reflector::objects() const { return impl_->known.size(); }
const ReflectorState& Reflector::state() const { return impl_->state; }
const ReflectorCounters& Reflector::counters() const { return impl_->counters; }

}  // namespace caracal::kube
