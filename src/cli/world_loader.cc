#include "cli/world_loader.h"

#include "kube/decode.h"
#include "kube/http.h"

namespace caracal::cli {
namespace {

// Lists a collection and gives each object to `decode`, which returns a Result of an Update.
template <typename Decode>
Status load(kube::BlockingClient& client, const char* api_version, const char* plural,
            LoadedWorld& into, Decode decode) {
  CARACAL_ASSIGN(const json::value list, client.list(kube::resource_path(api_version, "", plural)));
  for (const json::value& object : jsonio::get_array(list, {"items"})) {
    Result<model::Update> update = decode(object);
    if (update) {
      into.world.apply(*update);
    } else {
      into.warnings.push_back(update.error().message);
    }
  }
  return {};
}

}  // namespace

Result<LoadedWorld> load_world(kube::BlockingClient& client) {
  LoadedWorld out;
  CARACAL_TRY(
      load(client, "v1", "namespaces", out, [](const json::value& object) -> Result<model::Update> {
        CARACAL_ASSIGN(model::Namespace value, kube::decode_namespace(object));
        const std::string key = value.name;
        return model::NamespaceUpdate{key, std::move(value)};
      }));
  CARACAL_TRY(
      load(client, "v1", "nodes", out, [](const json::value& object) -> Result<model::Update> {
        CARACAL_ASSIGN(model::Node value, kube::decode_node(object));
        const std::string key = value.name;
        return model::NodeUpdate{key, std::move(value)};
      }));
  CARACAL_TRY(
      load(client, "v1", "pods", out, [](const json::value& object) -> Result<model::Update> {
        CARACAL_ASSIGN(model::Pod value, kube::decode_pod(object));
        const model::ObjectName key = value.name;
        return model::PodUpdate{key, std::move(value)};
      }));
  CARACAL_TRY(load(client, "networking.k8s.io/v1", "networkpolicies", out,
                   [&out](const json::value& object) -> Result<model::Update> {
                     model::PolicyUpdate update = kube::decode_network_policy(object);
                     if (update.invalid) out.warnings.push_back(*update.invalid);
                     return model::Update(std::move(update));
                   }));
  return out;
}

}  // namespace caracal::cli
