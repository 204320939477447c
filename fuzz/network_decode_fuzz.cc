// API objects as bytes, as every kind that the pod network depends on. Whatever comes: what the
// decoder lets through is well formed, routes can be calculated from it, taking the object away
// again leaves nothing behind, and the API server's rules agree with the decoder.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <variant>

#include "base/check.h"
#include "calico/decode.h"
#include "calico/object_rules.h"
#include "jsonio/json.h"
#include "route/network_engine.h"

namespace caracal {
namespace {

void check(const model::NetworkUpdate& update) {
  if (const auto* pool = std::get_if<model::IpPoolUpdate>(&update); pool && pool->value) {
    const model::IpPool& value = *pool->value;
    const bool v4 = value.cidr.family() == net::Family::kIPv4;
    CARACAL_CHECK(value.block_bits >= (v4 ? 20 : 116) && value.block_bits <= (v4 ? 32 : 128));
    CARACAL_CHECK(value.cidr.bits() <= value.block_bits || value.disabled);
    CARACAL_CHECK(v4 || value.encapsulation != model::Encapsulation::kIpip);
    CARACAL_CHECK(!value.for_load_balancers || !value.for_workloads);
  }
  if (const auto* block = std::get_if<model::AddressBlockUpdate>(&update); block && block->value) {
    CARACAL_CHECK(block->key == block->value->cidr);
    for (const auto& [address, node] : block->value->elsewhere) {
      CARACAL_CHECK(block->key.contains(address) && !node.empty());
      CARACAL_CHECK(node != block->value->node);
    }
  }
  if (const auto* peer = std::get_if<model::BgpPeerUpdate>(&update); peer && peer->value) {
    const model::BgpPeer& value = *peer->value;
    CARACAL_CHECK(value.peer_ip || value.peers || value.local_workloads);
    CARACAL_CHECK(!value.peer_ip || value.as_number);
  }
}

void decode_as(const calico::Collection& collection, json::value object) {
  object.get_object()["apiVersion"] = collection.api_version();
  object.get_object()["kind"] = collection.kind;
  calico::ObjectDecoder decoder("node1");
  const auto decoded = decoder.apply(object);
  if (!decoded) return;  // no name
  route::NetworkEngine engine({.node = "node1"});
  route::NetworkEngine by_pod_cidrs({.node = "node1", .pod_cidrs = true});
  const auto apply = [&](const std::vector<model::NetworkUpdate>& updates) {
    for (const model::NetworkUpdate& update : updates) {
      check(update);
      engine.apply(update);
      by_pod_cidrs.apply(update);
    }
    (void)engine.flush();
    (void)by_pod_cidrs.flush();
    (void)engine.problems();
    (void)by_pod_cidrs.problems();
  };
  apply(decoded->network);
  if (const auto* rules = calico::find_rules(collection.group, collection.kind)) {
    kube::ObjectReader reader;
    rules->check(object, reader);
    const bool decides = collection.kind == "IPPool" || collection.kind == "IPReservation" ||
                         collection.kind == "BGPPeer" || collection.kind == "BGPFilter";
    if (decides) CARACAL_CHECK(reader.ok() == !decoded->network.empty());
    if (rules->check_change != nullptr) {
      kube::ObjectReader same;
      rules->check_change(object, object, same);
      CARACAL_CHECK(same.ok());
    }
  }
  model::ObjectName name;
  name.name = jsonio::get_string(object, {"metadata", "name"});
  if (collection.namespaced) name.ns = jsonio::get_string(object, {"metadata", "namespace"});
  apply(decoder.apply(collection, name, nullptr).network);
  CARACAL_CHECK(engine.network() == desired::PodNetwork());
  CARACAL_CHECK(by_pod_cidrs.network() == desired::PodNetwork());
}

}  // namespace
}  // namespace caracal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace caracal;
  const auto parsed = jsonio::parse({reinterpret_cast<const char*>(data), size});
  if (!parsed || !parsed->is_object()) return 0;
  for (const calico::Collection& collection : calico::network_collections()) {
    decode_as(collection, *parsed);
  }
  for (const std::string_view kind : {"Node", "EndpointSlice"}) {
    const auto* collection =
        calico::find_collection(kind == "Node" ? "v1" : "discovery.k8s.io/v1", kind);
    decode_as(*collection, *parsed);
  }
  decode_as(*calico::find_collection("projectcalico.org/v3", "FelixConfiguration"), *parsed);
  return 0;
}
