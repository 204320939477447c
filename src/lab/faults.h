// Faults: what is made wrong with a lab on purpose: cut links, an API server that does not answer,
// loss and delay, programs stopped. Those of the network are kept in a file of the lab and applied
// as a whole, all of them in the fabric's namespace: nodes have nothing foreign in theirs, and they
// go with the lab. Blocking; for the command line and tests.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "lab/lab.h"

namespace caracal::lab {

struct Fault {
  enum class Kind {
    kCut,    // the link has no carrier
    kApi,    // packets between the node (target empty: every node) and the API server are dropped
    kLoss,   // so many percent of the packets of the link, each way
    kDelay,  // so many milliseconds on the link, each way
  };
  Kind kind = Kind::kCut;
  std::string target;
  int value = 0;  // percent, milliseconds
  bool operator==(const Fault&) const = default;
};
std::string_view to_string(Fault::Kind kind);  // "cut", "api", "loss", "delay"
std::string to_text(const Fault& fault);       // "link node1 is cut"
json::value to_json(const Fault& fault);

// The network's faults as they should be. A lab without the file has none.
Result<std::vector<Fault>> load_faults(const Paths& paths);

// Adds it, in place of one of the same kind and target. Errors: kNotFound names the links or nodes
// there are; kUnsupported when this kernel cannot.
Status add_fault(const Lab& lab, const Fault& fault);
// Removes it; false when there was none.
Result<bool> remove_fault(const Lab& lab, Fault::Kind kind, const std::string& target);
// Removes all those of the network, and lets stopped programs go on.
Status heal_all(const Lab& lab);

// The nftables ruleset of the fabric's namespace. Pure.
std::string faults_ruleset(const Plan& plan, const std::vector<Fault>& faults);

// BIRD of a node: kStop freezes it (SIGSTOP; ended, its agent would start it again at once, and a
// frozen one that gives no answer for a while it ends and starts again), kStart lets it go on,
// kKill ends it. Returns what was done in words.
enum class BirdAction { kStop, kStart, kKill };
Result<std::string> act_on_bird(const Lab& lab, const std::string& node, BirdAction action);
// FRR of a router: away until it is started again.
Result<std::string> act_on_router(const Lab& lab, const std::string& router, bool stop);

// Everything that is wrong on purpose at this moment, programs included.
struct ActiveFault {
  std::string kind;  // "cut", "loss", ..., "agent", "bird", "router"
  std::string target;
  std::string text;
};
Result<std::vector<ActiveFault>> active_faults(const Lab& lab);

}  // namespace caracal::lab
