// LifecycleController: what happens to objects after a deletion was asked for: garbage collection
// by owner (background, foreground, orphan), emptying of terminating namespaces, removal of a CRD's
// objects. Also ends Event objects an hour after they last happened.
//
// Fed with every committed event (on the commit thread), works on its own thread, changes objects
// through the store like everybody. Level-triggered: a look at an object decides from the present
// state alone, so a crash at any point is made good at the next start.
#pragma once

#include <condition_variable>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "apimachinery/resource_type.h"
#include "apiserver/object_writer.h"
#include "apiserver/store.h"

namespace caracal::apiserver {

class LifecycleController {
 public:
  LifecycleController(Store& store, const apimachinery::ResourceRegistry& registry,
                      ObjectWriter& writer);
  ~LifecycleController();
  LifecycleController(const LifecycleController&) = delete;
  LifecycleController& operator=(const LifecycleController&) = delete;

  // Takes in what is stored and starts the thread. REQUIRES: the store's listener feeds observe()
  // already.
  void start();
  // Ends the thread; observe() stays harmless.
  void stop();
  void observe(const std::vector<EventPtr>& events);

 private:
  void index(const StoredObject& object);    // REQUIRES: mutex_ held
  void unindex(const StoredObject& object);  // REQUIRES: mutex_ held
  void run();
  void look_at(const ObjectKey& key);
  void empty_namespace(const ObjectKey& key);
  void remove_instances(const ObjectKey& crd);
  void finish_orphaning(const ObjectKey& key, const std::string& uid);
  void finish_foreground(const ObjectKey& key, const std::string& uid);
  void check_owners(const ObjectKey& key);
  void expire_events();

  bool alive(const std::string& uid);
  std::vector<ObjectKey> dependents_of(const std::string& uid);
  apimachinery::ResourceTypePtr type_of(std::string_view resource) const;
  WriteTarget target_of(const ObjectKey& key) const;

  Store& store_;
  const apimachinery::ResourceRegistry& registry_;
  ObjectWriter& writer_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::set<ObjectKey> queue_;                          // guarded by mutex_
  std::unordered_map<std::string, ObjectKey> by_uid_;  // guarded by mutex_
  std::unordered_map<std::string, std::set<ObjectKey>>
      dependents_;                   // by owner uid; guarded by mutex_
  std::set<ObjectKey> terminating_;  // namespaces and CRDs that wait for others; guarded by mutex_
  bool stopping_ = false;            // guarded by mutex_
  std::thread thread_;
};

}  // namespace caracal::apiserver
