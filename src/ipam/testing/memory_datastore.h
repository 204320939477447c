// MemoryDatastore: a Datastore in memory, with everything a real one does to its clients: it is
// slow, answers out of order, fails, and applies a write whose answer is lost.
//
// Deterministic for one seed and Schedule. Objects live as the API server would keep them:
// resourceVersion and uid are set here. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>

#include "ipam/datastore.h"
#include "ipam/schedule.h"

namespace caracal::ipam::testing {

struct Faults {
  event::Duration least_delay{1};
  event::Duration most_delay{1};  // of a request, half on the way there: more than least: reordered
  double refuse = 0;              // share of requests that fail and do nothing
  double lose_answer = 0;         // share of writes that happen, and fail for the client
  double late = 0;                // share of writes that fail for the client and happen later
};

class MemoryDatastore final : public Datastore {
 public:
  MemoryDatastore(Schedule& schedule, uint64_t seed = 1);

  void get(Kind kind, std::string name, OnObject done) override;
  void list(Kind kind, std::string label_selector, OnList done) override;
  void create(Kind kind, json::value object, OnObject done) override;
  void update(Kind kind, json::value object, OnObject done) override;
  void remove(Kind kind, std::string name, Precondition precondition, OnDone done) override;

  void set_faults(const Faults& faults) { faults_ = faults; }
  // Nothing is answered any more, or again; requests then fail at once.
  void set_available(bool available) { available_ = available; }
  // What an operator or another program does, at once.
  Result<json::value> put(Kind kind, json::value object);
  bool erase(Kind kind, const std::string& name);
  const std::map<std::string, json::value>& objects(Kind kind) { return objects_[kind]; }
  const DatastoreCounters& counters() const { return counters_; }
  void reset_counters() { counters_ = {}; }
  // Called after each change, with nullptr when the object is gone.
  using Watch = std::function<void(Kind, const std::string& name, const json::value*)>;
  void set_watch(Watch watch) { watch_ = std::move(watch); }

 private:
  template <typename T>
  using Action = std::function<Result<T>()>;
  template <typename T>
  void answer(bool write, Action<T> action, std::function<void(Result<T>)> done);
  Result<json::value> do_create(Kind kind, json::value object);
  Result<json::value> do_update(Kind kind, json::value object);
  Status do_remove(Kind kind, const std::string& name, const Precondition& precondition);
  event::Duration half_delay();
  bool chance(double share);

  Schedule& schedule_;
  std::mt19937_64 random_;
  Faults faults_;
  bool available_ = true;
  uint64_t revision_ = 1;
  std::map<Kind, std::map<std::string, json::value>> objects_;
  DatastoreCounters counters_;
  Watch watch_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace caracal::ipam::testing
