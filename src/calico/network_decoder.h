// NetworkDecoder: API objects that the pod network depends on, into model::NetworkUpdates.
//
// A part of ObjectDecoder (calico/decode.h), which feeds it each object once and passes on what it
// says. It keeps what takes more than one object to tell: the same object in both of Calico's API
// groups, and which blocks the names stand for. FelixConfiguration is merged by felix_table.h.
//
// It never fails. An object that cannot be used as it stands gives a Finding and no update: what it
// said before goes on. A Node and a Service are taken without the part that cannot be read.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "calico/collection.h"
#include "calico/twin_table.h"
#include "jsonio/json.h"
#include "model/network_update.h"

namespace caracal::calico {

class NetworkDecoder {
 public:
  struct Decoded {
    std::vector<model::NetworkUpdate> updates;
    std::vector<Finding> findings;
  };
  // The object as it is now; nullptr: it is gone. Of another collection: nothing.
  Decoded apply(const Collection& collection, const model::ObjectName& name,
                const json::value* object);

 private:
  // What one object says, kept for as long as its twin may go: there are tens of thousands of
  // blocks, and a NetworkUpdate takes the room of its largest alternative.
  struct Said;
  struct Part {
    std::shared_ptr<const Said> said;  // none: it cannot be used, or has no effect
    std::vector<Finding> findings;
  };
  // IPAMConfig and IPAMConfiguration are one kind.
  static std::string_view kind_of(const Collection& collection);
  void tell_block(const std::string& name, std::vector<model::NetworkUpdate>& updates);

  std::map<std::string_view, TwinTable<Part>> twins_;  // by kind
  std::map<std::string, net::Cidr> blocks_;            // by name of the object
};

}  // namespace caracal::calico
