#include "policy/service_table.h"

namespace caracal::policy {

void ServiceTable::set(const model::ObjectName& name, const model::EndpointSlice* slice) {
  if (const auto it = slices_.find(name); it != slices_.end()) {
    if (slice != nullptr && it->second == *slice) return;
    const model::ObjectName service{name.ns, it->second.service};
    const bool stays = slice != nullptr && slice->service == it->second.service;
    if (!stays) {
      Service& old = services_[service];
      if (old.users > 0) endpoints_.set_slice(name, nullptr);
      old.slices.erase(name);
      forget_if_unused(service);
    }
    slices_.erase(it);
  }
  if (slice == nullptr) return;
  slices_.emplace(name, *slice);
  Service& service = services_[{name.ns, slice->service}];
  service.slices.insert(name);
  if (service.users > 0) endpoints_.set_slice(name, slice);
}

void ServiceTable::take(const model::ObjectName& name) {
  Service& service = services_[name];
  if (service.users++ > 0) return;
  for (const model::ObjectName& slice : service.slices) {
    endpoints_.set_slice(slice, &slices_.at(slice));
  }
}

void ServiceTable::drop(const model::ObjectName& name) {
  Service& service = services_[name];
  if (--service.users > 0) return;
  for (const model::ObjectName& slice : service.slices) endpoints_.set_slice(slice, nullptr);
  forget_if_unused(name);
}

void ServiceTable::forget_if_unused(const model::ObjectName& name) {
  const auto it = services_.find(name);
  if (it->second.users == 0 && it->second.slices.empty()) services_.erase(it);
}

}  // namespace caracal::policy
