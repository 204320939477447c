// RulesTransaction: one atomic change of the table `inet caracal_network`, and what the kernel
// holds of its sets. Private to this folder.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "dataplane/netrules/members.h"
#include "dataplane/netrules/net_table.h"
#include "netlink/message.h"
#include "netlink/socket.h"

namespace caracal::dataplane::netrules {

class RulesTransaction {
 public:
  // Both must outlive it.
  RulesTransaction(netlink::Socket& socket, const std::string& table);

  void delete_table();
  void delete_rules();
  void delete_chain(const std::string& chain);
  void delete_set(const std::string& set);
  void create_table(const NetTable& table) { create(table.ruleset.table.get()); }
  void create(nftnl_table* table);
  void create(nftnl_set* set);
  void create(nftnl_chain* chain);
  void create(nftnl_rule* rule);
  // Members of one set or several, in their order. What is there already may be inserted again.
  void remove(const std::vector<Member>& members);
  void insert(const std::vector<Member>& members);

  size_t messages() const { return steps_.size(); }
  // Sends it; on refusal nothing was applied. Errors: kConflict: something to be removed is not
  // there, or something to be made is: read again; else by errno. The message names the object.
  Status commit();

 private:
  struct Step {
    uint32_t sequence;
    std::string what;
  };
  void begin(uint16_t type, uint16_t flags, std::string what);
  void begin_batch(uint16_t type);
  template <typename Object, typename Build>
  void append(uint16_t type, uint16_t flags, Object* object, Build build, std::string what);
  void change(uint16_t type, uint16_t flags, const std::vector<Member>& members);
  void put_key(const net::IpAddr& key, bool end);

  netlink::Socket& socket_;
  const std::string& table_;
  netlink::MessageBatch batch_;
  std::unique_ptr<nlmsghdr[]> buffer_;  // for libnftnl
  std::vector<Step> steps_;
};

// The members of a set, asked. Errors: kNotFound: no such set; kConflict: it goes on changing.
Result<std::set<Member>> read_members(netlink::Socket& socket, const std::string& table,
                                      NetSet set);

}  // namespace caracal::dataplane::netrules
