#include "policy/policy_blob.h"

#include <cstring>

namespace caracal::policy {
namespace {

using selector::Op;
using selector::Selector;

// Numbers are written 7 bits a byte, lowest first; texts and lists with their length before them.
class Writer {
 public:
  Writer() { out_.reserve(256); }  // most are shorter
  std::string take() { return std::move(out_); }

  void number(uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_ += static_cast<char>(value | 0x80);
    out_ += static_cast<char>(value);
  }
  void text(std::string_view value) {
    number(value.size());
    out_ += value;
  }
  template <typename List, typename Item>
  void list(const List& items, const Item& item) {
    number(items.size());
    for (const auto& one : items) item(one);
  }
  void cidr(const net::Cidr& value) {
    const size_t size = value.address().size();
    number(size);
    out_.append(reinterpret_cast<const char*>(value.address().data()), size);
    number(static_cast<uint64_t>(value.bits()));
  }
  void node(const selector::Node& value) {
    number(static_cast<uint64_t>(value.op));
    if (value.op == Op::kAll) return;
    if (value.op == Op::kAnd || value.op == Op::kOr || value.op == Op::kNot) {
      list(value.children, [&](const auto& child) { node(*child); });
      return;
    }
    text(value.key);
    list(value.values, [&](const std::string& one) { text(one); });
  }
  void peer(const model::Peer& value) {
    number(value.index());
    if (const auto* endpoints = std::get_if<model::EndpointPeer>(&value)) {
      number((endpoints->inherited ? 1u : 0u) | (endpoints->in_namespace ? 2u : 0u));
      node(endpoints->pods.root());
      node(endpoints->namespaces.root());
      if (endpoints->in_namespace) text(*endpoints->in_namespace);
    } else if (const auto* block = std::get_if<model::CidrPeer>(&value)) {
      cidr(block->net);
      list(block->except, [&](const net::Cidr& one) { cidr(one); });
    } else {
      const auto& service = std::get<model::ServicePeer>(value).service;
      text(service.ns);
      text(service.name);
    }
  }
  void end(const model::EndMatch& value) {
    list(value.all_of, [&](const auto& peers) { list(peers, [&](const auto& p) { peer(p); }); });
    list(value.none_of, [&](const auto& p) { peer(p); });
  }
  void ports(const std::vector<model::PortMatch>& value) {
    list(value, [&](const model::PortMatch& port) {
      number(port.protocol.number);
      number(port.port.index());
      if (const auto* range = std::get_if<net::PortRange>(&port.port)) {
        number(range->first);
        number(range->last);
      } else if (const auto* name = std::get_if<std::string>(&port.port)) {
        text(*name);
      } else {
        const auto& icmp = std::get<model::IcmpMatch>(port.port);
        number(icmp.type);
        number(icmp.code ? 1u + *icmp.code : 0u);
      }
    });
  }
  void rule(const model::Rule& value) {
    number(static_cast<uint64_t>(value.action));
    number((value.ports ? 1u : 0u) | (value.source_ports ? 2u : 0u));
    number(value.family ? static_cast<uint64_t>(*value.family) : 0u);
    end(value.peer);
    end(value.self);
    if (value.ports) ports(*value.ports);
    ports(value.not_ports);
    if (value.source_ports) ports(*value.source_ports);
    ports(value.not_source_ports);
  }

 private:
  std::string out_;
};

// Reads what Writer wrote, nothing else.
class Reader {
 public:
  explicit Reader(std::string_view in) : in_(in) {}

  uint64_t number() {
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      const auto byte = static_cast<uint8_t>(in_.front());
      in_.remove_prefix(1);
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
  }
  std::string text() {
    const auto size = static_cast<size_t>(number());
    std::string out(in_.substr(0, size));
    in_.remove_prefix(size);
    return out;
  }
  template <typename Item>
  auto list(const Item& item) {
    std::vector<decltype(item())> out;
    const uint64_t count = number();
    out.reserve(count);
    for (uint64_t i = 0; i < count; ++i) out.push_back(item());
    return out;
  }
  net::Cidr cidr() {
    const auto size = static_cast<size_t>(number());
    const net::IpAddr address = net::IpAddr::from_bytes(in_.data(), size);
    in_.remove_prefix(size);
    return {address, static_cast<int>(number())};
  }
  Selector selector() {
    const auto op = static_cast<Op>(number());
    switch (op) {
      case Op::kAll:
        return {};
      case Op::kAnd:
        return Selector::all_of(list([&] { return selector(); }));
      case Op::kOr:
        return Selector::any_of(list([&] { return selector(); }));
      case Op::kNot:
        return Selector::negation(list([&] { return selector(); }).front());
      default: {
        std::string key = text();
        return Selector::requirement(op, std::move(key), list([&] { return text(); }));
      }
    }
  }
  model::Peer peer() {
    switch (number()) {
      case 0: {
        model::EndpointPeer out;
        const uint64_t flags = number();
        out.inherited = (flags & 1u) != 0;
        out.pods = selector();
        out.namespaces = selector();
        if ((flags & 2u) != 0) out.in_namespace = text();
        return out;
      }
      case 1: {
        model::CidrPeer out;
        out.net = cidr();
        out.except = list([&] { return cidr(); });
        return out;
      }
      default: {
        model::ServicePeer out;
        out.service.ns = text();
        out.service.name = text();
        return out;
      }
    }
  }
  model::EndMatch end() {
    model::EndMatch out;
    out.all_of = list([&] { return list([&] { return peer(); }); });
    out.none_of = list([&] { return peer(); });
    return out;
  }
  std::vector<model::PortMatch> ports() {
    return list([&] {
      model::PortMatch out;
      out.protocol = {static_cast<uint8_t>(number())};
      switch (number()) {
        case 0: {
          const auto first = static_cast<uint16_t>(number());
          out.port = net::PortRange{first, static_cast<uint16_t>(number())};
          break;
        }
        case 1:
          out.port = text();
          break;
        default: {
          model::IcmpMatch icmp{static_cast<uint8_t>(number()), {}};
          if (const uint64_t code = number(); code != 0) icmp.code = static_cast<uint8_t>(code - 1);
          out.port = icmp;
        }
      }
      return out;
    });
  }
  model::Rule rule() {
    model::Rule out;
    out.action = static_cast<model::Action>(number());
    const uint64_t flags = number();
    if (const uint64_t family = number(); family != 0)
      out.family = static_cast<net::Family>(family);
    out.peer = end();
    out.self = end();
    if ((flags & 1u) != 0) out.ports = ports();
    out.not_ports = ports();
    if ((flags & 2u) != 0) out.source_ports = ports();
    out.not_source_ports = ports();
    return out;
  }

 private:
  std::string_view in_;
};

}  // namespace

PolicyBlob::PolicyBlob(const model::Policy& policy) {
  Writer writer;
  const auto rule = [&](const model::Rule& one) { writer.rule(one); };
  writer.list(policy.ingress, rule);
  writer.list(policy.egress, rule);
  const std::string bytes = writer.take();
  size_ = static_cast<uint32_t>(bytes.size());
  bytes_ = std::make_unique_for_overwrite<char[]>(bytes.size());
  std::memcpy(bytes_.get(), bytes.data(), bytes.size());
}

PolicyBlob::Rules PolicyBlob::rules() const {
  Rules out;
  if (size_ == 0) return out;
  Reader reader(view());
  out.ingress = reader.list([&] { return reader.rule(); });
  out.egress = reader.list([&] { return reader.rule(); });
  return out;
}

}  // namespace caracal::policy
