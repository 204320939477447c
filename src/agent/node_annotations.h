// NodeAnnotations: keeps what this node says of itself on its Node object as it should be.
//
// On the calculation loop. Told what is wanted, and (by the watch) what is there; writes the
// difference as one merge patch, and again with backoff until it is so. Keys it was never told of
// are nobody's business of it. A wanted value of nullopt means that the key must not be there.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "agent/patch_writer.h"
#include "model/object.h"

namespace caracal::agent {

class NodeAnnotations {
 public:
  using Wanted = std::map<std::string, std::optional<std::string>, std::less<>>;

  NodeAnnotations(kube::Client& client, const std::string& node);

  // Adds to, or changes, what is wanted.
  void want(std::string_view key, std::optional<std::string> value);
  // The Node's annotations as they are now.
  void seen(const model::Labels& annotations);

  // All that is wanted has been seen.
  bool settled() const { return known_ && missing().empty(); }
  // Why the last attempt failed; empty: it did not.
  const std::string& error() const { return writer_.error(); }

 private:
  Wanted missing() const;
  void look();
  void attempt();
  void written();

  Wanted wanted_;
  model::Labels seen_;
  bool known_ = false;
  Wanted sent_;
  bool seen_since_ = false;  // since it was sent
  PatchWriter writer_;
};

}  // namespace caracal::agent
