// NftDriver: keeps the nftables table `inet caracal` equal to a PolicyTables.
//
// Fed by the agent's dataplane loop (its only thread): once with the whole tables when the
// datastore is in sync, then with deltas. Everything goes over netlink in one atomic transaction a
// call: packets see the state before or the state after. The rules are a constant text (ruleset.h);
// only the elements of its maps and sets change. The driver owns that one table and nothing else;
// docs/design/nftables.md.
//
// It keeps a copy of what the kernel holds (tables()): a replaced element is a removal and an
// insertion in nftables, so it has to know what is there, and it never reads back outside sync()
// and read_back(). Belongs to the network namespace it was opened in; may be used from a thread
// that is elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "desired/policy_tables.h"

namespace caracal::netlink {
class NetworkNamespace;
}

namespace caracal::dataplane::nft {

struct NftOptions {
  std::string table = "caracal";
  // Interfaces whose name starts so are workloads: policed, and dropped when not known.
  std::string interface_prefix = "cali";
  // The connection tracking label (bit 0-127 of `ct label`) that marks connections which a host
  // endpoint's preDNAT policy allowed. Set and tested only while there are host endpoints.
  uint8_t host_label = 120;
};

struct SyncReport {
  size_t right = 0;    // elements found as wanted
  size_t wrong = 0;    // another value
  size_t orphan = 0;   // not wanted
  size_t missing = 0;  // not there
  // The table was absent or of another version: made anew. Or its chains and rules were not as we
  // wrote them: those were made anew, right elements stayed.
  bool rebuilt = false;
  std::string reason;   // why, when rebuilt
  size_t messages = 0;  // sent to change something; 0 when all was right
  std::chrono::nanoseconds elapsed{0};
};

struct ApplyReport {
  size_t elements = 0;  // removed or inserted in the kernel
  size_t messages = 0;
  size_t bytes = 0;
  std::chrono::nanoseconds elapsed{0};
};

// What the kernel refused in the last transaction, as far as it can be told.
struct RefusedObject {
  std::string set;      // "id4", "rows", ...; empty: a part of the constant ruleset
  std::string element;  // "10.0.0.1 : 0x5"; empty when the kernel did not say which one
  int error_number = 0;
};

class NftDriver {
 public:
  // Errors: kPermission, kUnsupported (kernel without nf_tables), kKernel. Changes nothing.
  static Result<NftDriver> open(NftOptions options = {});
  static Result<NftDriver> open_in(const netlink::NetworkNamespace& ns, NftOptions options = {});
  NftDriver(NftDriver&&) noexcept;
  NftDriver& operator=(NftDriver&&) noexcept;
  ~NftDriver();

  // Makes the kernel hold exactly `tables`: reads back, classifies each element as right, wrong,
  // orphan or missing, touches only what is not right; sends nothing when all is right. A table
  // that is absent, older, foreign or damaged is replaced in the same transaction that fills it. On
  // error the kernel keeps what it had.
  Result<SyncReport> sync(const desired::PolicyTables& tables);

  // One transaction. On error nothing has changed, neither the kernel nor tables(); refused() tells
  // which object it was, where the kernel says so. Erasing what is not there is fine.
  // REQUIRES: sync() succeeded before.
  Result<ApplyReport> apply(const desired::PolicyDelta& delta);

  // Fails closed for one endpoint: both directions of the interface drop. For the caller whose
  // apply() was refused: close what the delta was about, report, try again later. The smallest
  // transaction there is.
  Status close_interface(const std::string& interface);

  // What was refused by the last failed sync(), apply() or close_interface().
  const std::optional<RefusedObject>& refused() const;

  // What the kernel holds, as far as we know.
  const desired::PolicyTables& tables() const;
  // What the kernel holds, asked. Errors: kNotFound: there is no such table; kConflict: there is,
  // but it is not as we would have written it (message says what).
  Result<desired::PolicyTables> read_back();

  // Takes the table away, and with it every trace. Fine when it is not there.
  Status remove();

  // The change in nft's language, for --dry-run and logs. Not what is sent: that is netlink.
  std::string describe(const desired::PolicyDelta& delta) const;
  // The kernel's nftables generation: grows with each transaction of anybody in the namespace.
  Result<uint32_t> generation();

 private:
  struct State;
  explicit NftDriver(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace caracal::dataplane::nft
