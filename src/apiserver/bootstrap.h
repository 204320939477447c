// What a new server must hold before it answers: the built-in namespaces, the service `kubernetes`,
// the bundled CRDs and the tiers that always exist. Idempotent: at later starts only what is
// missing or outdated is written.
#pragma once

#include <cstdint>
#include <string>

#include "apimachinery/resource_type.h"
#include "apiserver/object_writer.h"
#include "apiserver/store.h"

namespace caracal::apiserver {

// Registers what the stored CRDs serve, and notes the stored services' addresses. REQUIRES: no
// requests yet.
Status load_stored_types(const Store& store, apimachinery::ResourceRegistry& registry,
                         ClusterIpAllocator& addresses);
// One CRD's event: registers or forgets its types. On the commit thread.
void follow_crd(const StoreEvent& event, apimachinery::ResourceRegistry& registry);

Status bootstrap(Store& store, const apimachinery::ResourceRegistry& registry, ObjectWriter& writer,
                 const std::string& service_address, uint16_t api_port, bool bundled_crds);

}  // namespace caracal::apiserver
