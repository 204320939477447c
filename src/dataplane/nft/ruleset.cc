#include "dataplane/nft/ruleset.h"

#include <fmt/format.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>

#include "base/check.h"
#include "dataplane/nft/rule_builder.h"
#include "dataplane/nft/rules.h"

namespace caracal::dataplane::nft {
namespace {

NftnlPtr<nftnl_table> make_table(const std::string& name) {
  NftnlPtr<nftnl_table> table(nftnl_table_alloc());
  CARACAL_CHECK(table != nullptr);
  nftnl_table_set_str(table.get(), NFTNL_TABLE_NAME, name.c_str());
  nftnl_table_set_u32(table.get(), NFTNL_TABLE_FAMILY, NFPROTO_INET);
  nftnl_table_set_u32(table.get(), NFTNL_TABLE_FLAGS, 0);
  const std::string userdata = comment_userdata(
      NFTNL_UDATA_TABLE_COMMENT,
      fmt::format("pod network policy, written by caracal-agent, format {}; do not edit",
                  kFormatVersion));
  nftnl_table_set_data(table.get(), NFTNL_TABLE_USERDATA, userdata.data(),
                       static_cast<uint32_t>(userdata.size()));
  return table;
}

NftnlPtr<nftnl_set> make_set(const std::string& table, const SetSpec& spec) {
  NftnlPtr<nftnl_set> set(nftnl_set_alloc());
  CARACAL_CHECK(set != nullptr);
  uint32_t flags = spec.interval ? uint32_t{NFT_SET_INTERVAL} : 0;
  if (spec.value != ValueKind::kNone) flags |= NFT_SET_MAP;
  nftnl_set_set_str(set.get(), NFTNL_SET_TABLE, table.c_str());
  nftnl_set_set_str(set.get(), NFTNL_SET_NAME, spec.name.c_str());
  nftnl_set_set_u32(set.get(), NFTNL_SET_FAMILY, NFPROTO_INET);
  nftnl_set_set_u32(set.get(), NFTNL_SET_ID, static_cast<uint32_t>(spec.id) + 1);
  nftnl_set_set_u32(set.get(), NFTNL_SET_FLAGS, flags);
  nftnl_set_set_u32(set.get(), NFTNL_SET_KEY_TYPE, spec.key_type);
  nftnl_set_set_u32(set.get(), NFTNL_SET_KEY_LEN, spec.key_size);
  constexpr uint32_t kTypeMark = 19;
  if (spec.value == ValueKind::kVerdict) {
    nftnl_set_set_u32(set.get(), NFTNL_SET_DATA_TYPE, NFT_DATA_VERDICT);
    nftnl_set_set_u32(set.get(), NFTNL_SET_DATA_LEN, 16);
  } else if (spec.value != ValueKind::kNone) {
    const bool padded = spec.value == ValueKind::kPadded;
    nftnl_set_set_u32(set.get(), NFTNL_SET_DATA_TYPE,
                      padded ? kTypeMark << 6 | kTypeMark : kTypeMark);
    nftnl_set_set_u32(set.get(), NFTNL_SET_DATA_LEN, padded ? 8 : 4);
  }
  // What nft leaves there for itself, and needs to print the elements: byte orders (1 host, 2
  // network; none for concatenations and verdicts) and a comment.
  std::string userdata;
  const auto put_order = [&](uint8_t type, uint32_t order) {
    userdata.push_back(static_cast<char>(type));
    userdata.push_back(static_cast<char>(sizeof order));
    userdata.append(reinterpret_cast<const char*>(&order), sizeof order);
  };
  constexpr uint32_t kTypeIfname = 41;
  constexpr uint32_t kLastSimpleType = 63;
  if (spec.key_type == kTypeMark || spec.key_type == kTypeIfname)
    put_order(NFTNL_UDATA_SET_KEYBYTEORDER, 1);
  else if (spec.key_type <= kLastSimpleType)
    put_order(NFTNL_UDATA_SET_KEYBYTEORDER, 2);
  if (spec.value == ValueKind::kNumber) put_order(NFTNL_UDATA_SET_DATABYTEORDER, 1);
  userdata += comment_userdata(NFTNL_UDATA_SET_COMMENT, spec.comment);
  nftnl_set_set_data(set.get(), NFTNL_SET_USERDATA, userdata.data(),
                     static_cast<uint32_t>(userdata.size()));
  return set;
}

NftnlPtr<nftnl_chain> make_chain(const std::string& table, const ChainSpec& spec) {
  NftnlPtr<nftnl_chain> chain(nftnl_chain_alloc());
  CARACAL_CHECK(chain != nullptr);
  nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_TABLE, table.c_str());
  nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_NAME, spec.name.c_str());
  nftnl_chain_set_u32(chain.get(), NFTNL_CHAIN_FAMILY, NFPROTO_INET);
  if (spec.hook >= 0) {
    nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_TYPE, "filter");
    nftnl_chain_set_u32(chain.get(), NFTNL_CHAIN_HOOKNUM, static_cast<uint32_t>(spec.hook));
    nftnl_chain_set_s32(chain.get(), NFTNL_CHAIN_PRIO, spec.priority);
    nftnl_chain_set_u32(chain.get(), NFTNL_CHAIN_POLICY, NF_ACCEPT);
  }
  return chain;
}

}  // namespace

void NftnlDelete::operator()(nftnl_table* p) const { nftnl_table_free(p); }
void NftnlDelete::operator()(nftnl_chain* p) const { nftnl_chain_free(p); }
void NftnlDelete::operator()(nftnl_set* p) const { nftnl_set_free(p); }
void NftnlDelete::operator()(nftnl_rule* p) const { nftnl_rule_free(p); }

Ruleset make_ruleset(const RulesetOptions& options) {
  Ruleset out;
  out.table = make_table(options.table);
  for (const SetSpec& spec : set_specs()) out.sets.push_back(make_set(options.table, spec));
  for (const ChainSpec& spec : chain_specs())
    if (belongs(spec, options.parts)) out.chains.push_back(make_chain(options.table, spec));
  write_pod_rules(options, out);
  if ((options.parts & kPartHosts) != 0) write_host_rules(options, out);
  return out;
}

std::string signature(const nftnl_table* table) {
  uint32_t size = 0;
  const auto* userdata =
      static_cast<const char*>(nftnl_table_get_data(table, NFTNL_TABLE_USERDATA, &size));
  return fmt::format("table flags {} comment {}", nftnl_table_get_u32(table, NFTNL_TABLE_FLAGS),
                     userdata != nullptr ? std::string(userdata, size) : std::string());
}

std::string signature(const nftnl_set* set) {
  const uint32_t flags = nftnl_set_get_u32(set, NFTNL_SET_FLAGS);
  std::string out = fmt::format("set {} flags {} key {} {}", nftnl_set_get_str(set, NFTNL_SET_NAME),
                                flags, nftnl_set_get_u32(set, NFTNL_SET_KEY_TYPE),
                                nftnl_set_get_u32(set, NFTNL_SET_KEY_LEN));
  if ((flags & NFT_SET_MAP) != 0) {
    const uint32_t type = nftnl_set_get_u32(set, NFTNL_SET_DATA_TYPE);
    out += fmt::format(" value {}", type);
    if (type != NFT_DATA_VERDICT)
      out += fmt::format(" {}", nftnl_set_get_u32(set, NFTNL_SET_DATA_LEN));
  }
  return out;
}

std::string signature(const nftnl_chain* chain) {
  std::string out = fmt::format("chain {}", nftnl_chain_get_str(chain, NFTNL_CHAIN_NAME));
  if (nftnl_chain_is_set(chain, NFTNL_CHAIN_HOOKNUM))
    out += fmt::format(" {} hook {} priority {} policy {}",
                       nftnl_chain_get_str(chain, NFTNL_CHAIN_TYPE),
                       nftnl_chain_get_u32(chain, NFTNL_CHAIN_HOOKNUM),
                       nftnl_chain_get_s32(chain, NFTNL_CHAIN_PRIO),
                       nftnl_chain_get_u32(chain, NFTNL_CHAIN_POLICY));
  return out;
}

std::string signature(const nftnl_rule* rule) {
  std::string out = fmt::format("rule of {}:", nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN));
  const auto add = [](nftnl_expr* expr, void* data) {
    auto& text = *static_cast<std::string*>(data);
    const std::string_view name = nftnl_expr_get_str(expr, NFTNL_EXPR_NAME);
    char buffer[512];
    if (name == "counter")  // its text holds what it counted
      text += " [counter]";
    else if (nftnl_expr_snprintf(buffer, sizeof buffer, expr, NFTNL_OUTPUT_DEFAULT, 0) > 0)
      text += fmt::format(" [{} {}]", name, buffer);
    return 0;
  };
  nftnl_expr_foreach(const_cast<nftnl_rule*>(rule), add, &out);
  uint32_t size = 0;
  const auto* userdata =
      static_cast<const char*>(nftnl_rule_get_data(rule, NFTNL_RULE_USERDATA, &size));
  if (userdata != nullptr) out.append(" ").append(userdata, size);
  return out;
}

std::vector<std::string> signatures(const Ruleset& ruleset) {
  std::vector<std::string> out;
  for (const auto& set : ruleset.sets) out.push_back(signature(set.get()));
  for (const auto& chain : ruleset.chains) out.push_back(signature(chain.get()));
  std::sort(out.begin(), out.end());
  out.insert(out.begin(), signature(ruleset.table.get()));
  std::vector<std::string> rules;
  for (const auto& rule : ruleset.rules) rules.push_back(signature(rule.get()));
  std::stable_sort(rules.begin(), rules.end(), [](const std::string& a, const std::string& b) {
    return a.substr(0, a.find(':')) < b.substr(0, b.find(':'));
  });
  out.insert(out.end(), rules.begin(), rules.end());
  return out;
}

}  // namespace caracal::dataplane::nft
