// API objects as bytes, through the one decoder of all kinds and through the rules of the API
// server. Whatever comes: a policy has its name, an invalid one holds no rules, and putting an
// object and taking it away again leaves the world as it was.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "calico/decode.h"
#include "calico/object_rules.h"
#include "jsonio/json.h"
#include "model/world.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace caracal;
  const auto parsed = jsonio::parse({reinterpret_cast<const char*>(data), size});
  if (!parsed || !parsed->is_object()) return 0;
  json::value object = *parsed;
  for (const calico::Collection& collection : calico::collections()) {
    object.get_object()["apiVersion"] = collection.api_version();
    object.get_object()["kind"] = collection.kind;
    calico::ObjectDecoder decoder("node1");
    const auto decoded = decoder.apply(object);
    if (!decoded) continue;  // no name
    model::World world;
    for (const model::Update& update : decoded->updates) {
      if (const auto* policy = std::get_if<model::PolicyUpdate>(&update)) {
        CARACAL_CHECK(!policy->key.name.name.empty());
        if (policy->invalid && policy->value) {
          CARACAL_CHECK(policy->value->ingress.empty() && policy->value->egress.empty());
        }
        CARACAL_CHECK(!policy->invalid || !decoded->findings.empty());
      }
      world.apply(update);
    }
    model::ObjectName name;
    name.name = jsonio::get_string(object, {"metadata", "name"});
    if (collection.namespaced) name.ns = jsonio::get_string(object, {"metadata", "namespace"});
    for (const model::Update& update : decoder.apply(collection, name, nullptr).updates)
      world.apply(update);
    CARACAL_CHECK(world == model::World());
    if (const auto* rules = calico::find_rules(collection.group, collection.kind)) {
      kube::ObjectReader reader;
      rules->check(object, reader);
      if (rules->apply_defaults != nullptr) {
        json::value once = object;
        rules->apply_defaults(once);
        json::value twice = once;
        rules->apply_defaults(twice);
        CARACAL_CHECK(once == twice);
      }
    }
  }
  return 0;
}
