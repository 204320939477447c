#include "ipam/testing/memory_datastore.h"

#include <fmt/format.h>

#include "base/strings.h"

namespace caracal::ipam::testing {

namespace {

std::string name_of(const json::value& object) {
  return std::string(jsonio::get_string(object, {"metadata", "name"}));
}

bool matches(const json::value& object, const std::string& label_selector) {
  if (label_selector.empty()) return true;
  for (const std::string_view term : split(label_selector, ',')) {
    const size_t equals = term.find('=');
    const auto& labels = jsonio::get_object(object, {"metadata", "labels"});
    const auto* label = labels.if_contains(term.substr(0, equals));
    if (label == nullptr || !label->is_string() || label->get_string() != term.substr(equals + 1))
      return false;
  }
  return true;
}

}  // namespace

MemoryDatastore::MemoryDatastore(Schedule& schedule, uint64_t seed)
    : schedule_(schedule), random_(seed) {}

event::Duration MemoryDatastore::half_delay() {
  const auto least = faults_.least_delay.count();
  const auto most = std::max(least, faults_.most_delay.count());
  const auto whole = std::uniform_int_distribution<int64_t>(least, most)(random_);
  return event::Duration(whole / 2);
}

bool MemoryDatastore::chance(double share) {
  return share > 0 && std::uniform_real_distribution<double>(0, 1)(random_) < share;
}

template <typename T>
void MemoryDatastore::answer(bool write, Action<T> action, std::function<void(Result<T>)> done) {
  ++(write ? counters_.writes : counters_.reads);
  const event::Duration there = half_delay();
  const event::Duration back = std::max(event::Duration(1), half_delay());
  const bool refused = !available_ || chance(faults_.refuse);
  const bool lost = write && !refused && chance(faults_.lose_answer);
  const bool late = write && !refused && !lost && chance(faults_.late);
  const auto unavailable = [] { return fail(Errc::kUnavailable, "the datastore does not answer"); };
  const std::weak_ptr<bool> alive = alive_;
  schedule_.after(there, [=, this, done = std::move(done), action = std::move(action)] {
    if (alive.expired()) return;
    if (refused || late) {
      ++counters_.failures;
      if (late) {
        schedule_.after(back * 20 + half_delay(), [alive, action] {
          if (!alive.expired()) (void)action();
        });
      }
      schedule_.after(back, [alive, done, unavailable] {
        if (!alive.expired()) done(unavailable());
      });
      return;
    }
    auto result = action();
    if (!result && (result.error().code == Errc::kConflict || result.error().code == Errc::kExists))
      ++counters_.conflicts;
    schedule_.after(back, [alive, done, lost, unavailable, result = std::move(result)]() mutable {
      if (alive.expired()) return;
      if (lost) {
        done(unavailable());
      } else {
        done(std::move(result));
      }
    });
  });
}

void MemoryDatastore::get(Kind kind, std::string name, OnObject done) {
  answer<json::value>(
      false,
      [this, kind, name]() -> Result<json::value> {
        const auto at = objects_[kind].find(name);
        if (at == objects_[kind].end())
          return fail(Errc::kNotFound, fmt::format("{} {} not found", to_string(kind), name));
        return at->second;
      },
      std::move(done));
}

void MemoryDatastore::list(Kind kind, std::string label_selector, OnList done) {
  answer<std::vector<json::value>>(
      false,
      [this, kind, label_selector]() -> Result<std::vector<json::value>> {
        std::vector<json::value> out;
        for (const auto& [name, object] : objects_[kind]) {
          if (matches(object, label_selector)) out.push_back(object);
        }
        return out;
      },
      std::move(done));
}

Result<json::value> MemoryDatastore::do_create(Kind kind, json::value object) {
  const std::string name = name_of(object);
  auto& objects = objects_[kind];
  if (objects.contains(name))
    return fail(Errc::kExists, fmt::format("{} {} already exists", to_string(kind), name));
  json::object& metadata = jsonio::ensure(object, {"metadata"}).get_object();
  metadata["uid"] = fmt::format("u{}", revision_ + 1);
  metadata["resourceVersion"] = std::to_string(++revision_);
  objects[name] = object;
  if (watch_) watch_(kind, name, &object);
  return object;
}

Result<json::value> MemoryDatastore::do_update(Kind kind, json::value object) {
  const std::string name = name_of(object);
  const auto at = objects_[kind].find(name);
  if (at == objects_[kind].end())
    return fail(Errc::kNotFound, fmt::format("{} {} not found", to_string(kind), name));
  json::object& metadata = jsonio::ensure(object, {"metadata"}).get_object();
  const auto version = jsonio::get_string(object, {"metadata", "resourceVersion"});
  if (version.empty()) return fail(Errc::kInvalid, "metadata.resourceVersion: must be set");
  if (version != jsonio::get_string(at->second, {"metadata", "resourceVersion"}))
    return fail(Errc::kConflict, fmt::format("{} {} has changed", to_string(kind), name));
  metadata["resourceVersion"] = std::to_string(++revision_);
  metadata["uid"] = jsonio::get_string(at->second, {"metadata", "uid"});
  at->second = object;
  if (watch_) watch_(kind, name, &object);
  return object;
}

Status MemoryDatastore::do_remove(Kind kind, const std::string& name,
                                  const Precondition& precondition) {
  const auto at = objects_[kind].find(name);
  if (at == objects_[kind].end())
    return fail(Errc::kNotFound, fmt::format("{} {} not found", to_string(kind), name));
  const auto differs = [&](const std::string& wanted, std::string_view field) {
    return !wanted.empty() && wanted != jsonio::get_string(at->second, {"metadata", field});
  };
  if (differs(precondition.uid, "uid") || differs(precondition.resource_version, "resourceVersion"))
    return fail(Errc::kConflict, fmt::format("{} {} has changed", to_string(kind), name));
  objects_[kind].erase(at);
  ++revision_;
  if (watch_) watch_(kind, name, nullptr);
  return {};
}

void MemoryDatastore::create(Kind kind, json::value object, OnObject done) {
  answer<json::value>(
      true, [this, kind, object] { return do_create(kind, object); }, std::move(done));
}

void MemoryDatastore::update(Kind kind, json::value object, OnObject done) {
  answer<json::value>(
      true, [this, kind, object] { return do_update(kind, object); }, std::move(done));
}

void MemoryDatastore::remove(Kind kind, std::string name, Precondition precondition, OnDone done) {
  answer<void>(
      true, [this, kind, name, precondition] { return do_remove(kind, name, precondition); },
      std::move(done));
}

Result<json::value> MemoryDatastore::put(Kind kind, json::value object) {
  const auto at = objects_[kind].find(name_of(object));
  if (at == objects_[kind].end()) return do_create(kind, std::move(object));
  jsonio::ensure(object, {"metadata"}).get_object()["resourceVersion"] =
      jsonio::get_string(at->second, {"metadata", "resourceVersion"});
  return do_update(kind, std::move(object));
}

bool MemoryDatastore::erase(Kind kind, const std::string& name) {
  return do_remove(kind, name, {}).has_value();
}

}  // namespace caracal::ipam::testing
