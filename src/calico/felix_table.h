// FelixTable: which FelixConfigurations hold for one node, and what they come to.
//
// "default" first, then the objects whose nodeSelector takes the node, then "node.NAME": the later
// goes before the earlier. Of several selected ones the lower name goes before. A value without
// threads of its own.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "calico/decode_felix_configuration.h"
#include "model/object.h"

namespace caracal::calico {

class FelixTable {
 public:
  // `node` empty: no node's, "default" alone.
  explicit FelixTable(std::string node) : node_(std::move(node)) {}

  // nullptr: the object is gone.
  void put(const std::string& name, const FelixSettings* settings);
  void set_labels(const model::Labels& labels) { labels_ = labels; }  // the node's

  // What has changed since it was last asked; none: nothing. The inner nullopt: no object holds.
  template <typename Settings>
  struct Change {
    std::optional<Settings> now;
  };
  std::optional<Change<model::PolicySettings>> policy_change();
  std::optional<Change<model::NetworkSettings>> network_change();

 private:
  std::vector<const FelixSettings*> holding() const;

  std::string node_;
  model::Labels labels_;
  std::map<std::string, FelixSettings> objects_;
  std::optional<model::PolicySettings> policy_;  // as last told
  std::optional<model::NetworkSettings> network_;
};

}  // namespace caracal::calico
