#include "calico/decode_ip_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "calico/decode_entity_rule.h"
#include "calico/network_fields.h"
#include "kube/decode_fields.h"

namespace caracal::calico {
namespace {

using model::Encapsulation;
using net::Family;

constexpr FieldPath kSpec("spec");

struct BlockBits {
  int least;
  int most;
  int standard;
};
constexpr BlockBits block_bits(Family family) {
  return family == Family::kIPv4 ? BlockBits{20, 32, kBlockBitsV4}
                                 : BlockBits{116, 128, kBlockBitsV6};
}

class PoolReader {
 public:
  PoolReader(const json::object& object, ObjectReader& reader)
      : object_(object), spec_(spec_of(object, reader)), reader_(reader) {}

  std::optional<model::IpPool> read(const std::string& name) {
    const size_t problems = reader_.problems().size();
    pool_.name = name;
    pool_.nat_outgoing = reader_.flag(spec_, "natOutgoing", kSpec);
    pool_.disabled = reader_.flag(spec_, "disabled", kSpec);
    pool_.export_by_bgp = !reader_.flag(spec_, "disableBGPExport", kSpec);
    pool_.manual =
        reader_.word(spec_, "assignmentMode", kSpec, {"Automatic", "Manual"}) == "Manual";
    read_range();
    read_modes();
    read_uses();
    read_selectors();
    check_load_balancer();
    if (reader_.problems().size() > problems) return std::nullopt;
    if (is_being_deleted(object_)) pool_.disabled = true;
    return std::move(pool_);
  }

 private:
  void read_range() {
    const auto cidr = required_cidr(spec_, "cidr", kSpec, reader_);
    if (!cidr) return;
    pool_.cidr = *cidr;
    static const std::array<net::Cidr, 2> kLinkLocal = {
        net::Cidr(net::IpAddr::v4(0xa9fe0000), 16),
        net::Cidr(net::IpAddr::v6({0xfe, 0x80}), 10),
    };
    for (const net::Cidr& range : kLinkLocal) {
      if (!range.contains(*cidr) && !cidr->contains(range)) continue;
      reader_.invalid(
          kSpec.member("cidr"), json::string(cidr->to_string()),
          fmt::format("must not overlap {}, the link-local addresses", range.to_string()));
    }
    const auto [least, most, standard] = block_bits(cidr->family());
    pool_.block_bits = standard;
    if (kube::member(spec_, "blockSize") != nullptr) {
      const auto bits = reader_.integer(spec_, "blockSize", kSpec, least, most);
      if (!bits) return;
      pool_.block_bits = static_cast<int>(*bits);
    }
    if (cidr->bits() > pool_.block_bits && !pool_.disabled) {
      reader_.invalid(kSpec.member("cidr"), json::string(cidr->to_string()),
                      fmt::format("must hold at least one block of blockSize {}: a prefix of {} "
                                  "bits or less",
                                  pool_.block_bits, pool_.block_bits));
    }
  }

  void read_modes() {
    const auto read = [this](std::string_view name, Encapsulation means) {
      const std::string_view mode =
          reader_.word(spec_, name, kSpec, {"Always", "CrossSubnet", "Never"});
      if (mode.empty() || mode == "Never") return;
      if (pool_.encapsulation != Encapsulation::kNone) {
        reader_.forbidden(kSpec.member(name),
                          "cannot stand beside ipipMode: one of the two must "
                          "be Never");
      }
      pool_.encapsulation = means;
      pool_.cross_subnet = mode == "CrossSubnet";
      if (means == Encapsulation::kIpip && pool_.cidr.family() == Family::kIPv6) {
        reader_.invalid(kSpec.member(name), json::string(mode),
                        "must be \"Never\" in an IPv6 pool: IPIP carries IPv4 only");
      }
    };
    read("ipipMode", Encapsulation::kIpip);
    read("vxlanMode", Encapsulation::kVxlan);
  }

  void read_uses() {
    const auto uses = reader_.texts(spec_, "allowedUses", kSpec);
    if (uses.empty()) return;
    pool_.for_workloads = pool_.for_tunnels = false;
    const FieldPath list = kSpec.member("allowedUses");
    for (const auto& [use, index] : uses) {
      if (use == "Workload") {
        pool_.for_workloads = true;
      } else if (use == "Tunnel") {
        pool_.for_tunnels = true;
      } else if (use == "LoadBalancer") {
        pool_.for_load_balancers = true;
      } else {
        reader_.invalid(list.element(index), json::string(use),
                        "must be one of \"Workload\", \"Tunnel\", \"LoadBalancer\"");
      }
    }
  }

  void read_selectors() {
    if (auto nodes = decode_selector(spec_, kSpec, {.name = "nodeSelector"}, reader_)) {
      pool_.nodes = std::move(*nodes);
    }
    pool_.namespaces = decode_selector(spec_, kSpec, {.name = "namespaceSelector"}, reader_);
    if (pool_.namespaces) pool_.for_tunnels = false;
  }

  void check_load_balancer() {
    if (!pool_.for_load_balancers) return;
    if (pool_.for_workloads || pool_.for_tunnels) {
      reader_.forbidden(kSpec.member("allowedUses"),
                        "\"LoadBalancer\" cannot stand beside other uses");
    }
    if (pool_.encapsulation != Encapsulation::kNone) {
      const bool ipip = pool_.encapsulation == Encapsulation::kIpip;
      reader_.forbidden(kSpec.member(ipip ? "ipipMode" : "vxlanMode"),
                        "must be \"Never\" in a pool for LoadBalancer");
    }
    if (!pool_.export_by_bgp) {
      reader_.forbidden(kSpec.member("disableBGPExport"),
                        "must be false in a pool for LoadBalancer");
    }
    if (!pool_.nodes.matches_everything()) {
      reader_.forbidden(kSpec.member("nodeSelector"),
                        "must be \"all()\" in a pool for "
                        "LoadBalancer: a service is on no node");
    }
  }

  const json::object& object_;
  const json::object& spec_;
  ObjectReader& reader_;
  model::IpPool pool_;
};

}  // namespace

std::optional<model::IpPool> decode_ip_pool(const std::string& name, const json::object& object,
                                            ObjectReader& reader) {
  return PoolReader(object, reader).read(name);
}

void check_ip_pool_change(const json::object& object, const json::object& old,
                          ObjectReader& reader) {
  ObjectReader unheard;  // what was wrong before is not the writer's to mend
  const auto before = decode_ip_pool({}, old, unheard);
  const auto now = decode_ip_pool({}, object, unheard);
  if (!before || !now) return;
  if (before->cidr != now->cidr) {
    reader.invalid(kSpec.member("cidr"), json::string(now->cidr.to_string()),
                   fmt::format("may not be changed (from {}): make another pool, and delete this "
                               "one",
                               before->cidr.to_string()));
  } else if (before->block_bits != now->block_bits) {
    reader.invalid(kSpec.member("blockSize"), now->block_bits,
                   fmt::format("may not be changed (from {})", before->block_bits));
  }
}

std::optional<model::IpReservation> decode_ip_reservation(const std::string& name,
                                                          const json::object& object,
                                                          ObjectReader& reader) {
  const size_t problems = reader.problems().size();
  const json::object& spec = spec_of(object, reader);
  model::IpReservation reservation{name, {}};
  const FieldPath list = kSpec.member("reservedCIDRs");
  for (const auto& [text, index] : reader.texts(spec, "reservedCIDRs", kSpec)) {
    if (const auto cidr = network(text, list.element(index), reader)) {
      reservation.cidrs.push_back(*cidr);
    }
  }
  std::sort(reservation.cidrs.begin(), reservation.cidrs.end());
  if (reader.problems().size() > problems) return std::nullopt;
  return reservation;
}

std::optional<model::IpamSettings> decode_ipam_settings(const json::object& object,
                                                        ObjectReader& reader) {
  constexpr int64_t kMostBlocks = 2147483647;
  constexpr int64_t kMostCooldown = 1200;
  const size_t problems = reader.problems().size();
  const json::object& spec = spec_of(object, reader);
  model::IpamSettings settings;
  settings.strict_affinity = reader.flag(spec, "strictAffinity", kSpec);
  if (kube::member(spec, "autoAllocateBlocks") != nullptr) {
    settings.auto_allocate_blocks = reader.flag(spec, "autoAllocateBlocks", kSpec);
  }
  if (const auto most = reader.integer(spec, "maxBlocksPerHost", kSpec, 0, kMostBlocks)) {
    settings.max_blocks_per_host = static_cast<uint32_t>(*most);
  }
  if (const auto seconds = reader.integer(spec, "ipCooldownSeconds", kSpec, 0, kMostCooldown)) {
    settings.cooldown_seconds = static_cast<uint32_t>(*seconds);
  }
  if (!settings.strict_affinity && !settings.auto_allocate_blocks) {
    reader.forbidden(kSpec.member("autoAllocateBlocks"),
                     "may be false only where strictAffinity is true: else nodes would have "
                     "nothing but other nodes' blocks");
  }
  if (!settings.strict_affinity && settings.max_blocks_per_host != 0) {
    reader.forbidden(kSpec.member("maxBlocksPerHost"),
                     "may be set only where strictAffinity is "
                     "true");
  }
  if (reader.problems().size() > problems) return std::nullopt;
  return settings;
}

}  // namespace caracal::calico
