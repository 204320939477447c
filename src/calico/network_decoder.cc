#include "calico/network_decoder.h"

#include <iterator>
#include <optional>
#include <utility>

#include "calico/decode_address_block.h"
#include "calico/decode_bgp.h"
#include "calico/decode_ip_pool.h"
#include "calico/decode_node_network.h"
#include "calico/decode_service.h"
#include "kube/object_reader.h"

namespace caracal::calico {
namespace {

using model::NetworkUpdate;
using model::ObjectName;

constexpr std::string_view kOnlyName = "default";

// Says nothing to the model when the object is of a kind with one object, and not that one.
bool is_other(std::string_view kind, const ObjectName& name) {
  const bool single = kind == "IPAMConfiguration" || kind == "ClusterInformation";
  return single && name.name != kOnlyName;
}

std::vector<NetworkUpdate> removal(std::string_view kind, const ObjectName& name) {
  if (is_other(kind, name)) return {};
  if (kind == "Node") return {model::NodeNetworkUpdate{name.name, std::nullopt}};
  if (kind == "EndpointSlice") return {model::ServiceNodesUpdate{name, std::nullopt}};
  if (kind == "Service") return {model::ServiceUpdate{name, std::nullopt}};
  if (kind == "IPPool") return {model::IpPoolUpdate{name.name, std::nullopt}};
  if (kind == "IPReservation") return {model::IpReservationUpdate{name.name, std::nullopt}};
  if (kind == "IPAMConfiguration") return {model::IpamSettingsUpdate{std::nullopt}};
  if (kind == "BGPConfiguration") return {model::BgpConfigurationUpdate{name.name, std::nullopt}};
  if (kind == "BGPPeer") return {model::BgpPeerUpdate{name.name, std::nullopt}};
  if (kind == "BGPFilter") return {model::BgpFilterUpdate{name.name, std::nullopt}};
  if (kind == "ClusterInformation") return {model::DatastoreReadyUpdate{true}};
  return {};  // IPAMBlock: by the CIDR it had
}

template <typename Update, typename Key, typename Value>
void take(std::vector<NetworkUpdate>& updates, Key key, std::optional<Value> value) {
  if (value) updates.emplace_back(Update{std::move(key), std::move(value)});
}

// One update at the most.
std::vector<NetworkUpdate> updates_of(std::string_view kind, const ObjectName& name,
                                      const json::object& object, kube::ObjectReader& reader) {
  std::vector<NetworkUpdate> out;
  const std::string& id = name.name;
  if (is_other(kind, name)) {
    reader.warn(FieldPath("metadata").member("name"), "only the object default has an effect");
  } else if (kind == "IPAMBlock") {
    if (auto block = decode_address_block(object, reader)) {
      const net::Cidr key = block->cidr;
      out.emplace_back(model::AddressBlockUpdate{key, std::move(block)});
    }
  } else if (kind == "Node") {
    out.emplace_back(model::NodeNetworkUpdate{id, decode_node_network(id, object, reader)});
  } else if (kind == "EndpointSlice") {
    out.emplace_back(model::ServiceNodesUpdate{name, decode_service_nodes(name, object, reader)});
  } else if (kind == "Service") {
    out.emplace_back(model::ServiceUpdate{name, decode_service(name, object, reader)});
  } else if (kind == "IPPool") {
    take<model::IpPoolUpdate>(out, id, decode_ip_pool(id, object, reader));
  } else if (kind == "IPReservation") {
    take<model::IpReservationUpdate>(out, id, decode_ip_reservation(id, object, reader));
  } else if (kind == "IPAMConfiguration") {
    if (auto settings = decode_ipam_settings(object, reader)) {
      out.emplace_back(model::IpamSettingsUpdate{std::move(settings)});
    }
  } else if (kind == "BGPConfiguration") {
    take<model::BgpConfigurationUpdate>(out, id, decode_bgp_configuration(id, object, reader));
  } else if (kind == "BGPPeer") {
    take<model::BgpPeerUpdate>(out, id, decode_bgp_peer(id, object, reader));
  } else if (kind == "BGPFilter") {
    take<model::BgpFilterUpdate>(out, id, decode_bgp_filter(id, object, reader));
  } else if (kind == "ClusterInformation") {
    const json::value whole(object);
    out.emplace_back(
        model::DatastoreReadyUpdate{jsonio::get_bool(whole, {"spec", "datastoreReady"}, true)});
  }
  return out;
}

}  // namespace

struct NetworkDecoder::Said {
  virtual ~Said() = default;
  virtual NetworkUpdate update() const = 0;

  static std::shared_ptr<const Said> of(NetworkUpdate update) {
    return std::visit(
        [](auto& one) -> std::shared_ptr<const Said> {
          using Update = std::decay_t<decltype(one)>;
          struct Of final : Said {
            explicit Of(Update u) : own(std::move(u)) {}
            NetworkUpdate update() const override { return own; }
            Update own;
          };
          return std::make_shared<const Of>(std::move(one));
        },
        update);
  }
};

std::string_view NetworkDecoder::kind_of(const Collection& collection) {
  return collection.kind == "IPAMConfig" ? "IPAMConfiguration" : collection.kind;
}

// A block whose object has got another CIDR, or is gone, is no more under the one it had.
void NetworkDecoder::tell_block(const std::string& name, std::vector<NetworkUpdate>& updates) {
  std::optional<net::Cidr> now;
  if (!updates.empty()) now = std::get<model::AddressBlockUpdate>(updates.front()).key;
  const auto before = blocks_.find(name);
  if (before != blocks_.end() && before->second != now) {
    updates.emplace_back(model::AddressBlockUpdate{before->second, std::nullopt});
    blocks_.erase(before);
  }
  if (now) blocks_.insert_or_assign(name, *now);
}

NetworkDecoder::Decoded NetworkDecoder::apply(const Collection& collection, const ObjectName& name,
                                              const json::value* object) {
  const std::string_view kind = kind_of(collection);
  const bool calico = is_calico(collection);
  static const std::span<const Collection> kOwn = network_collections();
  const bool own = &collection >= kOwn.data() && &collection < kOwn.data() + kOwn.size();
  if (!own && (calico || (kind != "Node" && kind != "EndpointSlice"))) return {};

  Decoded part;
  if (object != nullptr) {
    kube::ObjectReader reader;
    if (const json::object* members = object->if_object()) {
      part.updates = updates_of(kind, name, *members, reader);
    } else {
      reader.reject("must be an object");
    }
    // Of the kinds above, policy's decoder tells what is wrong with the object as such.
    const bool invalid = part.updates.empty();
    for (const auto& problem : reader.problems()) {
      part.findings.push_back({&collection, name, invalid, problem.to_string()});
    }
    for (const std::string& warning : reader.warnings()) {
      part.findings.push_back({&collection, name, false, warning});
    }
  }
  if (!calico) {
    if (object == nullptr) part.updates = removal(kind, name);
    return part;
  }
  Decoded out;
  Part said{part.updates.empty() ? nullptr : Said::of(std::move(part.updates.front())),
            std::move(part.findings)};
  using Twins = TwinTable<Part>;
  const auto source = is_shown(collection) ? Twins::Source::kShown : Twins::Source::kStored;
  for (const auto& change :
       twins_.try_emplace(kind).first->second.put(source, name, object ? &said : nullptr)) {
    const bool gone = change.part == nullptr;
    std::vector<NetworkUpdate> updates;
    if (gone) {
      updates = removal(kind, change.name);
    } else if (change.part->said) {
      updates.push_back(change.part->said->update());
    }
    if (kind == "IPAMBlock" && (gone || !updates.empty())) tell_block(change.name.name, updates);
    std::move(updates.begin(), updates.end(), std::back_inserter(out.updates));
    if (!gone) {
      out.findings.insert(out.findings.end(), change.part->findings.begin(),
                          change.part->findings.end());
    }
  }
  return out;
}

}  // namespace caracal::calico
