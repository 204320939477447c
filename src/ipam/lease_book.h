// LeaseBook: which attachment has which addresses, kept so that no crash makes it hand one out
// twice.
//
// Fed by the agent's CNI flow on the calculation loop. A lease is written to the journal before its
// addresses are told to anybody, and erased only after the interface is gone. It begins *pending*
// (being set up) and is *committed* once the pod's network stands; after a crash the agent undoes
// pending leases and finds the committed ones as they were. Attributes are the owner's (pod,
// interface,
// ...) and opaque here, so that one durable write an ADD is enough.
//
//   none --reserve--> pending --commit--> committed --release--> none
//                        \----------------release------------------^
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "ipam/allocator.h"
#include "ipam/journal.h"

namespace caracal::ipam {

using Attributes = std::map<std::string, std::string, std::less<>>;

struct Lease {
  AttachmentId id;
  std::vector<net::IpAddr> addresses;
  Attributes attributes;
  bool committed = false;
  bool operator==(const Lease&) const = default;
};

class LeaseBook {
 public:
  // Reads the journal. Errors: of the journal; kConflict when two leases have one address (a
  // damaged file): nothing is handed out then, since it could be a third time.
  static Result<LeaseBook> open(std::unique_ptr<Journal> journal);
  LeaseBook(LeaseBook&&) noexcept = default;
  LeaseBook& operator=(LeaseBook&&) noexcept = default;

  Status set_ranges(std::vector<net::Cidr> ranges) {
    return allocator_.set_ranges(std::move(ranges));
  }
  const Allocator& allocator() const { return allocator_; }

  // The lease of this attachment: the existing one (whatever was requested), or a new one, pending.
  // Errors: as Allocator::allocate; of the journal, and then nothing is reserved.
  Result<Lease> reserve(const AttachmentId& id, const std::vector<net::IpAddr>& requested,
                        const Attributes& attributes);
  // The same with addresses from elsewhere (a pool of the cluster). Errors: kConflict when one has
  // another owner here; of the journal, and then nothing is recorded.
  Result<Lease> record(const AttachmentId& id, const std::vector<net::IpAddr>& addresses,
                       const Attributes& attributes);
  // Marks it committed, with its final attributes. Errors: kNotFound; of the journal.
  Status commit(const AttachmentId& id, const Attributes& attributes);
  // Gives the addresses back. Fine when there is no such lease. On error it stays.
  Status release(const AttachmentId& id);

  const Lease* find(const AttachmentId& id) const;
  const std::map<AttachmentId, Lease>& leases() const { return leases_; }

  // Makes what was written durable against loss of power. Any thread.
  Status sync() { return journal_->sync(); }

 private:
  explicit LeaseBook(std::unique_ptr<Journal> journal) : journal_(std::move(journal)) {}
  Status load();
  Status append(const std::string& record);
  void shorten_journal();
  Status write_new(const Lease& lease);
  std::vector<std::string> snapshot() const;

  std::unique_ptr<Journal> journal_;
  Allocator allocator_;
  std::map<AttachmentId, Lease> leases_;
  size_t records_ = 0;  // in the journal; it is rewritten when most of them are history
};

}  // namespace caracal::ipam
