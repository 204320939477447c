// KubeDatastore: the Datastore in an API server, by way of kube::Client.
//
// Each kind is used in crd.projectcalico.org/v1, as Calico stores it, and in projectcalico.org/v3
// where only that is served (asked once, at the first use, and again while there is no answer).
#pragma once

#include <memory>

#include "ipam/datastore.h"
#include "kube/client.h"

namespace caracal::ipam {

struct KubeDatastoreOptions {
  std::chrono::milliseconds timeout{10'000};  // of a request
  int page_size = 500;                        // of a list
};

class KubeDatastore final : public Datastore {
 public:
  // `client` must outlive it; everything runs on its loop.
  explicit KubeDatastore(kube::Client& client, KubeDatastoreOptions options = {});
  ~KubeDatastore() override;

  void get(Kind kind, std::string name, OnObject done) override;
  void list(Kind kind, std::string label_selector, OnList done) override;
  void create(Kind kind, json::value object, OnObject done) override;
  void update(Kind kind, json::value object, OnObject done) override;
  void remove(Kind kind, std::string name, Precondition precondition, OnDone done) override;

  const DatastoreCounters& counters() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace caracal::ipam
