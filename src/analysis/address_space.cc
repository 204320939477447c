#include "analysis/address_space.h"

#include <algorithm>
#include <unordered_map>

#include "analysis/signature.h"

namespace caracal::analysis {
namespace {

// Sorts, and joins what overlaps: a set must begin and end once around each address it holds.
void normalize(std::vector<AddressRange>& ranges) {
  std::sort(ranges.begin(), ranges.end());
  std::vector<AddressRange> out;
  for (const AddressRange& range : ranges) {
    if (!out.empty() && out.back().first.family() == range.first.family() &&
        range.first <= out.back().last) {
      out.back().last = std::max(out.back().last, range.last);
    } else {
      out.push_back(range);
    }
  }
  ranges = std::move(out);
}

struct Edge {
  net::IpAddr at;
  AddressSpace::SetId set = 0;
};

}  // namespace

AddressRange range_of(const net::Cidr& cidr) { return {cidr.first(), cidr.last()}; }

std::vector<AddressRange> ranges_without(const net::Cidr& net,
                                         const std::vector<net::Cidr>& except) {
  std::vector<AddressRange> holes;
  for (const net::Cidr& cidr : except) {
    if (cidr.family() != net.family()) continue;
    if (cidr.contains(net)) return {};
    if (net.contains(cidr)) holes.push_back(range_of(cidr));
  }
  normalize(holes);
  std::vector<AddressRange> out;
  net::IpAddr next = net.first();
  for (const AddressRange& hole : holes) {
    if (next < hole.first) out.push_back({next, hole.first.previous()});
    if (hole.last == net.last()) return out;
    next = hole.last.next();
  }
  out.push_back({next, net.last()});
  return out;
}

AddressSpace::SetId AddressSpace::add(std::vector<AddressRange> ranges) {
  normalize(ranges);
  sets_.push_back(std::move(ranges));
  return static_cast<SetId>(sets_.size() - 1);
}

void AddressSpace::build() {
  v4_starts_.clear();
  v6_starts_.clear();
  std::vector<Edge> edges;
  for (SetId set = 0; set < sets_.size(); ++set) {
    for (const AddressRange& range : sets_[set]) {
      edges.push_back({range.first, set});
      if (range.last != net::IpAddr::last(range.last.family()))
        edges.push_back({range.last.next(), set});
    }
  }
  std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) { return a.at < b.at; });

  interval_classes_.clear();
  families_.clear();
  std::unordered_map<Signature, AddressClass, SignatureHash> known;
  size_t next = 0;
  for (const net::Family family : net::kFamilies) {
    Signature signature;
    signature.toggle(sets_.size() + static_cast<uint64_t>(family));  // classes have one family
    net::IpAddr start = net::IpAddr::first(family);
    while (true) {
      for (; next < edges.size() && edges[next].at == start; ++next)
        signature.toggle(edges[next].set);
      const auto [it, fresh] =
          known.try_emplace(signature, static_cast<AddressClass>(families_.size()));
      if (fresh) families_.push_back(family);
      if (family == net::Family::kIPv4) {
        v4_starts_.push_back(start.v4_host_order());
      } else {
        v6_starts_.push_back(start);
      }
      interval_classes_.push_back(it->second);
      if (next == edges.size() || edges[next].at.family() != family) break;
      start = edges[next].at;
    }
  }

  classes_of_.assign(sets_.size(), {});
  for (SetId set = 0; set < sets_.size(); ++set) {
    std::vector<AddressClass>& classes = classes_of_[set];
    for (const AddressRange& range : sets_[set]) {
      const size_t last = interval_at(range.last);
      for (size_t i = interval_at(range.first); i <= last; ++i) {
        if (classes.empty() || classes.back() != interval_classes_[i])
          classes.push_back(interval_classes_[i]);
      }
      // Sets of many ranges mostly repeat the same few classes.
      if (classes.size() > 2 * families_.size()) {
        std::sort(classes.begin(), classes.end());
        classes.erase(std::unique(classes.begin(), classes.end()), classes.end());
      }
    }
    std::sort(classes.begin(), classes.end());
    classes.erase(std::unique(classes.begin(), classes.end()), classes.end());
    classes.shrink_to_fit();
  }
  sets_.clear();
  sets_.shrink_to_fit();
}

size_t AddressSpace::interval_at(const net::IpAddr& address) const {
  if (address.is_v4()) {
    const auto after =
        std::upper_bound(v4_starts_.begin(), v4_starts_.end(), address.v4_host_order());
    return static_cast<size_t>(after - v4_starts_.begin()) - 1;
  }
  const auto after = std::upper_bound(v6_starts_.begin(), v6_starts_.end(), address);
  return v4_starts_.size() + static_cast<size_t>(after - v6_starts_.begin()) - 1;
}

AddressClass AddressSpace::find(const net::IpAddr& address) const {
  return interval_classes_[interval_at(address)];
}

std::vector<AddressSpace::Interval> AddressSpace::intervals() const {
  std::vector<Interval> out;
  for (size_t i = 0; i < v4_starts_.size(); ++i) {
    const net::IpAddr first = net::IpAddr::v4(v4_starts_[i]);
    const net::IpAddr last = i + 1 < v4_starts_.size()
                                 ? net::IpAddr::v4(v4_starts_[i + 1]).previous()
                                 : net::IpAddr::last(net::Family::kIPv4);
    out.push_back({{first, last}, interval_classes_[i]});
  }
  for (size_t i = 0; i < v6_starts_.size(); ++i) {
    const net::IpAddr last = i + 1 < v6_starts_.size() ? v6_starts_[i + 1].previous()
                                                       : net::IpAddr::last(net::Family::kIPv6);
    out.push_back({{v6_starts_[i], last}, interval_classes_[v4_starts_.size() + i]});
  }
  return out;
}

}  // namespace caracal::analysis
