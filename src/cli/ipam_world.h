// What the commands about addresses work on: the records of the address management and all that
// says who should have an address, read from the API server at one moment.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/cluster_options.h"
#include "event/loop.h"
#include "ipam/address_world.h"
#include "ipam/kube_datastore.h"
#include "kube/client.h"

namespace caracal::cli {

// A connection, with a loop that turns only while something is waited for.
class AddressStore {
 public:
  static Result<std::unique_ptr<AddressStore>> connect(const ClusterOptions& options);

  kube::BlockingClient& api() { return api_; }
  ipam::Datastore& datastore() { return datastore_; }

  // Starts an operation and waits for its one callback. Errors: its own; kTimeout.
  template <typename T>
  Result<T> wait(const std::function<void(std::function<void(Result<T>)>)>& begin) {
    Result<T> outcome = fail(Errc::kTimeout, "the API server did not answer in time");
    bool done = false;
    begin([&](Result<T> given) {
      outcome = std::move(given);
      done = true;
    });
    loop_.run_until([&done] { return done; }, kLimit);
    return outcome;
  }

  // Errors: those of the API server; kUnsupported: it has no IPAMBlock.
  Result<ipam::AddressWorld> load();

  struct Cluster {
    std::string guid;
    std::string resource_version;  // of the ClusterInformation
    bool ready = true;             // datastoreReady
  };
  Result<Cluster> cluster();

 private:
  explicit AddressStore(kube::ClusterAccess access);
  static constexpr event::Duration kLimit{300'000};

  kube::BlockingClient api_;
  event::Loop loop_;
  kube::Client client_;
  ipam::KubeDatastore datastore_;
};

// All objects of one of Calico's kinds, in whichever groups the server has it: those of
// projectcalico.org/v3 go before their twins. None when it is served nowhere.
Result<std::vector<json::value>> list_calico(kube::BlockingClient& api, const std::string& plural);
// The settings of the address management, named default; nullopt: there are none.
Result<std::optional<json::value>> find_ipam_settings(kube::BlockingClient& api);

}  // namespace caracal::cli
