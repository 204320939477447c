#include "network_watch.h"

#include <algorithm>

namespace caracal::bench {
namespace {

bool wanted(const calico::Collection& collection) {
  const auto network = calico::network_collections();
  return collection.plural == "nodes" || collection.plural == "endpointslices" ||
         collection.plural == "felixconfigurations" ||
         std::any_of(network.begin(), network.end(),
                     [&](const calico::Collection& one) { return &one == &collection; });
}

}  // namespace

NetworkWatch::NetworkWatch(kube::Client& client, const std::string& node, OnDecoded on_decoded,
                           std::function<void()> on_synced)
    : client_(client),
      decoder_(node),
      on_decoded_(std::move(on_decoded)),
      on_synced_(std::move(on_synced)),
      served_(client, event::Duration(20'000),
              [this](const agent::ServedCollections::Served& served) {
                for (const calico::Collection* one : served) {
                  if (!wanted(*one) || followed_.contains(one)) continue;
                  follow(*one);
                  followed_.at(one)->start();
                }
                tell_synced();
              }) {
  for (const calico::Collection& collection : calico::all_collections()) {
    if (collection.always && wanted(collection)) follow(collection);
  }
}

void NetworkWatch::start() {
  for (const auto& [collection, reflector] : followed_) reflector->start();
  served_.start();
}

void NetworkWatch::follow(const calico::Collection& collection) {
  kube::ReflectorOptions options;
  options.path = collection.path();
  kube::Reflector::Callbacks callbacks;
  callbacks.on_object = [this, &collection](const model::ObjectName& name,
                                            const json::value* object) {
    on_decoded_(decoder_.apply(collection, name, object));
  };
  callbacks.on_synced = [this] { tell_synced(); };
  followed_[&collection] =
      std::make_unique<kube::Reflector>(client_, std::move(options), std::move(callbacks));
}

void NetworkWatch::tell_synced() {
  const bool synced =
      served_.known() && std::all_of(followed_.begin(), followed_.end(),
                                     [](const auto& entry) { return entry.second->synced(); });
  if (!synced || told_) return;
  told_ = true;
  on_synced_();
}

}  // namespace caracal::bench
