// Transaction: one atomic nftables batch: built message by message, sent in one system call, and
// when the kernel refuses it, traced back to the object that was refused. One use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "dataplane/nft/element.h"
#include "dataplane/nft/nft_driver.h"
#include "dataplane/nft/ruleset.h"
#include "netlink/message.h"
#include "netlink/socket.h"

namespace caracal::dataplane::nft {

struct KernelTable;

class Transaction {
 public:
  // Both must outlive it.
  Transaction(netlink::Socket& socket, const std::string& table);

  void delete_table();
  // A ruleset must stay where it is until commit(), here and below.
  void create(const Ruleset& ruleset);  // table, sets, chains, rules, constant elements
  // Adds and takes away the chains and constant elements that differ, and replaces the rules of
  // chains where they do; all else stays. Before remove() and insert(). REQUIRES: `from` is there.
  void change_parts(const Ruleset& from, const Ruleset& to);
  // Replaces all rules, and the chains that are not right, by the ruleset's; the sets stay,
  // constant elements are put in anew. A right chain stays because a base chain made anew would be
  // hooked in front of the one it replaces: a packet between the two at the commit would find both
  // empty, and pass. REQUIRES: the sets are as they should be.
  void repair(const KernelTable& found, const Ruleset& ruleset);
  void flush(SetId set);
  // The elements must stay where they are until commit(). Sorted by set.
  void remove(std::span<const Element> elements);
  void insert(std::span<const Element> elements);

  size_t messages() const { return steps_.size(); }
  size_t elements() const { return elements_; }
  size_t bytes() const { return batch_.size(); }

  // Sends it. On refusal nothing was applied, the error names the object, and so does refused().
  // Errors: kConflict when something to be removed is not there or something to be made is; else by
  // errno.
  Status commit();
  const std::optional<RefusedObject>& refused() const { return refused_; }

 private:
  // One message, and what it is about.
  struct Step {
    uint32_t sequence = 0;
    std::string what;                  // of the ruleset, in words
    const nftnl_rule* rule = nullptr;  // instead: words for thousands of rules would cost more
    std::optional<SetId> set;          // of elements
    std::span<const Element> elements;
    size_t start = 0;  // of the message in the batch
  };

  void create_chain(nftnl_chain* chain);
  void delete_chain(const std::string& name);
  void delete_rules();
  void delete_rules_of(const std::string& chain);
  void create_rule(nftnl_rule* rule);
  bool same_rules(const std::vector<nftnl_rule*>& a, const std::vector<nftnl_rule*>& b);
  void begin(uint16_t type, uint16_t flags, uint8_t family);
  void begin_batch(uint16_t type);
  template <typename Object, typename Build>
  void append(uint16_t type, uint16_t flags, Object* object, Build build, std::string what);
  void change_elements(uint16_t type, uint16_t flags, std::span<const Element> elements);
  void put_element(const Element& element, bool with_value);
  RefusedObject trace(const netlink::Refusal& refusal) const;

  netlink::Socket& socket_;
  const std::string& table_;
  netlink::MessageBatch batch_;
  std::unique_ptr<nlmsghdr[]> buffer_;  // for libnftnl; made when needed, as the next
  std::unique_ptr<nlmsghdr[]> other_buffer_;
  std::vector<Step> steps_;
  size_t elements_ = 0;
  std::optional<RefusedObject> refused_;
  std::vector<Element> constants_;  // kept for trace(), as the next
  std::vector<Element> stale_constants_;
};

}  // namespace caracal::dataplane::nft
