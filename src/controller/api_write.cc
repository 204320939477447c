#include "controller/api_write.h"

#include <fmt/format.h>

#include "base/log.h"
#include "base/sha1.h"

namespace caracal::controller {
namespace {

constexpr size_t kAtOnce = 8;
constexpr size_t kLongestMessage = 1'024;  // of Event.message in the API
constexpr std::string_view kStatusPart = "/status";

std::string name_of(const json::value& object) {
  return std::string(jsonio::get_string(object, {"metadata", "name"}));
}

kube::Request request_of(const ApiKind& kind, std::string method, const std::string& name) {
  kube::Request request;
  request.method = std::move(method);
  request.path = kube::resource_path(kind.api_version, "", kind.plural, name);
  return request;
}

json::object with_version(const json::value& object, json::object patch) {
  json::value& metadata = patch["metadata"];
  if (!metadata.is_object()) metadata.emplace_object();
  metadata.get_object()["resourceVersion"] =
      jsonio::get_string(object, {"metadata", "resourceVersion"});
  return patch;
}

}  // namespace

ApiWrite create_write(const ApiKind& kind, const json::value& object) {
  ApiWrite write{request_of(kind, "POST", ""),
                 fmt::format("create {} {}", kind.kind, name_of(object))};
  write.request.body = jsonio::to_string(object);
  return write;
}

ApiWrite replace_write(const ApiKind& kind, const json::value& object) {
  ApiWrite write{request_of(kind, "PUT", name_of(object)),
                 fmt::format("update {} {}", kind.kind, name_of(object))};
  write.request.body = jsonio::to_string(object);
  return write;
}

ApiWrite delete_write(const ApiKind& kind, const json::value& object) {
  ApiWrite write{request_of(kind, "DELETE", name_of(object)),
                 fmt::format("delete {} {}", kind.kind, name_of(object))};
  write.request.body = jsonio::to_string(json::object{
      {"apiVersion", "v1"},
      {"kind", "DeleteOptions"},
      {"preconditions",
       json::object{
           {"uid", jsonio::get_string(object, {"metadata", "uid"})},
           {"resourceVersion", jsonio::get_string(object, {"metadata", "resourceVersion"})}}}});
  return write;
}

ApiWrite patch_write(const ApiKind& kind, const json::value& object, json::object patch) {
  ApiWrite write{request_of(kind, "PATCH", name_of(object)),
                 fmt::format("update {} {}", kind.kind, name_of(object))};
  write.request.content_type = std::string(kube::kMergePatch);
  write.request.body = jsonio::to_string(with_version(object, std::move(patch)));
  return write;
}

ApiWrite status_write(const ApiKind& kind, const json::value& object, json::object status) {
  ApiWrite write = patch_write(kind, object, {{"status", std::move(status)}});
  write.request.path += kStatusPart;
  write.what = fmt::format("update status of {} {}", kind.kind, name_of(object));
  return write;
}

ApiWrite event_write(const ApiKind& kind, const json::value& object, std::string_view type,
                     std::string_view reason, const std::string& message,
                     const std::string& reporter, const std::string& now) {
  const std::string name = name_of(object);
  const std::string_view uid = jsonio::get_string(object, {"metadata", "uid"});
  const std::string digest =
      sha1_hex(fmt::format("{} {} {} {} {}", kind.api_version, kind.kind, uid, reason, message));
  std::string prefix = name.substr(0, 200);
  while (!prefix.empty() && (prefix.back() == '.' || prefix.back() == '-')) prefix.pop_back();
  std::string text = message;
  if (text.size() > kLongestMessage) text = text.substr(0, kLongestMessage - 3) + "...";
  ApiWrite write;
  write.what = fmt::format("tell {} of {} {}", reason, kind.kind, name);
  write.request.method = "POST";
  write.request.path = kube::resource_path("v1", "default", "events");
  write.request.body = jsonio::to_string(json::object{
      {"apiVersion", "v1"},
      {"kind", "Event"},
      {"metadata", json::object{{"name", fmt::format("{}.{}", prefix, digest.substr(0, 16))},
                                {"namespace", "default"}}},
      {"involvedObject",
       json::object{
           {"apiVersion", kind.api_version},
           {"kind", kind.kind},
           {"name", name},
           {"uid", uid},
           {"resourceVersion", jsonio::get_string(object, {"metadata", "resourceVersion"})}}},
      {"type", type},
      {"reason", reason},
      {"message", text},
      {"source", json::object{{"component", "caracal-controller"}, {"host", reporter}}},
      {"firstTimestamp", now},
      {"lastTimestamp", now},
      {"count", 1},
      {"reportingComponent", "caracal-controller"},
      {"reportingInstance", reporter}});
  return write;
}

WriteQueue::WriteQueue(kube::Client& client, const Fence& fence, telemetry::Metrics& metrics)
    : client_(client),
      fence_(fence),
      written_(metrics.counter("caracal_controller_writes_total", "Changes of API objects",
                               "result=\"done\"")),
      raced_(metrics.counter("caracal_controller_writes_total", "Changes of API objects",
                             "result=\"raced\"")),
      failed_(metrics.counter("caracal_controller_writes_total", "Changes of API objects",
                              "result=\"failed\"")) {}

void WriteQueue::run(std::vector<ApiWrite> writes, std::function<void(WriteOutcome)> done) {
  Batch& batch = batches_.emplace_back();
  for (ApiWrite& write : writes) batch.waiting.push_back(std::move(write));
  batch.done = std::move(done);
  if (batches_.size() == 1) client_.loop().post([this] { pump(); });
}

void WriteQueue::pump() {
  while (!batches_.empty()) {
    Batch& batch = batches_.front();
    while (!batch.waiting.empty() && batch.under_way < kAtOnce) {
      if (!fence_.is_open()) {
        batch.outcome.fenced = true;
        batch.waiting.clear();
        break;
      }
      ApiWrite write = std::move(batch.waiting.front());
      batch.waiting.pop_front();
      ++batch.under_way;
      send(std::move(write));
    }
    if (batch.under_way > 0) return;
    Batch finished = std::move(batch);
    batches_.pop_front();
    finished.done(std::move(finished.outcome));
  }
}

void WriteQueue::send(ApiWrite write) {
  std::erase_if(calls_, [](const kube::Call& call) { return !call.active(); });
  kube::Request request = write.request;
  calls_.push_back(client_.request(
      std::move(request),
      [this, write = std::move(write)](Result<kube::Response> response) mutable {
        const bool no_such_part = !response && response.error().code == Errc::kNotFound &&
                                  write.request.path.ends_with(kStatusPart);
        if (no_such_part && fence_.is_open()) {
          write.request.path.resize(write.request.path.size() - kStatusPart.size());
          return send(std::move(write));
        }
        take(write, response);
        --batches_.front().under_way;
        pump();
      }));
}

void WriteQueue::take(const ApiWrite& write, const Result<kube::Response>& response) {
  WriteOutcome& outcome = batches_.front().outcome;
  if (response) {
    ++outcome.done;
    written_.add();
    log::debug("written", {{"what", write.what}});
    return;
  }
  const Errc code = response.error().code;
  if (code == Errc::kConflict || code == Errc::kExists || code == Errc::kNotFound) {
    ++outcome.raced;
    raced_.add();
    log::debug("not written: the object has changed", {{"what", write.what}});
    return;
  }
  ++outcome.failed;
  failed_.add();
  if (outcome.error.empty()) outcome.error = write.what + ": " + response.error().message;
  log::warn("not written", {{"what", write.what}, {"error", response.error().message}});
}

}  // namespace caracal::controller
