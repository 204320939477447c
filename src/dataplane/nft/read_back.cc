#include "dataplane/nft/read_back.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <libnftnl/chain.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <thread>

#include "dataplane/nft/ruleset.h"
#include "netlink/attributes.h"
#include "netlink/message.h"

namespace caracal::dataplane::nft {
namespace {

using netlink::Attribute;
using netlink::Attributes;
using netlink::Message;

// A dump starts over when anybody commits a transaction meanwhile.
constexpr int kAttempts = 50;
constexpr uint32_t kForeignValue = 0xffffffff;

Message make_message(uint16_t type, uint16_t flags) {
  nfgenmsg header{};
  header.nfgen_family = NFPROTO_INET;
  header.version = NFNETLINK_V0;
  return Message(static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type), flags, header);
}

// Runs `attempt` until it is not disturbed by a concurrent change.
template <typename F>
auto undisturbed(F&& attempt) {
  auto result = attempt();
  for (int i = 1; i < kAttempts && !result && result.error().code == Errc::kUnavailable; ++i)
    result = attempt();
  return result;
}

// The signatures of all objects of one kind that are the table's.
template <typename Alloc, typename Parse, typename TableOf>
Result<std::vector<std::string>> dump_signatures(netlink::Socket& socket, const std::string& table,
                                                 uint16_t type, uint16_t table_attribute,
                                                 Alloc alloc, Parse parse, TableOf table_of) {
  return undisturbed([&]() -> Result<std::vector<std::string>> {
    std::vector<std::string> out;
    Message message = make_message(type, NLM_F_DUMP);
    if (table_attribute != 0) message.put_string(table_attribute, table);
    CARACAL_TRY(socket.query(message.header(), [&](const nlmsghdr* answer) -> Status {
      NftnlPtr<std::remove_pointer_t<decltype(alloc())>> object(alloc());
      if (parse(answer, object.get()) < 0)
        return fail(Errc::kKernel, "nftables listing cannot be read");
      const char* name = table_of(object.get());
      if (name != nullptr && table == name) out.push_back(signature(object.get()));
      return {};
    }));
    return out;
  });
}

uint32_t read_verdict(const Attributes& data) {
  const auto verdict = data.find(NFTA_DATA_VERDICT);
  if (!verdict) return kForeignValue;
  const Attributes parts(*verdict);
  const auto code_attribute = parts.find(NFTA_VERDICT_CODE);
  const auto code = code_attribute ? code_attribute->be32() : std::nullopt;
  if (!code) return kForeignValue;
  switch (static_cast<int>(*code)) {
    case NFT_RETURN:
      return kReturn;
    case NF_DROP:
      return kDrop;
    case NFT_CONTINUE:
      return kContinue;
    case NF_ACCEPT:
      return kAccept;
    case NFT_GOTO: {
      const auto chain = parts.find(NFTA_VERDICT_CHAIN);
      if (!chain) return kForeignValue;
      const auto& chains = chain_specs();
      for (uint32_t i = 0; i < chains.size(); ++i)
        if (chains[i].name == chain->string()) return kGotoChain + i;
      return kForeignValue;
    }
    default:
      return kForeignValue;
  }
}

Element read_element(SetId set, const Attributes& attributes) {
  const SetSpec& spec = spec_of(set);
  Element element;
  element.set = set;
  bool foreign = false;
  for (const Attribute& attribute : attributes) {
    switch (attribute.type) {
      case NFTA_SET_ELEM_KEY:
        if (const auto key = Attributes(attribute).find(NFTA_DATA_VALUE))
          std::memcpy(element.key.data(), key->payload.data(),
                      std::min<size_t>(key->payload.size(), spec.key_size));
        break;
      case NFTA_SET_ELEM_FLAGS:
        element.end = (attribute.be32().value_or(0) & NFT_SET_ELEM_INTERVAL_END) != 0;
        break;
      case NFTA_SET_ELEM_DATA: {
        const Attributes data(attribute);
        if (spec.value == ValueKind::kVerdict) {
          element.value = read_verdict(data);
        } else if (const auto value = data.find(NFTA_DATA_VALUE)) {
          const size_t skip = spec.value == ValueKind::kPadded ? sizeof(uint32_t) : 0;
          if (value->payload.size() >= skip + sizeof(uint32_t))
            std::memcpy(&element.value, value->payload.data() + skip, sizeof(uint32_t));
        }
        break;
      }
      case NFTA_SET_ELEM_TIMEOUT:
      case NFTA_SET_ELEM_EXPR:
      case NFTA_SET_ELEM_EXPRESSIONS:
        foreign = true;
        break;
      default:
        break;
    }
  }
  if (foreign) element.value = kForeignValue;
  return element;
}

Result<std::vector<Element>> dump_elements(netlink::Socket& socket, const std::string& table,
                                           SetId set) {
  return undisturbed([&]() -> Result<std::vector<Element>> {
    std::vector<Element> out;
    Message message = make_message(NFT_MSG_GETSETELEM, NLM_F_DUMP);
    message.put_string(NFTA_SET_ELEM_LIST_TABLE, table);
    message.put_string(NFTA_SET_ELEM_LIST_SET, spec_of(set).name);
    CARACAL_TRY(socket.query(message.header(), [&](const nlmsghdr* answer) -> Status {
      const auto list = Attributes(answer, sizeof(nfgenmsg)).find(NFTA_SET_ELEM_LIST_ELEMENTS);
      if (!list) return {};
      for (const Attribute& element : Attributes(*list))
        out.push_back(read_element(set, Attributes(element)));
      return {};
    }));
    return out;
  });
}

Result<std::vector<Element>> dump_all(netlink::Socket& socket, const std::string& table) {
  std::vector<Element> out;
  for (const SetSpec& spec : set_specs()) {
    auto elements = dump_elements(socket, table, spec.id);
    if (!elements)
      return fail(elements.error().within(fmt::format("cannot list set {}", spec.name)));
    out.insert(out.end(), elements->begin(), elements->end());
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace

Result<std::optional<KernelTable>> read_structure(netlink::Socket& socket,
                                                  const std::string& table) {
  // Every table of the family is listed: there are few, and asking for one by name would make a
  // missing one look like a failure.
  CARACAL_ASSIGN(std::vector<std::string> signatures,
                 dump_signatures(
                     socket, table, NFT_MSG_GETTABLE, 0, nftnl_table_alloc, nftnl_table_nlmsg_parse,
                     [](nftnl_table* t) { return nftnl_table_get_str(t, NFTNL_TABLE_NAME); }));
  if (signatures.empty()) return std::optional<KernelTable>();
  CARACAL_ASSIGN(std::vector<std::string> sets,
                 dump_signatures(socket, table, NFT_MSG_GETSET, NFTA_SET_TABLE, nftnl_set_alloc,
                                 nftnl_set_nlmsg_parse, [](nftnl_set* s) {
                                   return nftnl_set_get_str(s, NFTNL_SET_TABLE);
                                 }));
  std::vector<std::string> names;
  CARACAL_ASSIGN(const std::vector<std::string> chains,
                 dump_signatures(socket, table, NFT_MSG_GETCHAIN, 0, nftnl_chain_alloc,
                                 nftnl_chain_nlmsg_parse, [&](nftnl_chain* c) {
                                   const char* in = nftnl_chain_get_str(c, NFTNL_CHAIN_TABLE);
                                   if (in != nullptr && table == in)
                                     names.emplace_back(nftnl_chain_get_str(c, NFTNL_CHAIN_NAME));
                                   return in;
                                 }));
  // A dump that was disturbed has named some twice.
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  sets.insert(sets.end(), chains.begin(), chains.end());
  std::sort(sets.begin(), sets.end());
  CARACAL_ASSIGN(std::vector<std::string> rules,
                 dump_signatures(socket, table, NFT_MSG_GETRULE, NFTA_RULE_TABLE, nftnl_rule_alloc,
                                 nftnl_rule_nlmsg_parse, [](nftnl_rule* r) {
                                   return nftnl_rule_get_str(r, NFTNL_RULE_TABLE);
                                 }));
  std::stable_sort(rules.begin(), rules.end(), [](const std::string& a, const std::string& b) {
    return a.substr(0, a.find(':')) < b.substr(0, b.find(':'));
  });
  signatures.insert(signatures.end(), sets.begin(), sets.end());
  signatures.insert(signatures.end(), rules.begin(), rules.end());
  return std::optional<KernelTable>(KernelTable{std::move(signatures), std::move(names)});
}

Result<std::vector<Element>> read_elements(netlink::Socket& socket, const std::string& table,
                                           std::vector<Element> expected) {
  constexpr int kReadings = 12;
  std::sort(expected.begin(), expected.end());
  CARACAL_ASSIGN(std::vector<Element> last, dump_all(socket, table));
  for (int reading = 1; last != expected; ++reading) {
    if (reading == kReadings)
      return fail(Errc::kConflict,
                  fmt::format("table inet {}: {} readings of its elements differed, somebody else "
                              "is changing it",
                              table, kReadings));
    // Gives a resize time to end: twice as long each time, 2 s in all.
    std::this_thread::sleep_for(std::chrono::milliseconds(1) * (1 << (reading - 1)));
    CARACAL_ASSIGN(std::vector<Element> again, dump_all(socket, table));
    const bool settled = again == last;
    last = std::move(again);
    if (settled) break;
  }
  return last;
}

Result<uint32_t> read_generation(netlink::Socket& socket) {
  uint32_t generation = 0;
  Message message = make_message(NFT_MSG_GETGEN, 0);
  CARACAL_TRY(socket.query(message.header(), [&](const nlmsghdr* answer) -> Status {
    if (const auto id = Attributes(answer, sizeof(nfgenmsg)).find(NFTA_GEN_ID))
      generation = id->be32().value_or(0);
    return {};
  }));
  return generation;
}

}  // namespace caracal::dataplane::nft
