#include "dataplane/nft/rule_builder.h"

#include <arpa/inet.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <array>
#include <bit>

#include "base/check.h"

namespace caracal::dataplane::nft {
namespace {

nftnl_expr* make(const char* name) {
  nftnl_expr* expr = nftnl_expr_alloc(name);
  CARACAL_CHECK(expr != nullptr);
  return expr;
}

}  // namespace

uint32_t wire_register(unsigned reg) {
  return reg % 4 == 0 ? NFT_REG_1 + reg / 4 : NFT_REG32_00 + reg;
}

std::string comment_userdata(uint8_t type, std::string_view text) {
  CARACAL_CHECK(text.size() < NFTNL_UDATA_COMMENT_MAXLEN);
  std::string out;
  out.push_back(static_cast<char>(type));
  out.push_back(static_cast<char>(text.size() + 1));
  out.append(text);
  out.push_back('\0');
  return out;
}

RuleBuilder::RuleBuilder(const std::string& table, const std::string& chain)
    : rule_(nftnl_rule_alloc()) {
  CARACAL_CHECK(rule_ != nullptr);
  nftnl_rule_set_u32(rule_.get(), NFTNL_RULE_FAMILY, NFPROTO_INET);
  nftnl_rule_set_str(rule_.get(), NFTNL_RULE_TABLE, table.c_str());
  nftnl_rule_set_str(rule_.get(), NFTNL_RULE_CHAIN, chain.c_str());
}

void RuleBuilder::add(nftnl_expr* expr) { nftnl_rule_add_expr(rule_.get(), expr); }

RuleBuilder& RuleBuilder::meta(uint32_t key, unsigned reg) {
  nftnl_expr* expr = make("meta");
  nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, key);
  nftnl_expr_set_u32(expr, NFTNL_EXPR_META_DREG, wire_register(reg));
  add(expr);
  return *this;
}

RuleBuilder& RuleBuilder::payload(uint32_t base, uint32_t offset, uint32_t size, unsigned reg) {
  nftnl_expr* expr = make("payload");
  nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, base);
  nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
  nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, size);
  nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, wire_register(reg));
  add(expr);
  return *this;
}

RuleBuilder& RuleBuilder::number(uint32_t value, unsigned reg) {
  nftnl_expr* expr = make("immediate");
  nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, wire_register(reg));
  nftnl_expr_set(expr, NFTNL_EXPR_IMM_DATA, &value, sizeof value);
  add(expr);
  return *this;
}

RuleBuilder& RuleBuilder::compare(unsigned reg, uint32_t op, const void* bytes, uint32_t size) {
  nftnl_expr* expr = make("cmp");
  nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, wire_register(reg));
  nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, op);
  nftnl_expr_set(expr, NFTNL_EXPR_CMP_DATA, bytes, size);
  add(expr);
  return *this;
}

RuleBuilder& RuleBuilder::equals(unsigned reg, const void* bytes, uint32_t size) {
  return compare(reg, NFT_CMP_EQ, bytes, size);
}

RuleBuilder& RuleBuilder::mask(unsigned reg, const void* bits, uint32_t size) {
  const std::array<uint8_t, 16> zero{};
  CARACAL_CHECK(size <= zero.size());
  nftnl_expr* expr = make("bitwise");
  nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, wire_register(reg));
  nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, wire_register(reg));
  nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, size);
  nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_MASK, bits, size);
  nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_XOR, zero.data(), size);
  add(expr);
  return *this;
}

RuleBuilder& RuleBuilder::masked_equals(unsigned reg, std::span<const uint8_t> mask_bits,
                                        std::span<const uint8_t> value) {
  CARACAL_CHECK(value.size() == mask_bits.size());
  mask(reg, mask_bits.data(), static_cast<uint32_t>(mask_bits.size()));
  return equals(reg, value.data(), static_cast<uint32_t>(value.size()));
}

RuleBuilder& RuleBuilder::connection_bits(uint32_t ct_key, const void* bits, uint32_t size) {
  constexpr unsigned kReg = 0;
  const std::array<uint8_t, 16> zero{};
  nftnl_expr* load = make("ct");
  nftnl_expr_set_u32(load, NFTNL_EXPR_CT_KEY, ct_key);
  nftnl_expr_set_u32(load, NFTNL_EXPR_CT_DREG, wire_register(kReg));
  add(load);
  return mask(kReg, bits, size).compare(kReg, NFT_CMP_NEQ, zero.data(), size);
}

RuleBuilder& RuleBuilder::connection_state(uint32_t bits) {
  return connection_bits(NFT_CT_STATE, &bits, sizeof bits);
}
RuleBuilder& RuleBuilder::connection_status(uint32_t bits) {
  return connection_bits(NFT_CT_STATUS, &bits, sizeof bits);
}

namespace {
// As the kernel keeps them: an array of longs, bit by bit.
std::array<uint8_t, 16> label_bits(unsigned bit) {
  CARACAL_CHECK(bit < 128);
  std::array<uint64_t, 2> words{};
  words[bit / 64] = uint64_t{1} << (bit % 64);
  return std::bit_cast<std::array<uint8_t, 16>>(words);
}
}  // namespace

RuleBuilder& RuleBuilder::connection_label(unsigned bit) {
  const auto bits = label_bits(bit);
  return connection_bits(NFT_CT_LABELS, bits.data(), bits.size());
}

RuleBuilder& RuleBuilder::set_connection_label(unsigned bit) {
  constexpr unsigned kReg = 0;
  const auto bits = label_bits(bit);
  nftnl_expr* value = make("immediate");
  nftnl_expr_set_u32(value, NFTNL_EXPR_IMM_DREG, wire_register(kReg));
  nftnl_expr_set(value, NFTNL_EXPR_IMM_DATA, bits.data(), bits.size());
  add(value);
  nftnl_expr* set = make("ct");
  nftnl_expr_set_u32(set, NFTNL_EXPR_CT_KEY, NFT_CT_LABELS);
  nftnl_expr_set_u32(set, NFTNL_EXPR_CT_SREG, wire_register(kReg));
  add(set);
  return *this;
}

RuleBuilder& RuleBuilder::nonzero(unsigned reg) {
  const uint32_t zero = 0;
  return compare(reg, NFT_CMP_NEQ, &zero, sizeof zero);
}

RuleBuilder& RuleBuilder::not_a_plain_syn() {
  constexpr unsigned kReg = 0;
  constexpr uint32_t kFlagsOffset = 13;  // RFC 9293
  constexpr uint8_t kSyn = 0x02, kFinSynRstAck = 0x17;
  return payload(NFT_PAYLOAD_TRANSPORT_HEADER, kFlagsOffset, 1, kReg)
      .mask(kReg, &kFinSynRstAck, 1)
      .compare(kReg, NFT_CMP_NEQ, &kSyn, 1);
}

RuleBuilder& RuleBuilder::limit(uint64_t rate, uint32_t burst) {
  nftnl_expr* expr = make("limit");
  nftnl_expr_set_u64(expr, NFTNL_EXPR_LIMIT_RATE, rate);
  nftnl_expr_set_u64(expr, NFTNL_EXPR_LIMIT_UNIT, 1);  // seconds
  nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_BURST, burst);
  nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
  nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_FLAGS, 0);
  add(expr);
  return *this;
}

RuleBuilder& RuleBuilder::log(uint16_t group, std::string_view prefix, uint32_t snap_length) {
  nftnl_expr* expr = make("log");
  nftnl_expr_set_str(expr, NFTNL_EXPR_LOG_PREFIX, std::string(prefix).c_str());
  nftnl_expr_set_u16(expr, NFTNL_EXPR_LOG_GROUP, group);
  nftnl_expr_set_u32(expr, NFTNL_EXPR_LOG_SNAPLEN, snap_length);
  add(expr);
  return *this;
}

RuleBuilder& RuleBuilder::notrack() {
  add(make("notrack"));
  return *this;
}

RuleBuilder& RuleBuilder::name_begins(uint32_t meta_key, std::string_view prefix) {
  return meta(meta_key, 0).equals(0, prefix.data(), static_cast<uint32_t>(prefix.size()));
}

RuleBuilder& RuleBuilder::name_is(uint32_t meta_key, std::string_view name) {
  const std::string text(name);
  return meta(meta_key, 0).equals(0, text.c_str(), static_cast<uint32_t>(text.size() + 1));
}

RuleBuilder& RuleBuilder::family(net::Family family) {
  return meta(NFT_META_NFPROTO, 0)
      .equals(0, family == net::Family::kIPv4 ? uint8_t{NFPROTO_IPV4} : uint8_t{NFPROTO_IPV6});
}

RuleBuilder& RuleBuilder::protocol(uint8_t number) {
  return meta(NFT_META_L4PROTO, 0).equals(0, number);
}

RuleBuilder& RuleBuilder::not_protocol(uint8_t number) {
  return meta(NFT_META_L4PROTO, 0).compare(0, NFT_CMP_NEQ, &number, 1);
}

nftnl_expr* RuleBuilder::lookup(SetId set, unsigned key) {
  nftnl_expr* expr = make("lookup");
  nftnl_expr_set_str(expr, NFTNL_EXPR_LOOKUP_SET, spec_of(set).name.c_str());
  nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, wire_register(key));
  nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_FLAGS, 0);  // as the kernel lists it
  add(expr);
  return expr;
}

RuleBuilder& RuleBuilder::in_set(SetId set, unsigned key) {
  lookup(set, key);
  return *this;
}

RuleBuilder& RuleBuilder::map(SetId set, unsigned key, unsigned to) {
  nftnl_expr_set_u32(lookup(set, key), NFTNL_EXPR_LOOKUP_DREG, wire_register(to));
  return *this;
}

RuleBuilder& RuleBuilder::verdict_map(SetId set, unsigned key) {
  nftnl_expr_set_u32(lookup(set, key), NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT);
  return *this;
}

RuleBuilder& RuleBuilder::counter() {
  add(make("counter"));
  return *this;
}

RuleBuilder& RuleBuilder::chain_verdict(int code, std::string_view chain) {
  nftnl_expr* expr = make("immediate");
  nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
  nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, static_cast<uint32_t>(code));
  if (!chain.empty()) nftnl_expr_set_str(expr, NFTNL_EXPR_IMM_CHAIN, std::string(chain).c_str());
  add(expr);
  return *this;
}

RuleBuilder& RuleBuilder::verdict(int code) { return chain_verdict(code, {}); }
RuleBuilder& RuleBuilder::jump(std::string_view chain) { return chain_verdict(NFT_JUMP, chain); }
RuleBuilder& RuleBuilder::go_to(std::string_view chain) { return chain_verdict(NFT_GOTO, chain); }

NftnlPtr<nftnl_rule> RuleBuilder::build(std::string_view comment) {
  if (!comment.empty()) {
    const std::string userdata = comment_userdata(NFTNL_UDATA_RULE_COMMENT, comment);
    nftnl_rule_set_data(rule_.get(), NFTNL_RULE_USERDATA, userdata.data(),
                        static_cast<uint32_t>(userdata.size()));
  }
  return std::move(rule_);
}

}  // namespace caracal::dataplane::nft
