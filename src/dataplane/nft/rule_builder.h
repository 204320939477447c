// RuleBuilder: puts a rule together from nftables expressions.
//
// Registers are the kernel's 32-bit ones, 0-15, named as it names them back in a listing. Private
// to ruleset.cc.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "dataplane/nft/ruleset.h"
#include "net/ip_addr.h"

struct nftnl_expr;

namespace caracal::dataplane::nft {

// Register number on the wire: a multiple of four is written by its 128-bit name.
uint32_t wire_register(unsigned reg);

class RuleBuilder {
 public:
  RuleBuilder(const std::string& table, const std::string& chain);

  // Loads.
  RuleBuilder& meta(uint32_t key, unsigned reg);
  RuleBuilder& payload(uint32_t base, uint32_t offset, uint32_t size, unsigned reg);
  RuleBuilder& number(uint32_t value, unsigned reg);
  // Matches: go on when it holds, else the next rule.
  RuleBuilder& equals(unsigned reg, const void* bytes, uint32_t size);
  RuleBuilder& equals(unsigned reg, uint8_t value) { return equals(reg, &value, 1); }
  RuleBuilder& masked_equals(unsigned reg, std::span<const uint8_t> mask,
                             std::span<const uint8_t> value);
  RuleBuilder& nonzero(unsigned reg);  // 32 bits
  // A TCP segment that does not begin a connection: SYN, ACK, RST, FIN other than SYN alone.
  RuleBuilder& not_a_plain_syn();
  RuleBuilder& connection_state(uint32_t bits);   // any of them
  RuleBuilder& connection_status(uint32_t bits);  // IPS_*, any of them
  RuleBuilder& connection_label(unsigned bit);
  RuleBuilder& name_begins(uint32_t meta_key, std::string_view prefix);
  RuleBuilder& name_is(uint32_t meta_key, std::string_view name);
  RuleBuilder& family(net::Family family);
  RuleBuilder& protocol(uint8_t number);
  RuleBuilder& not_protocol(uint8_t number);
  // Set look-up: go on when found. Map look-up: value into `to`, go on when found.
  RuleBuilder& in_set(SetId set, unsigned key);
  RuleBuilder& map(SetId set, unsigned key, unsigned to);
  RuleBuilder& verdict_map(SetId set, unsigned key);
  // At most so many packets a second go on.
  RuleBuilder& limit(uint64_t rate, uint32_t burst);
  // Effects.
  RuleBuilder& log(uint16_t group, std::string_view prefix, uint32_t snap_length);
  RuleBuilder& set_connection_label(unsigned bit);  // the other labels stay
  RuleBuilder& notrack();
  // Ends.
  RuleBuilder& counter();
  RuleBuilder& verdict(int code);
  RuleBuilder& jump(std::string_view chain);
  RuleBuilder& go_to(std::string_view chain);

  // The comment (at most 127 bytes) is what `nft list` shows behind the rule.
  NftnlPtr<nftnl_rule> build(std::string_view comment = {});

 private:
  void add(nftnl_expr* expr);
  nftnl_expr* lookup(SetId set, unsigned key);
  RuleBuilder& connection_bits(uint32_t ct_key, const void* bits, uint32_t size);
  RuleBuilder& mask(unsigned reg, const void* bits, uint32_t size);
  RuleBuilder& compare(unsigned reg, uint32_t op, const void* bytes, uint32_t size);
  RuleBuilder& chain_verdict(int code, std::string_view chain);
  NftnlPtr<nftnl_rule> rule_;
};

// A user data area that holds one comment, as nft lays it out: type, length, text, zero.
std::string comment_userdata(uint8_t type, std::string_view text);

}  // namespace caracal::dataplane::nft
